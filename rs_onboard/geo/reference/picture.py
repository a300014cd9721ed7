# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A picture with known corners as a map: a scan, a crop of an orthophoto, a scene of a data set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import MAX_ZOOM, TILE, to_pixels, zoom_for
from rs_onboard.geo.reference.source import Bounds, MapInfo, MapTile, TileKey
from rs_onboard.geo.wgs84 import wgs84_to_offset

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Coarser levels that it offers, each half as fine.
LEVELS = 5


class PictureMap:
    """A picture in memory, warped to Web Mercator tile by tile.

    Args:
        image: (H, W, 3) uint8 RGB.
        corners: (4, 2) float64 longitude, latitude [deg] of its outer corners, clockwise from the
            top left; straight lines between them in Web Mercator are its edges.
        name: Name for reports.
        date: When it was taken, ISO 8601, or empty.
        seen: (H, W) bool, where it shows ground; None where it does everywhere.

    Attributes:
        image: The picture.

    Raises:
        MapError: The corners are not those of a picture.
    """

    info: MapInfo

    def __init__(
        self,
        image: NDArray[np.uint8],
        corners: NDArray[np.float64],
        *,
        name: str,
        date: str = '',
        seen: NDArray[np.bool_] | None = None,
    ) -> None:
        if corners.shape != (4, 2) or not np.isfinite(corners).all():
            raise _bad_corners(name, corners)
        height, width = image.shape[:2]
        self.image = image
        self._seen = None if seen is None else seen.astype(np.uint8) * np.uint8(255)
        edges = wgs84_to_offset(corners.copy(), corners[0, 1], corners[0, 0])
        area = abs(float(cv2.contourArea(edges.astype(np.float32))))
        if area <= 0:
            raise _bad_corners(name, corners)
        gsd = math.sqrt(area / (height * width))
        (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
        finest = min(MAX_ZOOM, zoom_for(gsd, float(south + north) / 2))
        self.info = MapInfo(
            path=Path(name),
            name=name,
            date=date,
            gsd_m=gsd,
            bounds=Bounds(float(west), float(south), float(east), float(north)),
            min_zoom=max(0, finest - LEVELS),
            max_zoom=finest,
            tile_side=TILE,
            attribution='',
        )
        self._origin = np.floor(to_pixels(corners, finest).min(axis=0))
        ends = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        world = (to_pixels(corners, finest) - self._origin).astype(np.float32)
        self._to_picture = cv2.getPerspectiveTransform(world, ends)
        self._reduced = {0: self.image}

    def pixels_of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return x, y [px of the picture, centres at whole numbers] of longitude, latitude."""
        world = to_pixels(points, self.info.max_zoom) - self._origin
        moved = np.concatenate((world, np.ones((*world.shape[:-1], 1))), axis=-1)
        found = moved @ self._to_picture.T
        return np.asarray(found[..., :2] / found[..., 2:] - 0.5)

    def read(self, key: TileKey) -> MapTile | None:
        """See `MapSource.read`."""
        if not self.info.min_zoom <= key.zoom <= self.info.max_zoom:
            return None
        step = 2.0 ** (self.info.max_zoom - key.zoom)
        corner = np.array((key.column, key.row)) * TILE * step - self._origin
        # From the centres of the tile's pixels to those of the picture, or of a reduced one.
        level = self.info.max_zoom - key.zoom
        to_world = np.array(
            [[step, 0, corner[0] + step / 2], [0, step, corner[1] + step / 2], [0, 0, 1]]
        )
        shrink = np.diag([0.5**level, 0.5**level, 1.0])
        centre = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
        matrix = centre @ shrink @ self._to_picture @ to_world
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        source = self._level(level)
        known = np.full(source.shape[:2], 255, np.uint8)
        if self._seen is not None:
            known = np.asarray(
                cv2.resize(self._seen, known.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8
            )
        seen = cv2.warpPerspective(known, matrix, (TILE, TILE), flags=flags)
        shown = np.asarray(seen, np.uint8) == 255
        if not shown.any():
            return None
        image = cv2.warpPerspective(
            source, matrix, (TILE, TILE), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        pixels = np.asarray(image, np.uint8)
        pixels[~shown] = 0
        return MapTile(pixels, None if bool(shown.all()) else shown)

    def close(self) -> None:
        """See `MapSource.close`."""

    def _level(self, level: int) -> NDArray[np.uint8]:
        """Return the picture halved so many times."""
        while level not in self._reduced:
            above = max(self._reduced)
            height, width = self._reduced[above].shape[:2]
            size = max(1, round(width / 2)), max(1, round(height / 2))
            self._reduced[above + 1] = np.asarray(
                cv2.resize(self._reduced[above], size, interpolation=cv2.INTER_AREA), np.uint8
            )
        return self._reduced[level]


def _bad_corners(name: str, corners: NDArray[np.float64]) -> MapError:
    return MapError(
        f'{name}: found corners {corners.tolist()}; expected longitude and latitude of four, '
        'clockwise from the top left.'
    )
