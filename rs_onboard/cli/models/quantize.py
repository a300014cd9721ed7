# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models quantize`: int8 and fp16 beside fp32, with what they cost and gain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.nodes.locations import model_folder

if TYPE_CHECKING:
    import argparse

    from rs_onboard.training.variants import Comparison

DESCRIPTION = """\
Add variants to a model folder: static int8, calibrated on real tiles, that leaves in float what
costs quality, and fp16 for GPUs. Quality is measured on a labelled split through the flight code,
latency in the same rounds; both are printed before and after and written to the card, as is the
fact that a variant is not faster here. Ground: it needs torch."""

HEADER = ('variant', 'MB', '1 thread [ms]', '2 threads [ms]', 'CPU [ms]', 'of fp32')


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        'quantize', help='add int8 and fp16 to a model folder (ground)', description=DESCRIPTION
    )
    parser.add_argument('name', metavar='NAME', help='path of a folder, or name of a shipped model')
    parser.add_argument(
        '--calibration',
        type=Path,
        metavar='DIR',
        help='images that set the ranges of int8; for change detection with folders A and B',
    )
    parser.add_argument('--data', type=Path, metavar='DIR', help='labelled set to measure on')
    parser.add_argument('--split', default='val', metavar='NAME', help='default: %(default)s')
    parser.add_argument('--gsd', type=float, metavar='M', help='of the labelled images [m/px]')
    parser.add_argument(
        '--ignore', action='append', default=[], metavar='CLASS', help='class that has no say'
    )
    parser.add_argument(
        '--variants',
        nargs='+',
        choices=('int8', 'fp16'),
        default=['int8'],
        metavar='NAME',
        help='int8, fp16 or both; default: int8',
    )


def run(args: argparse.Namespace) -> int:
    """Add the variants and print the comparison."""
    import rs_onboard.zoo.catalogue  # noqa: F401, PLC0415  (says what to install)
    from rs_onboard.training.variants import LabelledSplit, make_variants  # noqa: PLC0415

    labelled = None
    if args.data:
        labelled = LabelledSplit(args.data, args.split, args.gsd, tuple(args.ignore))
    names = list(dict.fromkeys(args.variants))
    comparison = make_variants(model_folder(args.name), names, args.calibration, labelled)
    print('\n'.join(lines(comparison)))
    return 0


def lines(comparison: Comparison) -> list[str]:
    """Put the comparison into words: a row a variant, then the notes."""
    times = {(row.variant, row.threads): row for row in comparison.timings}
    scores = comparison.evaluations
    figures = list(scores['fp32'].figures) if scores else []
    table = [(*HEADER, *(f'{figure} [%]' for figure in figures))]
    for name in comparison.variants:
        one, two = times[name, 1], times[name, 2]
        cells = [name, f'{comparison.card.variants[name].size / 1e6:.1f}']
        cells += [f'{value:.3g}' for value in (one.p50_ms, two.p50_ms, one.cpu_ms)]
        cells.append(f'{one.cpu_ms / times["fp32", 1].cpu_ms:.2f}')
        cells += [f'{100 * scores[name].figures[figure]:.2f}' for figure in figures]
        table.append(tuple(cells))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = [
        '  '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    notes = [
        f'{name}: {comparison.card.variants[name].note}'
        for name in comparison.variants
        if name != 'fp32'
    ]
    return [*rows, *notes, *comparison.notes]
