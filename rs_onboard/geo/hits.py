# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Rays that meet the ground, and how much a small error of what they start from moves the place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A ray that grazes the ground at less than this meets it so far away that an error of one degree in
# the attitude moves the point by tens of percent.
MIN_GRAZING_RAD = math.radians(5.0)


class GroundHits(NamedTuple):
    """Where rays meet the ground.

    Attributes:
        rays: (N, 3) float64, directions in ENU, of any length.
        points: (N, 3) float64, east, north and up of the camera [m]; NaN where a ray meets nothing,
            or grazes the ground.
        normals: (N, 3) float64, the upward normals of the ground there, of length 1.
    """

    rays: NDArray[np.float64]
    points: NDArray[np.float64]
    normals: NDArray[np.float64]

    def without_grazing(self) -> GroundHits:
        """Return the hits with those left out that graze the ground."""
        into = -(self.rays * self.normals).sum(axis=1)
        lengths = np.linalg.norm(self.rays, axis=1)
        with np.errstate(invalid='ignore'):
            steep = into >= math.sin(MIN_GRAZING_RAD) * lengths
        return self._replace(points=np.where(steep[:, np.newaxis], self.points, np.nan))


def meet_plane(rays: NDArray[np.float64], height_m: float) -> GroundHits:
    """Let rays meet flat ground.

    Args:
        rays: (N, 3) float64, directions in ENU.
        height_m: Height of the camera above it [m].
    """
    down = np.where(rays[:, 2] < 0.0, -rays[:, 2], np.nan)
    points = rays * (height_m / down)[:, np.newaxis]
    normals = np.broadcast_to(np.array([0.0, 0.0, 1.0]), rays.shape)
    return GroundHits(rays, points, normals).without_grazing()
