# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes in an image put on the ground: outlines, areas, and places with their covariances."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.geo.covariance import largest_sigma
from rs_onboard.geo.footprint import sight
from rs_onboard.geo.hits import GroundHits
from rs_onboard.geo.uncertainty import ground_covariance
from rs_onboard.geo.wgs84 import offset_to_wgs84

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose

    Ring = NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """A shape on the ground.

    Attributes:
        rings: (K, 2) float64 longitude, latitude [deg] each, not closed: the outline, then its
            holes; longitudes run on beyond +-180.
        offsets: The same, east and north of the camera [m].
        area_m2: Of the outline without its holes, seen from above [m^2].
        position: Longitude and latitude [deg] of what the centre of the outline shows.
        covariance: (2, 2) float64 of the position, east and north [m^2]; None where nobody knows.
    """

    rings: tuple[Ring, ...]
    offsets: tuple[Ring, ...]
    area_m2: float
    position: tuple[float, float]
    covariance: NDArray[np.float64] | None

    def about(self) -> dict[str, Any]:
        """Return position and accuracy as plain values."""
        return place_values(self.position, self.covariance)


def place_values(
    position: tuple[float, float], covariance: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Return a position (longitude, latitude) and its covariance (2, 2) as plain values."""
    longitude, latitude = position
    told: dict[str, Any] = {'position': [_turned(longitude), round(latitude, 8)]}
    if covariance is not None:
        told['position_covariance_m2'] = covariance.round(4).tolist()
        told['sigma_m'] = round(largest_sigma(covariance), 3)
    return told


def place_shapes(
    shapes: Sequence[Sequence[Ring]], camera: CameraModel | None, pose: Pose | None
) -> list[Placed | None] | str:
    """Put shapes on the ground.

    Args:
        shapes: The rings of each, (K, 2) float64 pixels with centres at whole numbers: an outline,
            then its holes.
        camera: Intrinsics, None where none are known.
        pose: Pose, likewise.

    Returns:
        As many places, None for a shape that reaches to where no ground is known; or why there are
        none at all.
    """
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for shape in shapes for ring in shape]
    centres = np.array([centroid(shape[0]) for shape in shapes]).reshape(-1, 2)
    hits = sight(np.concatenate([centres, *rings]), camera, pose)
    if isinstance(hits, str):
        return hits
    assert pose is not None
    offsets = hits.points[:, :2]
    places = offset_to_wgs84(offsets, pose.latitude_deg, pose.longitude_deg)
    count = len(shapes)
    central = GroundHits(*(part[:count] for part in hits))
    covariances = ground_covariance(centres, camera, pose, central)
    placed: list[Placed | None] = []
    start = count
    for index, shape in enumerate(shapes):
        cuts = start + np.cumsum([0, *(len(ring) for ring in shape)])
        start = int(cuts[-1])
        spans = [slice(a, b) for a, b in pairwise(cuts.tolist())]
        if not np.isfinite(offsets[index]).all() or not np.isfinite(offsets[cuts[0] : start]).all():
            placed.append(None)
            continue
        whole, *holes = [abs(signed_area(offsets[span])) for span in spans]
        covariance = None if covariances is None else covariances[index]
        placed.append(
            Placed(
                rings=tuple(places[span] for span in spans),
                offsets=tuple(offsets[span] for span in spans),
                area_m2=whole - sum(holes),
                position=(float(places[index, 0]), float(places[index, 1])),
                covariance=covariance,
            )
        )
    return placed


def signed_area(ring: Ring) -> float:
    """Return the area within a ring (K, 2), positive where it runs from +x to +y."""
    # Seen from the first corner, the products with it vanish.
    x, y = (ring[1:] - ring[0]).T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2.0


def centroid(ring: Ring) -> Ring:
    """Return the centre (2,) of the area within a ring (K, 2); of its corners where it has none."""
    points = np.asarray(ring, np.float64)
    # As in `signed_area`.
    here, there = points[1:-1] - points[0], points[2:] - points[0]
    parts = here[:, 0] * there[:, 1] - there[:, 0] * here[:, 1]
    total = parts.sum()
    if abs(total) < 1e-9:
        return np.asarray(points.mean(axis=0))
    return np.asarray(points[0] + (here + there).T @ parts / (3.0 * total))


def _turned(longitude: float) -> float:
    return round((longitude + 180.0) % 360.0 - 180.0, 8)
