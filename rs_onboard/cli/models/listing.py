# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models list`: what there is, how good it is, under which terms."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.models.folders import NAMES_HELP, find_folders

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rs_onboard.inference.card import ModelCard, Variant

SHORT_HEADER = ('model', 'task', 'network', 'trained on', 'quality', 'terms of the weights')
HEADER = ('model', 'task', 'network', 'classes', 'tile', 'GSD [m]', 'variants', 'trained')


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser('list', help='list model folders', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='DIR', help=NAMES_HELP)
    parser.add_argument('--markdown', action='store_true', help='print a short table as Markdown')
    parser.add_argument(
        '--readme', type=Path, metavar='FILE', help='write that table between the marker lines'
    )


def run(args: argparse.Namespace) -> int:
    """Print a table, then quality and terms; 1 if a card cannot be read."""
    from rs_onboard.inference.card import load_card  # noqa: PLC0415  (a quick command line)
    from rs_onboard.inference.errors import CardError  # noqa: PLC0415
    from rs_onboard.inference.tables import (  # noqa: PLC0415
        markdown_table,
        write_between_markers,
    )

    def read(folder: Path) -> ModelCard | None:
        try:
            return load_card(folder)
        except CardError as exc:
            print('rs_onboard: error:', ' '.join(str(exc).split()), file=sys.stderr)
            return None

    found = [read(folder) for folder in find_folders(args.names)]
    cards = [card for card in found if card is not None]
    table = markdown_table(SHORT_HEADER, [short_row(card) for card in cards], left=6)
    if args.readme:
        write_between_markers(args.readme, 'models list', table)
    if args.markdown:
        print(table, end='')
    else:
        print_cards(cards)
    return 0 if len(cards) == len(found) else 1


def print_cards(cards: Sequence[ModelCard]) -> None:
    """Print a table, then what each card says of quality and terms."""
    rows = [HEADER, *(table_row(card) for card in cards)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if cards else ():
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print('  '.join(padded).rstrip())
    for card in cards:
        print(f'\n{card.name}: {card.summary}')
        for variant in card.variants.values():
            print(f'  {describe_variant(variant)}')
        if card.baseline:
            figures = ', '.join(f'{k} {v:.3f}' for k, v in card.baseline.quality.items())
            print(f'  baseline {card.baseline.name}: {figures}; {card.baseline.training}')
        terms = card.weights
        print(f'  weights: {terms.licence}; {terms.origin}')
        if terms.restrictions:
            print(f'  restrictions: {terms.restrictions}')
        for data in terms.data:
            print(f'  data: {data.name}, {data.licence}')


def table_row(card: ModelCard) -> tuple[str, ...]:
    """Format the row of a model."""
    tile, gsd = card.input, card.gsd
    spread = f' ({gsd.low_m:g} to {gsd.high_m:g})' if gsd.low_m < gsd.high_m else ''
    return (
        card.name,
        card.task,
        card.network,
        str(len(card.classes)),
        f'{tile.height}x{tile.width}{" or other" if tile.dynamic else ""}',
        f'{gsd.trained_m:g}{spread}',
        ' '.join(card.variants),
        'yes' if card.trained else 'NO',
    )


def short_row(card: ModelCard) -> tuple[str, ...]:
    """Format the row of a model for a README."""
    first = next(iter(card.variants.values()))
    name = next(iter(first.quality), '')
    values = [
        f'{key} {100 * variant.quality[name]:.1f}'
        for key, variant in card.variants.items()
        if name in variant.quality
    ]
    low, high = (first.quality.get(f'{name}_{end}') for end in ('low', 'high'))
    spread = '' if low is None or high is None else f' ({100 * low:.1f} to {100 * high:.1f})'
    values[:1] = [f'{value}{spread}' for value in values[:1]]
    if card.baseline and name in card.baseline.quality:
        values.append(f'{card.baseline.name} {100 * card.baseline.quality[name]:.1f}')
    metric = name.replace('_', ' ').replace('iou', 'IoU')
    terms = card.weights
    return (
        f'`{card.name}`',
        f'{card.task}, {len(card.classes)} classes',
        card.network,
        '; '.join(data.name for data in terms.data) if card.trained else 'NOT TRAINED',
        f'{metric} [%]: {", ".join(values)}' if values else 'not measured',
        f'{terms.licence}; {terms.restrictions}' if terms.restrictions else terms.licence,
    )


def describe_variant(variant: Variant) -> str:
    """Say size, first quality figure and latency of a variant, and its note."""
    parts = [f'{variant.name}: {variant.size / 1e6:.1f} MB']
    for name, value in list(variant.quality.items())[:1]:
        low, high = (variant.quality.get(f'{name}_{end}') for end in ('low', 'high'))
        spread = '' if low is None or high is None else f' ({low:.3f} to {high:.3f})'
        parts.append(f'{name} {value:.3f}{spread}')
    parts += [
        f'{row.p50_ms:g} ms on {row.machine}, {row.provider}, threads {row.threads}'
        for row in variant.latencies[:1]
    ]
    return ', '.join(parts) + (f'; {variant.note}' if variant.note else '')
