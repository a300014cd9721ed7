# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard models page`: all that the cards say, as a page in Markdown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.cli.models.folders import NAMES_HELP, find_folders

if TYPE_CHECKING:
    import argparse


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser('page', help='write a page about models', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='DIR', help=NAMES_HELP)
    parser.add_argument(
        '--out', type=Path, metavar='FILE', help='file to write, such as docs/models.md'
    )


def run(args: argparse.Namespace) -> int:
    """Write or print the page."""
    from rs_onboard.inference.card import load_card  # noqa: PLC0415  (a quick command line)
    from rs_onboard.inference.card_page import card_page  # noqa: PLC0415

    cards = [load_card(folder) for folder in find_folders(args.names)]
    place = (args.out or Path('docs/models.md')).resolve().parent
    around = cards[0].folder.resolve().parent if cards else place
    page = card_page(cards, Path(os.path.relpath(around, place)).as_posix())
    if args.out:
        args.out.write_text(page, encoding='utf-8')
    else:
        print(page, end='')
    return 0
