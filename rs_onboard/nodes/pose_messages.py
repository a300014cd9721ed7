# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Attitudes as messages tell them, and the settings that say how: mounts, accuracies, terrain."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.covariance import Accuracy
from rs_onboard.geo.pose_buffer import Mount
from rs_onboard.geo.rotation import NADIR_MOUNT, Quaternion, from_roll_pitch_yaw, multiply
from rs_onboard.geo.terrain_file import shared_terrain
from rs_onboard.inference.errors import FieldError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.terrain import Terrain
    from rs_onboard.nodes.node_settings import FrameSettings, TerrainSettings

# Optical axes (x right, y down, z along the view) in those of a camera body that has x along the
# view: y left and z up (FLU), or y right and z down (FRD).
OPTICAL_IN_FLU: Quaternion = (-0.5, 0.5, -0.5, 0.5)
OPTICAL_IN_FRD: Quaternion = (0.5, 0.5, 0.5, 0.5)
# North-east-down in east-north-up: a half turn about the diagonal of north and east.
NED_IN_ENU: Quaternion = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)
# Ahead-right-down in ahead-left-up: a half turn about the nose.
FRD_IN_FLU: Quaternion = (1.0, 0.0, 0.0, 0.0)


def accuracy_of(settings: FrameSettings) -> Accuracy:
    """Return what is assumed where no message says; 0 leaves it unknown."""
    return Accuracy(
        position_m=settings.sigma_position_m or None,
        altitude_m=settings.sigma_altitude_m or None,
        height_m=settings.sigma_height_m or None,
        tilt_rad=math.radians(settings.sigma_tilt_deg) or None,
        heading_rad=math.radians(settings.sigma_heading_deg) or None,
        mount_rad=math.radians(settings.sigma_mount_deg),
    )


def mount_of(settings: FrameSettings) -> Mount | str:
    """Return the camera on the body, or that /tf_static has to tell it.

    Raises:
        FieldError: A text is not three numbers.
    """
    angles = _three(
        'camera_mount_rpy_deg',
        settings.camera_mount_rpy_deg,
        '"roll pitch yaw" in degrees, or nothing for a camera that looks straight down',
    )
    place = _three(
        'camera_mount_xyz_m',
        settings.camera_mount_xyz_m,
        '"forward left up" in metres, or nothing for a camera at the antenna',
    )
    if settings.camera_mount_from_tf:
        if angles or place:
            raise FieldError(
                'parameter camera_mount_from_tf: found true with a mount given as numbers; '
                'expected one of both. Leave camera_mount_rpy_deg and camera_mount_xyz_m empty.'
            )
        return '/tf_static: no message yet'
    turn = from_roll_pitch_yaw(*map(math.radians, angles)) if angles else NADIR_MOUNT
    return Mount(turn, place or (0.0, 0.0, 0.0))


def terrain_of(settings: TerrainSettings) -> Terrain | None:
    """Read the terrain model of the settings, None where the ground is taken for flat.

    Raises:
        TerrainError: It cannot be used.
    """
    if not settings.terrain_file:
        return None
    return shared_terrain(
        Path(settings.terrain_file).expanduser(),
        zero_m=settings.terrain_zero_m,
        sigma_m=settings.terrain_sigma_m,
    )


def covariance_of(values: Any) -> NDArray[np.float64]:
    """Return the (3, 3) covariance of a message, whatever it is worth."""
    return np.asarray(values, np.float64).reshape(3, 3)


def gimbal_attitude(message: Any, *, axes: str, yaw_lock: bool) -> Quaternion | str:
    """Return the attitude of the camera's optical frame, or why the message has none.

    Args:
        message: QuaternionStamped, or Vector3Stamped with roll, pitch and yaw in degrees, as
            gimbals count them: pitch -90 looks down, yaw grows clockwise.
        axes: Of a quaternion: `optical` and `flu` are against ENU, `frd` is against NED.
        yaw_lock: Whether yaw counts from north; else from the nose, where the reference is ahead,
            left, up (`frd`: ahead, right, down).

    Returns:
        Rotation to ENU, or to ahead, left, up without yaw lock.
    """
    if hasattr(message, 'vector'):
        return _from_angles(message.vector, yaw_lock=yaw_lock)
    q = message.quaternion
    turn = (q.x, q.y, q.z, q.w)
    unknown = [name for name, value in zip('xyzw', turn, strict=True) if not math.isfinite(value)]
    if unknown:
        return f'its quaternion has no {", ".join(unknown)}'
    if axes == 'flu':
        return multiply(turn, OPTICAL_IN_FLU)
    if axes == 'frd':
        return _from_frd(turn, yaw_lock=yaw_lock)
    return turn


def _from_angles(vector: Any, *, yaw_lock: bool) -> Quaternion | str:
    angles = {'roll': vector.x, 'pitch': vector.y, 'yaw': vector.z}
    if math.isnan(vector.z) and not yaw_lock:
        # A gimbal that counts yaw from the nose and has none turns with the vehicle.
        angles['yaw'] = 0.0
    unknown = [name for name, value in angles.items() if not math.isfinite(value)]
    if unknown:
        return f'it has no {", ".join(unknown)}'
    return _from_frd(from_roll_pitch_yaw(*map(math.radians, angles.values())), yaw_lock=yaw_lock)


def _from_frd(turn: Quaternion, *, yaw_lock: bool) -> Quaternion:
    reference = NED_IN_ENU if yaw_lock else FRD_IN_FLU
    return multiply(multiply(reference, turn), OPTICAL_IN_FRD)


def _three(name: str, text: str, wanted: str) -> tuple[float, float, float] | None:
    """Read three numbers, None where there is nothing.

    Raises:
        FieldError: The text is something else.
    """
    if not text.strip():
        return None
    try:
        numbers = [float(part) for part in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise FieldError(f'parameter {name}: found {text!r}; expected three numbers {wanted}.')
    return (numbers[0], numbers[1], numbers[2])
