# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of the camera at an image stamp.

Frames follow REP-103: the world is ENU (x east, y north, z up), the body is FLU (x forward, y left,
z up), the camera optical frame has x right, y down, z along the view. Covariances of attitudes are
those of small turns about the axes of the parent, as in sensor_msgs/Imu.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.geo.rotation import Quaternion
    from rs_onboard.geo.terrain import Terrain


@dataclass(frozen=True)
class Pose:
    """Where the camera was and how it looked at an image stamp.

    Attributes:
        stamp_ns: The image stamp [ns].
        latitude_deg: WGS 84 latitude [deg].
        longitude_deg: WGS 84 longitude [deg].
        altitude_m: Altitude as the fix gives it [m], of the camera.
        height_m: Height above the ground [m], None where nobody knows it.
        orientation: Rotation from the camera optical frame to ENU, None where nobody knows it.
        position_covariance: (3, 3) float64, ENU [m^2], None where nobody knows it.
        orientation_covariance: (3, 3) float64, turns about east, north, up [rad^2], likewise.
        height_sigma_m: Standard deviation of the height [m], likewise.
        assumed: Which of these are assumed and not told: `position`, `attitude`, `height`.
        unknown: Why height or orientation are missing, empty where both are known.
        terrain: The relief below, None for flat ground at `height_m`.
    """

    stamp_ns: int
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    height_m: float | None
    orientation: Quaternion | None
    position_covariance: NDArray[np.float64] | None = None
    orientation_covariance: NDArray[np.float64] | None = None
    height_sigma_m: float | None = None
    assumed: tuple[str, ...] = ()
    unknown: str = ''
    terrain: Terrain | None = field(default=None, repr=False, compare=False)

    def tilt_rad(self) -> float | None:
        """Angle between the view axis and straight down [rad], None without an orientation."""
        if self.orientation is None:
            return None
        x, y, _, _ = self.orientation
        # z axis of the camera in ENU has the up component 1 - 2(x^2 + y^2).
        return math.acos(min(1.0, max(-1.0, 2.0 * (x * x + y * y) - 1.0)))

    def over(self, terrain: Terrain) -> Pose:
        """Return this pose with a terrain below it, and the height above it.

        Where the terrain is not known, or higher than the camera, the height is not known either,
        and the pose says so.
        """
        height = terrain.below(self.latitude_deg, self.longitude_deg, self.altitude_m)
        reason = ''
        if math.isnan(height):
            reason = f'{terrain.name} knows no ground at {self.latitude_deg:.5f}, '
            reason += f'{self.longitude_deg:.5f}'
        elif height <= 0.0:
            reason = f'the camera is {-height:.0f} m below {terrain.name}; check terrain.zero_m'
        return replace(
            self,
            terrain=terrain,
            height_m=None if reason else height,
            height_sigma_m=None if reason else terrain.sigma_m,
            assumed=tuple(name for name in self.assumed if name != 'height'),
            unknown=reason or ('' if self.orientation is not None else self.unknown),
        )


class NoPose(NamedTuple):
    """Why there is no pose for a stamp, in words for a status."""

    reason: str
