# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Ground sample distance of a frame from height, attitude and camera."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.geo.footprint import sight
from rs_onboard.geo.hits import MIN_GRAZING_RAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose

# Beyond this tilt one number misleads: at 30 degrees the far edge of a 60 degree view is more than
# twice as coarse as the near one.
MAX_TILT_RAD = math.radians(30.0)


class GroundScale(NamedTuple):
    """GSD at the image centre.

    Attributes:
        gsd_m: Across the tilt [m/px], None where unknown.
        reason: Why there is none, or why to doubt that it is that of the whole frame; else empty.
    """

    gsd_m: float | None
    reason: str


def ground_scale(camera: CameraModel | None, pose: Pose | None) -> GroundScale:
    """Estimate the GSD at the image centre.

    A view tilted by t over flat ground at height h reaches it at the distance h / cos t; over
    terrain the ray along the view tells the distance.
    """
    if camera is None:
        return GroundScale(None, 'camera intrinsics unknown')
    if pose is None:
        return GroundScale(None, 'pose unknown')
    why = f' ({pose.unknown})' if pose.unknown else ''
    if pose.height_m is None:
        return GroundScale(None, f'height above ground unknown{why}')
    if pose.height_m <= 1.0:
        return GroundScale(None, f'height above ground is {pose.height_m:.1f} m, not airborne')
    tilt = pose.tilt_rad()
    if tilt is None:
        return GroundScale(None, f'attitude unknown{why}')
    if pose.terrain is None and tilt > math.pi / 2.0 - MIN_GRAZING_RAD:
        return GroundScale(None, f'camera tilted by {math.degrees(tilt):.0f} deg')
    distance = pose.height_m / math.cos(tilt)
    if pose.terrain is not None:
        hits = sight(np.array([(camera.cx, camera.cy)]), camera, pose)
        if isinstance(hits, str) or np.isnan(hits.points).any():
            return GroundScale(None, 'no known ground in the middle of the view')
        distance = float(np.linalg.norm(hits.points))
    doubt = ''
    if tilt > MAX_TILT_RAD:
        doubt = f'camera tilted by {math.degrees(tilt):.0f} deg, finer below and coarser above'
    return GroundScale(distance / math.sqrt(camera.fx * camera.fy), doubt)


def local_scales(
    pixels: NDArray[np.float64], camera: CameraModel, pose: Pose
) -> NDArray[np.float64] | None:
    """Return the GSD at pixels (N, 2), (N,) float64 [m/px]: the root of the ground a pixel shows.

    It is NaN where no ground is known; None where none is anywhere.
    """
    steps = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    hits = sight((pixels[:, np.newaxis] + steps).reshape(-1, 2), camera, pose)
    if isinstance(hits, str):
        return None
    here, right, below = np.moveaxis(hits.points[:, :2].reshape(-1, 3, 2), 1, 0)
    a, b = right - here, below - here
    return np.asarray(np.sqrt(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])))
