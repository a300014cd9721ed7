# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Ground sample distance of a frame from height, attitude and camera."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose

# Beyond this tilt one number would mislead: at 30 degrees the far edge of a 60 degree view is
# more than twice as coarse as the near one.
MAX_TILT_RAD = math.radians(30.0)


class GroundScale(NamedTuple):
    """GSD at the image centre [m/px], or None with the reason."""

    gsd_m: float | None
    reason: str


def ground_scale(camera: CameraModel | None, pose: Pose | None) -> GroundScale:
    """Estimate the GSD at the image centre over flat ground.

    A view tilted by t over flat ground at height h reaches it at the distance h / cos t.
    """
    if camera is None:
        return GroundScale(None, 'camera intrinsics unknown')
    if pose is None:
        return GroundScale(None, 'pose unknown')
    if pose.height_m is None:
        return GroundScale(None, 'height above ground unknown')
    if pose.height_m <= 1.0:
        return GroundScale(None, f'height above ground is {pose.height_m:.1f} m, not airborne')
    tilt = pose.tilt_rad()
    if tilt is None:
        return GroundScale(None, 'attitude unknown')
    if tilt > MAX_TILT_RAD:
        return GroundScale(None, f'camera tilted by {math.degrees(tilt):.0f} deg')
    focal = math.sqrt(camera.fx * camera.fy)
    return GroundScale(pose.height_m / math.cos(tilt) / focal, '')
