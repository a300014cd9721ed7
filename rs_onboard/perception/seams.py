# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Join the boxes of overlapping tiles, so that every object is found once.

A tile that cuts an object gives a box of the visible part, often with a high score and with little
overlap with the box of the whole object, so greedy suppression alone keeps both. Here a box that
reaches a side of its tile within the frame counts as cut. Cut boxes of neighbouring tiles that
agree on the part both tiles see are joined to one box. Whole boxes then go first, joined ones next
and cut ones last, and a cut or joined box also gives way to a box that covers most of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.boxes import as_boxes, circumscribed, corners, normalise
from rs_onboard.perception.overlap import Geometry, candidates, shared_area
from rs_onboard.perception.suppression import settle, suppress

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from rs_onboard.perception.tiles import TileGrid

# A box this close to a side of its tile is cut by it, pixels of the tile: networks place the edge
# of a cut object up to a few pixels inside.
CUT_MARGIN = 3.0

# Two cut boxes are of one object when they share this much of the smaller of their parts in the
# region of both tiles.
SAME_SHARE = 0.5

# A cut box gives way when this much of it is covered. A corner of an object that peeps into a tile
# is a triangle, half of its own box.
COVERED_SHARE = 0.4

# Boxes whose directions differ by less (radians) are of the same direction.
ALIGNED = 0.2

WHOLE, JOINED, CUT = 0, 1, 2


@dataclass(frozen=True)
class TileBoxes:
    """Boxes of the tiles of a frame.

    Attributes:
        boxes: (N, 5) float64 oriented boxes, pixels of the resampled frame.
        scores: (N,) float64.
        classes: (N,) int64.
        joined: (N,) bool: made of the parts that several tiles saw.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]
    joined: NDArray[np.bool_]


def join_tiles(
    boxes: ArrayLike,
    scores: ArrayLike,
    classes: ArrayLike,
    tile: ArrayLike,
    grid: TileGrid,
    *,
    threshold: float,
) -> TileBoxes:
    """Turn the boxes of tiles into those of the frame, each object once.

    Args:
        boxes: (N, 5) oriented boxes, pixels of their tile.
        scores: (N,) scores.
        classes: (N,) class numbers.
        tile: (N,) number of the tile of each.
        grid: Where the tiles lie.
        threshold: IoU above which the lesser of two boxes of a class is dropped.

    Returns:
        Boxes by score, best first. Invalid ones are left out, as in `suppress`.
    """
    rows, score = as_boxes(boxes), np.asarray(scores, dtype=np.float64)
    label, owner = np.asarray(classes, dtype=np.int64), np.asarray(tile, dtype=np.int64)
    # First within each tile: it leaves few boxes, however many there were.
    groups = label * len(grid) + owner
    best = suppress(rows, score, groups, threshold=threshold)
    rows, score, label, owner = rows[best], score[best], label[best], owner[best]
    cut = cut_boxes(rows, owner, grid)
    places = np.array([grid.origin(index)[::-1] for index in range(len(grid))], dtype=np.float64)
    rows = rows.copy()
    rows[:, :2] += places[owner]
    cuts = np.flatnonzero(cut)
    parts = [cuts[group] for group in _same_objects(rows[cuts], label[cuts], owner[cuts], grid)]
    in_parts = np.concatenate([np.zeros(0, dtype=np.intp), *parts])
    alone = np.setdiff1d(np.arange(len(rows)), in_parts)
    firsts = np.array([group[0] for group in parts], dtype=np.intp)
    everything = np.concatenate((alone, firsts))
    rank = np.concatenate((np.where(cut[alone], CUT, WHOLE), np.full(len(parts), JOINED)))
    frames = [rows[alone], *(enclosing(rows[group])[None] for group in parts)]
    peaks = np.array([score[group].max() for group in parts])
    found = TileBoxes(
        np.concatenate(frames),
        np.concatenate((score[alone], peaks)),
        label[everything],
        rank == JOINED,
    )
    kept = _settle_ranked(found, rank, threshold)
    kept = kept[np.argsort(-found.scores[kept], kind='stable')]
    return TileBoxes(found.boxes[kept], found.scores[kept], found.classes[kept], found.joined[kept])


def cut_boxes(
    boxes: NDArray[np.float64], tile: NDArray[np.int64], grid: TileGrid
) -> NDArray[np.bool_]:
    """Say which boxes (N, 5), in pixels of their tiles (N,), reach a side within the frame."""
    around = circumscribed(boxes)
    row, column = np.divmod(tile, len(grid.xs))
    x, y = np.asarray(grid.xs)[column], np.asarray(grid.ys)[row]
    left = (around[:, 0] <= CUT_MARGIN) & (x > 0)
    top = (around[:, 1] <= CUT_MARGIN) & (y > 0)
    right = (around[:, 2] >= grid.tile_width - CUT_MARGIN) & (x + grid.tile_width < grid.width)
    below = (around[:, 3] >= grid.tile_height - CUT_MARGIN) & (y + grid.tile_height < grid.height)
    return np.asarray(left | top | right | below)


def enclosing(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the box (5,) around the parts (N, 5) of an object, in the direction of the largest.

    A small part of a tilted object is a triangle, whose box is tilted otherwise and sticks out; it
    is left out as long as any other part has the direction of the largest.
    """
    largest = np.argmax(boxes[:, 2] * boxes[:, 3])
    theta = boxes[largest, 4]
    # Parts may be wider than long: a quarter turn makes no difference.
    aligned = np.abs(np.sin(2 * (boxes[:, 4] - theta))) < np.sin(2 * ALIGNED)
    parts = boxes[aligned] if aligned.sum() > 1 else boxes
    axes = np.array([[np.cos(theta), np.sin(theta)], [-np.sin(theta), np.cos(theta)]])
    along = corners(parts).reshape(-1, 2) @ axes.T
    low, high = along.min(axis=0), along.max(axis=0)
    centre = (low + high) / 2 @ axes
    return np.asarray(normalise([[*centre, *(high - low), theta]])[0])


