# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Degrees on the WGS 84 ellipsoid and metres east and north of a place nearby."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# WGS 84 (NIMA TR8350.2).
SEMI_MAJOR_M = 6_378_137.0
ECCENTRICITY_SQUARED = 6.694_379_990_14e-3


def offset_to_wgs84(
    offsets: NDArray[np.float64], latitude_deg: float, longitude_deg: float
) -> NDArray[np.float64]:
    """Return (N, 2) float64 longitude and latitude [deg] of (N, 2) east and north offsets [m].

    Uses the radii of curvature at the origin: over 1 km the error stays below 0.1 m at middle
    latitudes.
    """
    origin = np.array([longitude_deg, latitude_deg])
    return np.asarray(origin + np.degrees(offsets / radii_at(latitude_deg)))


def wgs84_to_offset(
    points: NDArray[np.float64], latitude_deg: float, longitude_deg: float
) -> NDArray[np.float64]:
    """Return (N, 2) float64 east and north offsets [m] of (N, 2) longitude and latitude [deg].

    The inverse of `offset_to_wgs84`, also across the date line.
    """
    turned = points - np.array([longitude_deg, latitude_deg])
    turned[:, 0] = (turned[:, 0] + 180.0) % 360.0 - 180.0
    return np.asarray(np.radians(turned) * radii_at(latitude_deg))


def radii_at(latitude_deg: float) -> NDArray[np.float64]:
    """Return the radii [m] of the circles that east and north follow at a latitude."""
    latitude = math.radians(latitude_deg)
    squeeze = 1.0 - ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
    east = SEMI_MAJOR_M / math.sqrt(squeeze) * max(math.cos(latitude), 1e-9)
    north = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_SQUARED) / squeeze**1.5
    return np.array([east, north])
