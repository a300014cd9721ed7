# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which tiles to look at when there is no time for all: what was not seen lately goes first.

What counts as the same place is told by the ground where camera and pose are known, else by the
image. A tile near objects found lately, or in an area of interest, comes round more often; none is
left out for good.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.wgs84 import wgs84_to_offset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.area import Area
    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.perception.tiler import TileSet
    from rs_onboard.perception.tiles import TileGrid

# Ground never seen counts as not seen for this long [s]; what was seen before that is forgotten.
FORGET_S = 60.0
# Objects are looked for near where they were found for this long [s].
NEAR_S = 10.0
# How many times as often a tile is looked at that lies near an object, or in an area of interest.
NEAR, INTEREST = 2.0, 3.0
# Two places are the same within this share of the side of a tile.
SAME_PLACE = 0.5
# Places that are remembered, the last ones.
MAX_PLACES = 500
# A tile is looked at in so many parts a side to say how much of it is in an area.
PARTS = 3


def choose(
    unseen_s: NDArray[np.float64],
    count: int,
    *,
    near: NDArray[np.bool_] | None = None,
    interest: NDArray[np.float64] | None = None,
) -> NDArray[np.intp]:
    """Choose tiles: those with the longest time unseen, weighted.

    Args:
        unseen_s: (N,) time since each was looked at [s].
        count: How many to choose.
        near: (N,) whether an object was found there lately; None for nowhere.
        interest: (N,) share of each, 0 to 1, that is in an area of interest; None for none.

    Returns:
        (count,) numbers, ascending; all where there are no more. Of equal tiles the middle ones
        in the order of the tiles, which lie in the middle of the frame.
    """
    # Even what was just seen keeps its order by weight.
    weight = np.maximum(unseen_s, 1e-3)
    if near is not None:
        weight = weight * np.where(near, NEAR, 1.0)
    if interest is not None:
        weight = weight * (1.0 + (INTEREST - 1.0) * interest)
    numbers = np.arange(len(unseen_s))
    aside = np.abs(numbers - (len(numbers) - 1) / 2)
    return np.sort(np.lexsort((numbers, aside, -weight))[:count])


def shares_within(area: Area, tiles: TileSet) -> NDArray[np.float64] | None:
    """Return the share of each selected tile, (N,) 0 to 1, that lies in an area.

    Returns:
        None where nobody knows what the tiles show.
    """
    if tiles.pose is None:
        return None
    centres, half = _centres(tiles.grid, np.array(tiles.selection.tiles, np.intp))
    along = np.linspace(-half, half, PARTS + 1)
    lattice = np.stack(np.meshgrid(along, along), axis=-1)
    pixels = centres[:, None, None] + lattice
    ground = locate(pixels.reshape(-1, 2), tiles.camera, tiles.pose).offsets
    if ground is None:
        return None
    at = ground.reshape(-1, PARTS + 1, PARTS + 1, 2)
    quads = np.stack([at[:, :-1, :-1], at[:, :-1, 1:], at[:, 1:, 1:], at[:, 1:, :-1]], axis=3)
    parts = quads.reshape(-1, 4, 2)
    inside = np.zeros(len(parts))
    sure = np.flatnonzero(np.isfinite(parts).all(axis=(1, 2)))
    pose = tiles.pose
    inside[sure] = area.meets(parts[sure], pose.latitude_deg, pose.longitude_deg)
    return np.asarray(inside.reshape(len(centres), -1).mean(axis=1))


