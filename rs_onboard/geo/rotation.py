# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Rotations as unit quaternions (x, y, z, w) that turn vectors of the child into the parent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.geo.errors import PoseError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Quaternion = tuple[float, float, float, float]

# Camera optical axes seen from the body for a camera that looks straight down with the image top
# towards the nose: x right = -y body, y down = -x body, z view = -z body.
NADIR_MOUNT: Quaternion = (math.sqrt(0.5), -math.sqrt(0.5), 0.0, 0.0)

# A nose closer to the vertical than this has no heading: 0.1 is 6 degrees.
LEAST_LEVEL = 0.1


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Compose two rotations: first `b`, then `a`."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def slerp(a: Quaternion, b: Quaternion, weight: float) -> Quaternion:
    """Rotate evenly from `a` (weight 0) to `b` (weight 1) the short way; the result is a unit."""
    dot = sum(p * q for p, q in zip(a, b, strict=False))
    if dot < 0.0:
        b, dot = (-b[0], -b[1], -b[2], -b[3]), -dot
    angle = math.acos(min(1.0, dot))
    if angle < 1e-6:
        p, q = 1.0 - weight, weight
    else:
        p, q = (math.sin(f * angle) / math.sin(angle) for f in (1.0 - weight, weight))
    mixed = tuple(p * s + q * t for s, t in zip(a, b, strict=False))
    norm = math.hypot(*mixed)
    if norm == 0.0:
        raise PoseError(f'attitude: found quaternions {a} and {b}; expected unit quaternions.')
    return (mixed[0] / norm, mixed[1] / norm, mixed[2] / norm, mixed[3] / norm)


def from_roll_pitch_yaw(roll: float, pitch: float, yaw: float) -> Quaternion:
    """Return the rotation by roll, pitch and yaw about the fixed x, y and z axes, in turn [rad]."""
    about_x = (math.sin(roll / 2.0), 0.0, 0.0, math.cos(roll / 2.0))
    about_y = (0.0, math.sin(pitch / 2.0), 0.0, math.cos(pitch / 2.0))
    about_z = (0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0))
    return multiply(about_z, multiply(about_y, about_x))


def rotation_matrix(quaternion: Quaternion) -> NDArray[np.float64]:
    """Return the (3, 3) float64 matrix of a unit quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def is_unit(q: Quaternion) -> bool:
    """Return whether a quaternion is one of a rotation, but for rounding."""
    norm = math.hypot(*q)
    return math.isfinite(norm) and abs(norm - 1.0) < 1e-2


def angle_between(a: Quaternion, b: Quaternion) -> float:
    """Return the angle of the rotation from `a` to `b` [rad], 0 to pi."""
    x, y, z, w = multiply((-a[0], -a[1], -a[2], a[3]), b)
    return 2.0 * math.atan2(math.hypot(x, y, z), abs(w))


def heading_of(body: Quaternion) -> Quaternion | None:
    """Return the turn about up that a body (FLU) has, None where its nose points up or down."""
    x, y, z, w = body
    east, north = 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + z * w)
    if math.hypot(east, north) < LEAST_LEVEL:
        return None
    yaw = math.atan2(north, east)
    return (0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0))
