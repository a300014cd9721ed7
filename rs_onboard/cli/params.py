# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard params`: the parameter file and tables, written from the code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        'params', help='write or check parameter files', description=__doc__
    )
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument('--yaml', action='store_true', help='print a file with all defaults')
    group.add_argument('--table', action='store_true', help='print the tables of the documentation')
    group.add_argument('--topics', action='store_true', help='print the table of topics')
    group.add_argument('--check', type=Path, metavar='FILE', help='check a parameter file')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from rs_onboard.nodes import parameter_file, topics  # noqa: PLC0415  (a quick command line)

    if options.check:
        sections = parameter_file.check_parameter_file(options.check)
        number = sum(len(values) for values in sections.values())
        print(f'{options.check}: {number} parameters in {len(sections)} sections, all known')
    elif options.yaml:
        print(parameter_file.default_parameter_file(), end='')
    elif options.topics:
        print(topics.topic_table(), end='')
    else:
        print(parameter_file.parameter_table(), end='')
    return 0
