# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard demo`: fly a recorded flight through the real graph and look at what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.options import add_parameter_options, parameter_overrides

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        'demo',
        help='fly the bundled flight through the real graph',
        description='Play a recorded flight through the real graph in real time, then write the '
        'results as a bag (MCAP), JSON lines, GeoJSON, pictures and one page to look at.',
    )
    parser.add_argument(
        'bag', type=Path, nargs='?', metavar='BAG', help='flight; default: the bundled one'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('out/demo'), metavar='DIR', help='default: %(default)s'
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument('--rate', type=float, default=1.0, help='speed, 2 is twice real time')
    pace.add_argument('--fast', action='store_true', help='as fast as the graph goes, no drops')
    parser.add_argument('--loops', type=int, default=1, metavar='N', help='play the flight N times')
    parser.add_argument(
        '--pose-rate',
        type=float,
        default=10.0,
        metavar='HZ',
        help='poses interpolated between the recorded ones; 0 plays those alone '
        '(default: %(default)g)',
    )
    add_parameter_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 when no result came out."""
    from rs_onboard.cli.flight import FlightOptions, fly  # noqa: PLC0415  (needs ROS)
    from rs_onboard.nodes.locations import share_directory  # noqa: PLC0415

    ended = fly(
        FlightOptions(
            bag=options.bag or share_directory() / 'flights' / 'brighton_beach',
            out=options.out,
            rate=options.rate,
            fast=options.fast,
            loops=options.loops,
            pose_rate_hz=0.0 if options.fast else options.pose_rate,
            overrides=parameter_overrides(options.params, options.set),
        )
    )
    return 0 if ended.records else 1
