# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models`: make, measure and prove model folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.cli.models import (
    bench,
    build,
    compact,
    export,
    listing,
    page,
    quantize,
    signing,
    verify,
)

if TYPE_CHECKING:
    import argparse

# The module of each action, with add_parser(actions) and run(args) -> exit status. Ground equipment
# (torch, onnx) is needed by export, quantize and compact alone.
ACTIONS = {
    'list': listing,
    'page': page,
    'verify': verify,
    'bench': bench,
    'export': export,
    'quantize': quantize,
    'compact': compact,
    'build': build,
    'keygen': signing,
    'sign': signing,
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        'models',
        help='model folders: list, verify, bench, sign; export, quantize, compact (ground)',
        description=__doc__,
    )
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    for module in dict.fromkeys(ACTIONS.values()):
        module.add_parser(actions)


def run(args: argparse.Namespace) -> int:
    """Run the action; return the exit status."""
    return int(ACTIONS[args.action].run(args))
