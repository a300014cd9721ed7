# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models list`: what there is, how good it is, under which terms."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rs_onboard.cli.models.folders import NAMES_HELP, find_folders

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rs_onboard.inference.card import ModelCard, Variant

HEADER = ('model', 'task', 'network', 'classes', 'tile', 'GSD [m]', 'variants', 'trained')


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser('list', help='list model folders', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='DIR', help=NAMES_HELP)


def run(args: argparse.Namespace) -> int:
    """Print a table, then quality and terms; 1 if a card cannot be read."""
    from rs_onboard.inference.card import load_card  # noqa: PLC0415  (a quick command line)
    from rs_onboard.inference.errors import CardError  # noqa: PLC0415

    def read(folder: Path) -> ModelCard | None:
        try:
            return load_card(folder)
        except CardError as exc:
            print('rs_onboard: error:', ' '.join(str(exc).split()), file=sys.stderr)
            return None

    found = [read(folder) for folder in find_folders(args.names)]
    cards = [card for card in found if card is not None]
    rows = [HEADER, *(table_row(card) for card in cards)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if cards else ():
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print('  '.join(padded).rstrip())
    for card in cards:
        print(f'\n{card.name}: {card.summary}')
        for variant in card.variants.values():
            print(f'  {describe_variant(variant)}')
        terms = card.weights
        print(f'  weights: {terms.licence}; {terms.origin}')
        if terms.restrictions:
            print(f'  restrictions: {terms.restrictions}')
        for data in terms.data:
            print(f'  data: {data.name}, {data.licence}')
    return 0 if len(cards) == len(found) else 1


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
