# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which tiles a task is to infer, as a value of the report that goes with its tiles."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.perception.tiles import TileGrid

SELECTION = 'selection'


class SelectedTiles(NamedTuple):
    """What a stack of tiles holds, where it does not hold all.

    Attributes:
        selection: The tiles in it, in order.
        height: Height of a tile [px]; the stack cannot tell where it is empty.
        width: Width of a tile [px].
    """

    selection: Selection
    height: int
    width: int


def selection_values(selection: Selection, grid: TileGrid) -> dict[str, str]:
    """Write a selection as JSON; nothing for all tiles with the node's own variant."""
    if selection == Selection.whole(len(grid)):
        return {}
    fields = dataclasses.asdict(selection)
    return {SELECTION: json.dumps([fields, grid.tile_height, grid.tile_width])}


def selection_from_values(values: Mapping[str, str]) -> SelectedTiles | None:
    """Read a selection, None where all tiles are to be inferred.

    Raises:
        TaskError: It is not that of an rs_onboard tiler.
    """
    if SELECTION not in values:
        return None
    try:
        fields, height, width = json.loads(values[SELECTION])
        return SelectedTiles(_selection(fields), _side(height), _side(width))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise TaskError(
            f'report of tiles: selection {exc!r}; expected that of an rs_onboard tiler. Run nodes '
            'of one release together.'
        ) from None


def _selection(fields: dict[str, Any]) -> Selection:
    tiles = fields.pop('tiles')
    counts = fields.pop('left_out')
    sound = all(type(n) is int and n >= 0 for n in (*tiles, *counts.values()))
    if not sound or tiles != sorted(set(tiles)):
        raise ValueError(tiles)
    texts = {name: fields[name] for name in ('variant', 'doubt', 'skip')}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(texts)
    return Selection(tuple(tiles), counts, **texts)


def _side(value: object) -> int:
    if type(value) is not int or not 1 <= value < 2**16:
        raise ValueError(value)
    return value
