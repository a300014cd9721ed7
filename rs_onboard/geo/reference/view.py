# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""See a reference map as the camera would: tiles put together and warped to the pixels of a frame.

Tiles are kept in memory up to a bound, the least recently used going first; those along the track
can be read ahead of time, from another thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError, PoseError
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.mercator import TILE, resolution_m, to_pixels, zoom_for
from rs_onboard.geo.reference.source import TileKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.geo.reference.source import MapInfo, MapSource, MapTile

CACHE_BYTES = 64 * 1024 * 1024
# What remembering that there is no tile takes.
HOLE_BYTES = 512
# A footprint that needs more tiles than this reaches for the horizon.
MAX_TILES = 256
# Ground positions are computed for every so many pixels of the frame and interpolated between: over
# 16 px the distortion of any lens and the relief of any model are straight to a hundredth of one.
STEP = 16


@dataclass(frozen=True)
class GroundGrid:
    """Where on the ground the pixels of a frame lie, every `STEP` pixels.

    Attributes:
        points: (rows, columns, 2) float64 longitude, latitude [deg] of the pixels (i * STEP,
            j * STEP); NaN where a ray meets no ground. The last row and column reach the frame's
            end or beyond.
        height: Frame height [px].
        width: Frame width [px].
    """

    points: NDArray[np.float64]
    height: int
    width: int

    @classmethod
    def of(cls, camera: CameraModel, pose: Pose) -> GroundGrid:
        """Project the pixels of a frame on flat ground, without their distortion.

        Raises:
            PoseError: The pose does not say where the camera is and looks.
        """
        pixels = grid_pixels(camera.height, camera.width)
        ground = locate(pixels.reshape(-1, 2), camera, pose)
        if ground.wgs84 is None:
            raise PoseError(f'no ground positions: {ground.reason}')
        return cls(ground.wgs84.reshape(pixels.shape), camera.height, camera.width)

    def at(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return longitude, latitude [deg] of pixels x, y, (N, 2) each; NaN beyond the grid."""
        cells = pixels / STEP
        last = np.array(self.points.shape[1::-1]) - 1
        inside = ((cells >= 0) & (cells <= last)).all(axis=1)
        low = np.minimum(
            np.floor(np.where(np.asarray(inside)[:, np.newaxis], cells, 0.0)).astype(int), last - 1
        )
        low = np.maximum(low, 0)
        x, y = (cells - low).T[:, :, np.newaxis]
        column, row = low.T
        next_column, next_row = np.minimum(low + 1, last).T
        found = (1 - y) * ((1 - x) * self.points[row, column] + x * self.points[row, next_column])
        found += y * (
            (1 - x) * self.points[next_row, column] + x * self.points[next_row, next_column]
        )
        found[~inside] = np.nan
        return np.asarray(found, np.float64)


@dataclass(frozen=True)
class ReferenceView:
    """A map as a frame would show it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        seen: (H, W) bool, where the map shows ground.
        info: The map.
        gsd_m: Ground sample distance of the tiles it was made of [m/px].
        faults: What went wrong with tiles, which are holes then.
    """

    image: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    info: MapInfo
    gsd_m: float
    faults: tuple[str, ...]


class ReferenceMap:
    """A map with its tiles in memory, up to a bound.

    Args:
        source: The map.
        cache_bytes: Bytes of tiles that are kept.
    """

    def __init__(self, source: MapSource, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.source = source
        self.info = source.info
        self.cache_limit = cache_bytes
        self._tiles: OrderedDict[TileKey, MapTile | MapError | None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self.reads = 0

    def view(self, grid: GroundGrid) -> ReferenceView:
        """Show the map in the pixels of a frame.

        Raises:
            MapError: The frame looks beyond the map, or at so much of it that it must see the
                horizon.
        """
        zoom = self.zoom_of(grid)
        pixels = to_pixels(grid.points, zoom)
        known = np.isfinite(pixels).all(axis=2)
        west, south, east, north = self.info.bounds
        points = grid.points[known]
        if (
            not len(points)
            or points[:, 0].max() < west
            or points[:, 0].min() > east
            or points[:, 1].max() < south
            or points[:, 1].min() > north
        ):
            here = 'no ground in view'
            if len(points):
                longitude, latitude = points.mean(axis=0)
                here = f'a view of {latitude:.5f}, {longitude:.5f}'
            raise MapError(
                f'{self.info.path}: found {here}; the map covers {south:.5f} to {north:.5f} north, '
                f'{west:.5f} to {east:.5f} east. Give the map of this place.'
            )
        low = np.floor(pixels[known].min(axis=0) / TILE).astype(int)
        high = np.floor(pixels[known].max(axis=0) / TILE).astype(int)
        mosaic, seen, faults = self._mosaic(zoom, low, high)
        # Into the mosaic, whose tiles may be larger than those that pixels are counted in.
        side = self.info.tile_side
        local = (pixels - low * TILE) * (side / TILE) - 0.5
        local[~known] = -1e6
        columns, rows = _dense(local, grid)
        image = cv2.remap(mosaic, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        shown = cv2.remap(
            seen.view(np.uint8) * np.uint8(255),
            columns,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )
        latitude = float(points[:, 1].mean())
        return ReferenceView(
            image=np.asarray(image, np.uint8),
            seen=np.asarray(shown, np.uint8) == 255,
            info=self.info,
            gsd_m=resolution_m(latitude, zoom) * TILE / side,
            faults=faults,
        )

    def zoom_of(self, grid: GroundGrid) -> int:
        """Return the zoom whose tiles are as fine as the frame, as far as the map has it."""
        points = grid.points
        steps = np.diff(points, axis=1)
        middle = np.nanmean(points[..., 1]) if np.isfinite(points).any() else 0.0
        metres = steps * (np.cos(np.radians(middle)), 1.0) * 111_320.0
        lengths = np.hypot(metres[..., 0], metres[..., 1])
        known = lengths[np.isfinite(lengths)]
        gsd = float(np.median(known)) / STEP if known.size else self.info.gsd_m
        wanted = zoom_for(max(gsd, 1e-3) * self.info.tile_side / TILE, float(middle))
        return int(np.clip(wanted, self.info.min_zoom, self.info.max_zoom))

    def prefetch(self, keys: Iterable[TileKey]) -> None:
        """Read tiles ahead of time; one that cannot be read is a fault of a view that needs it."""
        for key in keys:
            self.tile(key)

    def tile(self, key: TileKey) -> MapTile | MapError | None:
        """Return a tile from memory or the file; an error stands for one that cannot be read."""
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        found: MapTile | MapError | None
        try:
            found = self.source.read(key)
        except MapError as exc:
            # Kept for long, and without the frames of its making, which hold images.
            found = exc.with_traceback(None)
        with self._lock:
            self.reads += 1
            if key not in self._tiles:
                self._tiles[key] = found
                self._bytes += _size(found)
            while self._bytes > self.cache_limit and len(self._tiles) > 1:
                _, old = self._tiles.popitem(last=False)
                self._bytes -= _size(old)
        return found

    def cached_bytes(self) -> int:
        """Return the bytes of the tiles in memory."""
        with self._lock:
            return self._bytes

    def _mosaic(
        self, zoom: int, low: NDArray[np.int_], high: NDArray[np.int_]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_], tuple[str, ...]]:
        """Put tiles `low` to `high` (column, row) together; holes are black and not seen."""
        columns, rows = (high - low + 1).tolist()
        if columns * rows > MAX_TILES:
            raise MapError(
                f'{self.info.path}: a frame looks at {columns}x{rows} tiles of zoom {zoom}; '
                f'expected at most {MAX_TILES}. The view reaches the horizon, or the height is '
                'wrong.'
            )
        side = self.info.tile_side
        mosaic = np.zeros((rows * side, columns * side, 3), np.uint8)
        seen = np.zeros(mosaic.shape[:2], np.bool_)
        faults: list[str] = []
        for row in range(rows):
            for column in range(columns):
                key = TileKey(zoom, int(low[0]) + column, int(low[1]) + row)
                tile = self.tile(key)
                if isinstance(tile, MapError):
                    faults.append(str(tile))
                elif tile is not None:
                    place = np.s_[
                        row * side : (row + 1) * side, column * side : (column + 1) * side
                    ]
                    mosaic[place] = tile.image
                    seen[place] = True if tile.seen is None else tile.seen
        return mosaic, seen, tuple(faults)


def keys_within(points: NDArray[np.float64], zoom: int) -> list[TileKey]:
    """List the tiles of a zoom that a region (N, 2) longitude, latitude [deg] touches."""
    tiles = np.floor(to_pixels(points, zoom) / TILE).astype(int)
    low, high = tiles.min(axis=0), tiles.max(axis=0)
    return [
        TileKey(zoom, column, row)
        for row in range(int(low[1]), int(high[1]) + 1)
        for column in range(int(low[0]), int(high[0]) + 1)
    ]


def grid_pixels(height: int, width: int) -> NDArray[np.float64]:
    """Return the pixels x, y of a `GroundGrid`, (rows, columns, 2)."""
    rows, columns = (-(-(side - 1) // STEP) + 1 for side in (height, width))
    x, y = np.meshgrid(np.arange(columns) * float(STEP), np.arange(rows) * float(STEP))
    return np.stack((x, y), axis=-1)


def _dense(
    local: NDArray[np.float64], grid: GroundGrid
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Interpolate positions known every `STEP` pixels to all pixels of the frame."""
    x, y = np.meshgrid(
        np.arange(grid.width, dtype=np.float32) / STEP,
        np.arange(grid.height, dtype=np.float32) / STEP,
    )
    dense = cv2.remap(local.astype(np.float32), x, y, cv2.INTER_LINEAR)
    found = np.asarray(dense, np.float32)
    return np.ascontiguousarray(found[..., 0]), np.ascontiguousarray(found[..., 1])


def _size(tile: MapTile | MapError | None) -> int:
    return HOLE_BYTES if tile is None or isinstance(tile, MapError) else tile.size


def choose(maps: Sequence[ReferenceMap], longitude: float, latitude: float) -> ReferenceMap | None:
    """Return the first map that covers a point, None if none does."""
    return next((item for item in maps if item.info.bounds.covers(longitude, latitude)), None)
