# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Angles as drones write them, turned into the quaternions of REP-103.

Drones give yaw, pitch and roll of a body with x forward, y right, z down (FRD) against north, east,
down (NED): turn by yaw about z, then by pitch about the new y, then by roll about the new x. ROS
wants the rotation from a body with x forward, y left, z up (FLU) to east, north, up (ENU):

    q(body to ENU) = ENU_FROM_NED * q(yaw, pitch, roll) * FRD_FROM_FLU

A gimbal's angles say the same of the camera's viewing direction (x), so for a camera

    q(camera to ENU) = ENU_FROM_NED * q(yaw, pitch, roll) * FRD_FROM_OPTICAL

with optical axes x right, y down in the picture, z along the view. Looking straight down with a
heading of north is yaw 0, pitch -90, roll 0: the top of the picture is north. Quaternions are
(x, y, z, w).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rs_onboard.geo.rotation import multiply

if TYPE_CHECKING:
    from rs_onboard.geo.rotation import Quaternion

_HALF_ROOT = math.sqrt(0.5)
# Half a turn about the line between north and east swaps them and turns down into up.
ENU_FROM_NED: Quaternion = (_HALF_ROOT, _HALF_ROOT, 0.0, 0.0)
# Half a turn about forward.
FRD_FROM_FLU: Quaternion = (1.0, 0.0, 0.0, 0.0)
# Optical x is right (FRD y), optical y is down (FRD z), optical z is forward (FRD x).
FRD_FROM_OPTICAL: Quaternion = (0.5, 0.5, 0.5, 0.5)


def _about(axis: int, degrees: float) -> Quaternion:
    half = math.radians(degrees) / 2
    parts = [0.0, 0.0, 0.0, math.cos(half)]
    parts[axis] = math.sin(half)
    return parts[0], parts[1], parts[2], parts[3]


def ned_from_frd(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Quaternion:
    """Return the rotation from a forward-right-down body to north-east-down."""
    return multiply(multiply(_about(2, yaw_deg), _about(1, pitch_deg)), _about(0, roll_deg))


def enu_from_body(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Quaternion:
    """Return the rotation from the body (forward, left, up) to east-north-up."""
    return multiply(
        multiply(ENU_FROM_NED, ned_from_frd(yaw_deg, pitch_deg, roll_deg)), FRD_FROM_FLU
    )


def enu_from_camera(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Quaternion:
    """Return the rotation from the camera's optical frame to east-north-up."""
    return multiply(
        multiply(ENU_FROM_NED, ned_from_frd(yaw_deg, pitch_deg, roll_deg)), FRD_FROM_OPTICAL
    )
