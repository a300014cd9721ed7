# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard reference`: make the maps that frames are compared with, and look through them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.options import add_parameter_options

if TYPE_CHECKING:
    import argparse

BUILD_HELP = """\
Make a reference map (MBTiles with overviews, dates and a hash list) of orthophotos (GeoTIFF, COG or
other maps; several lie upon one another, the first on top), of a folder of slippy tiles
(zoom/column/row.png), or of the bag of an earlier flight, whose frames are brought into register
with one another and laid together. The file appears when it is whole."""
INFO_HELP = """\
Say what a map is and look through all of it: extent, zooms, ground sample distance, dates, holes,
and whether every tile is the one that was built. Exit status 1 if a tile is broken."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser('reference', help='make and check reference maps')
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    build = actions.add_parser('build', help='make a map', description=BUILD_HELP)
    build.add_argument(
        'sources',
        type=Path,
        nargs='+',
        metavar='SOURCE',
        help='.tif or .mbtiles files, one folder of tiles, or one bag',
    )
    build.add_argument('--out', type=Path, required=True, metavar='MAP', help='.mbtiles file')
    build.add_argument('--name', default='', help='name for reports; default: that of the source')
    build.add_argument(
        '--date',
        default='',
        metavar='DAY',
        help='when its images were taken: 2021-07-14 or 2021-07',
    )
    build.add_argument('--attribution', default='', metavar='TEXT', help='origin and terms')
    build.add_argument(
        '--gsd',
        type=float,
        metavar='M',
        help='ground sample distance [m/px]: of a map of a flight; said of other sources',
    )
    build.add_argument('--force', action='store_true', help='replace a map that is there')
    add_parameter_options(build)
    info = actions.add_parser('info', help='look through a map', description=INFO_HELP)
    info.add_argument('map', type=Path, metavar='MAP', help='.mbtiles or .tif file')
    info.add_argument('--json', action='store_true', help='print it as JSON')


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    # Imported late: `--help` can do without OpenCV.
    if args.action == 'info':
        from rs_onboard.cli.reference.info import show  # noqa: PLC0415

        return show(args.map, as_json=args.json)
    from rs_onboard.cli.reference.build import build  # noqa: PLC0415

    return build(args)
