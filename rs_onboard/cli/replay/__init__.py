# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard replay`: recorded flights through the same tasks, nothing dropped, same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_onboard.cli.options import add_parameter_options, parameter_overrides
from rs_onboard.replay.expectations import EXPECT_SUFFIX

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rs_onboard.cli.replay.finish import Ended

DESCRIPTION = """\
Run the tasks of the graph on a recorded flight in lock-step, without ROS: every image gets its
result, and the same bag gives the same results to the byte. Bags of ROS 2 (MCAP, sqlite3,
compressed too) and ROS 1."""


# Flights at once, or tries; more is a slip of the finger.
MOST = 1024


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        'replay', help='run the tasks on recorded flights', description=DESCRIPTION
    )
    parser.add_argument(
        'bags',
        type=Path,
        nargs='+',
        metavar='BAG',
        help='folder, .mcap, .db3 or .bag file; a folder of bags, or a list of them (.txt)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('out/replay'),
        metavar='DIR',
        help='results go to DIR/NAME (default: %(default)s)',
    )
    parser.add_argument(
        '--expect',
        type=Path,
        metavar='FILE',
        help='compare with the expectations in this file, or for many flights in the files '
        f'NAME{EXPECT_SUFFIX} of this folder; exit status 1 where a flight differs',
    )
    parser.add_argument(
        '--update', action='store_true', help='make these results the golden ones of --expect'
    )
    parser.add_argument('--tasks', metavar='A,B', help='comma-separated tasks')
    parser.add_argument(
        '--models',
        metavar='A,B',
        help='comma-separated model folders, each for the task on its card; without --tasks, '
        'these tasks alone',
    )
    many = parser.add_argument_group('many flights')
    many.add_argument(
        '--jobs', type=int, metavar='N', help='flights at once, in processes (default: 1)'
    )
    many.add_argument(
        '--retries',
        type=int,
        default=1,
        metavar='N',
        help='try a flight again when its process dies or the disk fails (default: %(default)s)',
    )
    many.add_argument(
        '--cluster',
        default='',
        metavar='ADDRESS',
        help='run them on a Dask cluster (tcp://host:8786), or on one of this machine (local)',
    )
    live = parser.add_argument_group('through the live graph')
    live.add_argument(
        '--ros', action='store_true', help='play the bag, with /clock, through the nodes; needs ROS'
    )
    live.add_argument(
        '--rate', type=float, help='speed, 1 is real time; default: as fast as the graph goes'
    )
    live.add_argument(
        '--composition',
        choices=('process', 'nodes'),
        default='process',
        help='hand frames over by reference, or exchange messages alone (default: %(default)s)',
    )
    add_parameter_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status: 0, 1 without results, 2 for bad input."""
    from rs_onboard.replay.message_classes import provide_messages  # noqa: PLC0415

    provide_messages()
    from rs_onboard.cli.replay.conclusion import conclude  # noqa: PLC0415
    from rs_onboard.cli.replay.flight_run import ReplayOptions, replay_flight  # noqa: PLC0415
    from rs_onboard.replay.flights import find_flights, flight_name, is_bag  # noqa: PLC0415
    from rs_onboard.replay.summary import summary_text  # noqa: PLC0415

    bags = options.bags
    if len(bags) > 1 or not is_bag(bags[0]):
        bags = find_flights(bags)
    check_options(options, len(bags))
    values = given_values(options)
    if len(bags) > 1 or options.jobs is not None or options.cluster:
        return replay_all(options, bags, values)
    (bag,) = bags
    name = flight_name(bag)
    out, expect = options.out / name, options.expect
    if expect is not None and expect.is_dir():
        expect = expect / f'{name}{EXPECT_SUFFIX}'
    if options.ros:
        ended = fly_live(options, bag, out, values)
    else:
        ended = replay_flight(ReplayOptions(bag, out, values))
        print(summary_text(ended.summary))
        print(f'  {ended.page}')
    return conclude(ended, out, expect, update_golden=options.update)


def replay_all(options: argparse.Namespace, bags: Sequence[Path], values: dict[str, Any]) -> int:
    """Replay many flights; see `rs_onboard.cli.replay.many`."""
    from rs_onboard.cli.replay.many import ManyOptions, replay_many  # noqa: PLC0415

    return replay_many(
        ManyOptions(
            bags=bags,
            out=options.out,
            values=values,
            jobs=options.jobs or 1,
            retries=options.retries,
            cluster=options.cluster,
            expect=options.expect,
            update=options.update,
        )
    )


def fly_live(options: argparse.Namespace, bag: Path, out: Path, values: dict[str, Any]) -> Ended:
    """Play the bag through the live graph; see `rs_onboard.cli.flight`."""
    from rs_onboard.cli.flight import FlightOptions, fly  # noqa: PLC0415  (needs ROS)

    return fly(
        FlightOptions(
            bag=bag,
            out=out,
            rate=1.0 if options.rate is None else options.rate,
            fast=options.rate is None,
            overrides=values,
            by_reference=options.composition == 'process',
        )
    )


def check_options(options: argparse.Namespace, flights: int) -> None:
    """Refuse options that make no sense together.

    Raises:
        RunError: Says which, and what to do.
    """
    from rs_onboard.replay.errors import RunError  # noqa: PLC0415

    for name, value, low in (('--jobs', options.jobs, 1), ('--retries', options.retries, 0)):
        if value is not None and not low <= value <= MOST:
            raise RunError(f'{name}: found {value}; expected a whole number from {low} to {MOST}.')
    if options.ros and (flights > 1 or options.jobs is not None or options.cluster):
        raise RunError(
            f'--ros: found with {flights} flights; the live graph takes one at a time and no '
            '--jobs or --cluster. Leave --ros out, or give one bag.'
        )
    if not options.ros and (options.rate is not None or options.composition != 'process'):
        raise RunError(
            '--rate, --composition: found without --ros; in lock-step there are no nodes and '
            'nothing waits. Add --ros or leave them out.'
        )
    if options.update and options.expect is None:
        raise RunError('--update: found no --expect FILE; expected the file to write. Add it.')
    if options.expect is not None and not options.update and not options.expect.exists():
        raise RunError(
            f'--expect: {options.expect}: no such file; expected one of expectations. Write it '
            'with --update.'
        )


def given_values(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that the command line gives.

    Raises:
        FieldError: A name or value is not allowed.
        CardError: A model folder has no card.
    """
    named = models_by_task(options.models.split(',') if options.models else ())
    tasks = options.tasks or ','.join(named)
    changes = [f'tasks=[{tasks}]'] if tasks else []
    changes += [f'{task}.model={folder}' for task, folder in named.items()]
    return parameter_overrides(options.params, [*changes, *options.set])


def models_by_task(folders: Sequence[str]) -> dict[str, str]:
    """Return model folders by the task on their card.

    Raises:
        CardError: A folder has no card.
    """
    from rs_onboard.inference.card import load_card  # noqa: PLC0415
    from rs_onboard.nodes.locations import model_folder  # noqa: PLC0415

    return {load_card(model_folder(name)).task: name for name in folders}
