# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The `rs_onboard` command."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rs_onboard import __version__
from rs_onboard.cli import (
    bag,
    demo,
    evaluate,
    models,
    params,
    publish,
    reference,
    replay,
    run,
    status,
    train,
    zoo,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# A module a subcommand, named like it, with add_parser(subparsers) and run(args) -> exit status.
COMMANDS = (
    run,
    status,
    demo,
    replay,
    bag,
    reference,
    params,
    zoo,
    train,
    publish,
    evaluate,
    models,
)

# Whose absence means that there is no ROS here.
ROS_PACKAGES = frozenset(
    {'rclpy', 'ament_index_python', 'diagnostic_msgs', 'sensor_msgs', 'vision_msgs'}
)

USER_ERROR = 2
SHOWN_PROBLEMS = 200
INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """Describe all subcommands."""
    parser = argparse.ArgumentParser(
        prog='rs_onboard', description='Onboard perception for aerial images.'
    )
    parser.add_argument('--version', action='version', version=f'rs_onboard {__version__}')
    subparsers = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; return the exit status, 2 for an error the user can mend."""
    args = build_parser().parse_args(argv)
    by_name = {module.__name__.rpartition('.')[2]: module for module in COMMANDS}
    try:
        return int(by_name[args.command].run(args))
    except (OSError, ValueError, ImportError) as exc:
        # Every error of the package is a subclass of one of these, with a message for the user.
        print('rs_onboard: error:', explain(exc), file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def explain(exc: Exception) -> str:
    """Return the message of an error in one line, with what to install where that is the matter.

    An error about a data set has a line a problem, each of which names its file.
    """
    if problems := getattr(exc, 'problems', ()):
        lines = [f'{exc.args[0].splitlines()[0]}', *problems[:SHOWN_PROBLEMS]]
        if len(problems) > SHOWN_PROBLEMS:
            lines.append(f'... and {len(problems) - SHOWN_PROBLEMS} more')
        return '\n  '.join(lines)
    text = ' '.join(str(exc).split())
    if isinstance(exc, ModuleNotFoundError) and (exc.name or '').split('.')[0] in ROS_PACKAGES:
        return (
            f'{text}. This command needs ROS 2: source its setup file, or run `make setup` and use '
            '.venv/bin/rs_onboard.'
        )
    return text


if __name__ == '__main__':
    sys.exit(main())
