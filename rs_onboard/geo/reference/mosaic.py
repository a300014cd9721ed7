# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Put shots together to the tiles of a map, each place from those that see it best."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.mercator import TILE, to_pixels
from rs_onboard.geo.reference.source import MapTile, TileKey
from rs_onboard.geo.wgs84 import offset_to_wgs84

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.geo.reference.survey import Placed

# Weights fall from the middle of a shot to its border with this power: large enough that one shot
# decides and things that stand up are not seen twice, small enough that seams are not seen.
FEATHER = 4.0
LEAST_WEIGHT = 1e-4
# Tiles under work in memory, 1 MB each; the others wait on disk.
MOST_TILES = 256
# A shot larger than this on the map sees the horizon [px].
MOST_SIDE = 16_384


class Mosaic:
    """Adds up shots by weight, tile by tile.

    Args:
        zoom: Zoom of the tiles.
        origin: Latitude and longitude [deg] of the plane on which the shots lie.
        folder: Where tiles wait when there are more than fit into memory.
        most_tiles: How many fit.
    """

    def __init__(
        self, zoom: int, origin: tuple[float, float], *, folder: Path, most_tiles: int = MOST_TILES
    ) -> None:
        self._zoom = zoom
        self._origin = origin
        self._folder = folder
        self._most = most_tiles
        self._tiles: OrderedDict[TileKey, NDArray[np.float32]] = OrderedDict()
        self._waiting: set[TileKey] = set()

    def add(self, image: NDArray[np.uint8], placed: Placed) -> bool:
        """Add a shot (H, W, 3) uint8 RGB in its place; returns whether it fits on the map."""
        height, width = image.shape[:2]
        x, y = np.meshgrid(np.linspace(-0.5, width - 0.5, 9), np.linspace(-0.5, height - 0.5, 9))
        pixels = np.stack((x, y), axis=-1).reshape(-1, 1, 2)
        ground = cv2.perspectiveTransform(pixels, np.linalg.inv(placed.to_pixels))[:, 0]
        world = to_pixels(offset_to_wgs84(np.asarray(ground), *self._origin), self._zoom)
        low = np.floor(world.min(axis=0) / TILE).astype(int)
        high = np.floor(world.max(axis=0) / TILE).astype(int)
        columns, rows = ((high - low + 1) * TILE).tolist()
        if max(columns, rows) > MOST_SIDE:
            return False
        # Centres of pixels of the map lie half a pixel after their edges.
        local = world - low * TILE - 0.5
        motion, _ = cv2.findHomography(pixels[:, 0], local)
        bright = np.clip(image.astype(np.float32) * placed.gain, 0, 255)
        weighed = np.dstack((bright, _weights(height, width)))
        weighed[:, :, :3] *= weighed[:, :, 3:]
        laid = cv2.warpPerspective(weighed, motion, (columns, rows), flags=cv2.INTER_LINEAR)
        for row in range(rows // TILE):
            for column in range(columns // TILE):
                part = laid[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                if float(part[:, :, 3].max()) > LEAST_WEIGHT:
                    key = TileKey(self._zoom, int(low[0]) + column, int(low[1]) + row)
                    self._tile(key)[:] += np.asarray(part, np.float32)
        return True

    def tiles(self) -> Iterator[tuple[TileKey, MapTile]]:
        """Yield the tiles, in order of place."""
        for key in sorted(self._waiting | set(self._tiles)):
            total = self._tile(key)
            seen = total[:, :, 3] > LEAST_WEIGHT
            if not seen.any():
                continue
            image = total[:, :, :3] / np.maximum(total[:, :, 3:], LEAST_WEIGHT)
            image[~seen] = 0
            pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
            yield key, MapTile(pixels, None if bool(seen.all()) else seen)

    def _tile(self, key: TileKey) -> NDArray[np.float32]:
        """Return the sums of a tile, (256, 256, 4) float32: colours by weight, and weight."""
        if key not in self._tiles:
            path = self._path(key)
            fresh = np.zeros((TILE, TILE, 4), np.float32)
            self._tiles[key] = np.load(path) if key in self._waiting else fresh
        self._tiles.move_to_end(key)
        while len(self._tiles) > self._most:
            old, total = self._tiles.popitem(last=False)
            np.save(self._path(old), total)
            self._waiting.add(old)
        return self._tiles[key]

    def _path(self, key: TileKey) -> Path:
        return self._folder / f'{key.column}_{key.row}.npy'


def work_folder(beside: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder for tiles that wait, on the disk where the map will be."""
    return tempfile.TemporaryDirectory(prefix=f'.{beside.stem}-', dir=beside.parent)


def _weights(height: int, width: int) -> NDArray[np.float32]:
    """Return the weights of the pixels of a shot: 1 in the middle, nothing beyond the border."""
    y, x = (
        np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (side / 2)
        for side in (height, width)
    )
    near = np.minimum(y[:, np.newaxis], x[np.newaxis, :])
    return np.asarray(np.maximum(near, 0.02) ** FEATHER, np.float32)