class TileMemory:
    """Remembers which places a task has looked at, and where objects were found. For one thread."""

    def __init__(self) -> None:
        self._looked = _Places()
        self._found = _Places()
        self._origin: tuple[float, float] | None = None
        self._on_ground = False
        self._last_s = -np.inf

    def select(
        self, tiles: TileSet, count: int, interest: NDArray[np.float64] | None = None
    ) -> tuple[int, ...]:
        """Choose some of the selected tiles of a frame, and remember them as looked at.

        Args:
            tiles: The tiles.
            count: How many to choose.
            interest: (N,) share of each selected tile in an area of interest; None for none.
        """
        now_s = tiles.header.stamp_ns / 1e9
        selected = np.array(tiles.selection.tiles, np.intp)
        centres, half = _centres(tiles.grid, selected)
        # The right edge of each tile tells its size on the ground.
        edges = centres + np.array([half, 0.0])
        places, ends = self._places(
            np.concatenate([centres, edges]), tiles.camera, tiles.pose, now_s
        )
        size = np.linalg.norm(ends - places, axis=1)
        reach = 2 * _apart(tiles.grid) * size
        unseen_s = self._looked.age(places, reach, now_s, FORGET_S)
        near = self._found.age(places, 2 * size, now_s, FORGET_S) < NEAR_S
        chosen = choose(unseen_s, count, near=near, interest=interest)
        self._looked.add(places[chosen], now_s)
        return tuple(int(number) for number in selected[chosen])

    def found(
        self,
        pixels: NDArray[np.float64],
        stamp_ns: int,
        camera: CameraModel | None,
        pose: Pose | None,
    ) -> None:
        """Remember where objects were found.

        Args:
            pixels: (M, 2) their centres [px of the frame].
            stamp_ns: Stamp of the frame [ns].
            camera: Its intrinsics.
            pose: Its pose.
        """
        if len(pixels):
            now_s = stamp_ns / 1e9
            places, _ = self._places(np.concatenate([pixels, pixels]), camera, pose, now_s)
            self._found.add(places, now_s)

    def _places(
        self,
        pixels: NDArray[np.float64],
        camera: CameraModel | None,
        pose: Pose | None,
        now_s: float,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turn pixels (2 N, 2) into places, metres on the ground or pixels, and halve them."""
        ground = locate(pixels, camera, pose).wgs84
        known = ground is not None and bool(np.isfinite(ground).any())
        if known != self._on_ground or now_s < self._last_s - NEAR_S:
            # Pixels say nothing of the ground, and time that goes back nothing of what was seen.
            self._looked, self._found, self._origin = _Places(), _Places(), None
        self._on_ground, self._last_s = known, now_s
        places = pixels
        if ground is not None and known and pose is not None:
            if self._origin is None:
                self._origin = pose.latitude_deg, pose.longitude_deg
            places = wgs84_to_offset(ground, *self._origin)
        middle = len(pixels) // 2
        return places[:middle], places[middle:]


def _centres(grid: TileGrid, numbers: NDArray[np.intp]) -> tuple[NDArray[np.float64], float]:
    """Return the centres (N, 2) of tiles and half of their longer side [px of the frame]."""
    rows, columns = np.divmod(numbers, len(grid.xs))
    sy, sx = grid.frame_height / grid.height, grid.frame_width / grid.width
    x = (np.asarray(grid.xs)[columns] + grid.tile_width / 2) * sx - 0.5
    y = (np.asarray(grid.ys)[rows] + grid.tile_height / 2) * sy - 0.5
    return np.stack([x, y], axis=1), max(grid.tile_width * sx, grid.tile_height * sy) / 2


def _apart(grid: TileGrid) -> float:
    """Return within what share of its side another place is that of the tile itself."""
    steps = [b - a for starts in (grid.ys, grid.xs) for a, b in itertools.pairwise(starts)]
    side = max(grid.tile_height, grid.tile_width)
    # Neighbours that overlap nearly whole are places of their own, or one would never be seen.
    return min([SAME_PLACE, *(0.5 * step / side for step in steps)])


class _Places:
    """Places with a time."""

    def __init__(self) -> None:
        self._at = np.empty((0, 2))
        self._when_s = np.empty(0)

    def add(self, places: NDArray[np.float64], now_s: float) -> None:
        """Remember places (N, 2); such as are nowhere are left out."""
        sound = places[np.isfinite(places).all(axis=1)]
        fresh = self._when_s > now_s - FORGET_S
        self._at = np.concatenate([self._at[fresh], sound])[-MAX_PLACES:]
        when_s = np.concatenate([self._when_s[fresh], np.full(len(sound), now_s)])
        self._when_s = when_s[-MAX_PLACES:]

    def age(
        self,
        places: NDArray[np.float64],
        reach: NDArray[np.float64],
        now_s: float,
        otherwise: float,
    ) -> NDArray[np.float64]:
        """Return how long ago something was within reach of places (N, 2) last, (N,) [s]."""
        if not len(self._at) or not len(places):
            return np.full(len(places), otherwise)
        x, y = (places[:, axis, None] - self._at[None, :, axis] for axis in (0, 1))
        # Comparisons with NaN, beyond the horizon, are false.
        close = x * x + y * y <= (reach * reach * (1 + 1e-9))[:, None]
        when = np.where(close, self._when_s[None], -np.inf)
        return np.asarray(np.clip(now_s - when.max(axis=1), 0.0, otherwise))
