# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models compact`: smaller files that compute what they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.models.folders import find_folders

if TYPE_CHECKING:
    import argparse

    from rs_onboard.training.compact import Compaction

DESCRIPTION = """\
Store large weights of model folders in half precision, which about halves fp32.onnx. ONNX Runtime
makes them float32 again while it loads the file, so that flight computes in float32, as fast as
before. Each file is compared with the one before on tiles of real images; with a labelled split
quality is measured again, otherwise the card keeps its figures and says that they are older than
the file. A signed folder has to be signed again. Ground: it needs torch."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        'compact', help='make the files of model folders smaller (ground)', description=DESCRIPTION
    )
    parser.add_argument(
        'names', nargs='+', metavar='NAME', help='paths of folders, or names of shipped models'
    )
    parser.add_argument(
        '--images',
        type=Path,
        required=True,
        metavar='DIR',
        help='to compare on; for change detection with folders A and B',
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
        choices=('fp32', 'int8'),
        default=['fp32', 'int8'],
        metavar='NAME',
        help='fp32, int8 or both; default: both, of int8 what it left in float',
    )


def run(args: argparse.Namespace) -> int:
    """Rewrite the folders, one after the other, and say what became of each."""
    import rs_onboard.zoo.catalogue  # noqa: F401, PLC0415  (says what to install)
    from rs_onboard.training.compact import compact  # noqa: PLC0415
    from rs_onboard.training.variants import LabelledSplit  # noqa: PLC0415

    labelled = None
    if args.data:
        labelled = LabelledSplit(args.data, args.split, args.gsd, tuple(args.ignore))
    names = list(dict.fromkeys(args.variants))
    for folder in find_folders(args.names):
        done = compact(folder, names, args.images, labelled)
        print('\n'.join(lines(done)), flush=True)
    return 0


def lines(done: Compaction) -> list[str]:
    """Put what became of a folder into words."""
    from rs_onboard.training.compact import in_words  # noqa: PLC0415  (needs torch)

    name = done.card.name
    if not done.files:
        return [f'{name}: nothing written, no file would become much smaller']
    rows = [
        f'{name} {file.variant}: {file.before / 1e6:.2f} -> {file.after / 1e6:.2f} MB; '
        f'{in_words(file)}'
        for file in done.files
    ]
    if done.unsigned:
        rows.append(f'{name}: no longer signed; sign it again with `rs_onboard models sign`')
    return [*rows, *done.notes]
