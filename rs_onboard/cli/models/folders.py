# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which model folders a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.nodes.locations import model_folder, share_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES_HELP = 'paths of model folders, or names of shipped ones; default: all that are shipped'


def find_folders(names: Sequence[str]) -> list[Path]:
    """Find model folders by path or name; without names, all shipped ones.

    A folder without a card counts as a folder of model folders.

    Raises:
        CardError: There is no such folder.
        ValueError: There is no model at all.
    """
    given = [model_folder(name) for name in names] or [share_directory() / 'models']
    found: list[Path] = []
    for folder in given:
        inside = sorted(card.parent for card in folder.glob('*/card.yaml'))
        alone = (folder / 'card.yaml').is_file() or not inside
        found += [folder] if alone and names else inside
    if not found:
        raise ValueError(
            f'{given[0]}: no model folder; expected folders with a card.yaml. Name one, or make '
            'one with `rs_onboard models export`.'
        )
    return list(dict.fromkeys(found))