def _same_objects(
    boxes: NDArray[np.float64],
    classes: NDArray[np.int64],
    tile: NDArray[np.int64],
    grid: TileGrid,
) -> list[NDArray[np.intp]]:
    """Group cut boxes, in pixels of the frame, that are parts of one object.

    Returns:
        Rows of each group of two or more, ascending.
    """
    geometry = Geometry.of(boxes, classes)
    leader = np.arange(len(boxes))
    for i, j in candidates(geometry, None):
        other = tile[i] != tile[j]
        first, second = i[other], j[other]
        common = Geometry.of(_common_region(tile[first], tile[second], grid))
        pairs = np.arange(len(first))
        seen = np.minimum(
            shared_area(geometry, common, first, pairs),
            shared_area(geometry, common, second, pairs),
        )
        same = shared_area(geometry, geometry, first, second) > SAME_SHARE * seen
        same &= seen > 0
        for a, b in zip(first[same].tolist(), second[same].tolist(), strict=True):
            low, high = sorted((leader[a], leader[b]))
            leader[leader == high] = low
    groups = (np.flatnonzero(leader == low) for low in np.unique(leader))
    return [group for group in groups if len(group) > 1]


def _common_region(
    one: NDArray[np.int64], two: NDArray[np.int64], grid: TileGrid
) -> NDArray[np.float64]:
    """Return where pairs of tiles overlap, as boxes (N, 5); of no size where they do not."""
    regions = np.zeros((len(one), 5))
    columns = (np.divmod(number, len(grid.xs)) for number in (one, two))
    (row_one, column_one), (row_two, column_two) = columns
    for axis, starts, side, a, b in (
        (0, grid.xs, grid.tile_width, column_one, column_two),
        (1, grid.ys, grid.tile_height, row_one, row_two),
    ):
        begin = np.asarray(starts)
        low, high = np.maximum(begin[a], begin[b]), np.minimum(begin[a], begin[b]) + side
        regions[:, axis] = (low + high) / 2
        regions[:, axis + 2] = np.maximum(high - low, 0)
    return regions


def _settle_ranked(found: TileBoxes, rank: NDArray[np.int64], threshold: float) -> NDArray[np.intp]:
    """Keep boxes greedily: whole before joined before cut, by score; of cut ones the largest."""
    area = found.boxes[:, 2] * found.boxes[:, 3]
    merit = np.where(rank == CUT, area, found.scores)
    order = np.lexsort((-merit, rank))
    geometry = Geometry.of(found.boxes[order], found.classes[order])
    yields = rank[order] != WHOLE
    better, worse = [], []
    for i, j in candidates(geometry, None):
        shared = shared_area(geometry, geometry, i, j)
        union = geometry.area[i] + geometry.area[j] - shared
        beaten = shared > threshold * union
        beaten |= yields[j] & (shared > COVERED_SHARE * geometry.area[j])
        better.append(i[beaten])
        worse.append(j[beaten])
    none = np.zeros(0, dtype=np.intp)
    alive = settle(len(order), np.concatenate([none, *better]), np.concatenate([none, *worse]))
    return np.asarray(order[alive])
