# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Web Mercator (EPSG:3857) as pixels of a pyramid of tiles.

At zoom z the world is a square of 256 * 2^z pixels, x to the east from longitude -180, y to the
south from latitude +85.05; these coordinates are edges of pixels, so that the centre of the first
pixel is at (0.5, 0.5).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE = 256
MAX_ZOOM = 24
# Where the square ends.
MAX_LATITUDE_DEG = math.degrees(2 * math.atan(math.exp(math.pi)) - math.pi / 2)
EQUATOR_M = 2 * math.pi * 6_378_137.0


def to_pixels(points: NDArray[np.float64], zoom: int) -> NDArray[np.float64]:
    """Return x, y [px of the world at a zoom] of longitude, latitude [deg]; shape (..., 2)."""
    side = TILE * 2.0**zoom
    latitude = np.radians(np.clip(points[..., 1], -MAX_LATITUDE_DEG, MAX_LATITUDE_DEG))
    x = (points[..., 0] + 180.0) / 360.0
    y = 0.5 - np.arctanh(np.sin(latitude)) / (2 * np.pi)
    return np.stack((x, y), axis=-1) * side


def from_pixels(pixels: NDArray[np.float64], zoom: int) -> NDArray[np.float64]:
    """Return longitude, latitude [deg] of x, y [px of the world at a zoom]; shape (..., 2)."""
    unit = pixels / (TILE * 2.0**zoom)
    longitude = unit[..., 0] * 360.0 - 180.0
    latitude = np.degrees(np.arcsin(np.tanh((0.5 - unit[..., 1]) * 2 * np.pi)))
    return np.stack((longitude, latitude), axis=-1)


def resolution_m(latitude_deg: float, zoom: int) -> float:
    """Return the ground sample distance [m/px] at a latitude."""
    return EQUATOR_M * math.cos(math.radians(latitude_deg)) / (TILE * 2.0**zoom)


def zoom_for(gsd_m: float, latitude_deg: float) -> int:
    """Return the coarsest zoom that is at least as fine as a ground sample distance [m/px]."""
    exact = math.log2(resolution_m(latitude_deg, 0) / gsd_m)
    # A hair too coarse is fine enough: map and camera never agree to the last digit.
    return max(0, min(MAX_ZOOM, math.ceil(exact - 0.05)))
