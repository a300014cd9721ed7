# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Camera and pose of a frame as values of the report that goes with its tiles."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.pose import Pose
from rs_onboard.perception.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CAMERA, POSE = 'camera', 'pose'
COVARIANCES = ('position_covariance', 'orientation_covariance')


def view_values(camera: CameraModel | None, pose: Pose | None) -> dict[str, str]:
    """Write camera and pose as JSON, each where it is known."""
    values = {}
    if camera is not None:
        values[CAMERA] = json.dumps(dataclasses.asdict(camera))
    if pose is not None:
        # The terrain stays behind: it is large, and what is far from the camera needs it only.
        names = [item.name for item in dataclasses.fields(pose) if item.name != 'terrain']
        fields = {name: getattr(pose, name) for name in names}
        for name in COVARIANCES:
            if fields[name] is not None:
                fields[name] = fields[name].tolist()
        values[POSE] = json.dumps(fields)
    return values


def view_from_values(values: Mapping[str, str]) -> tuple[CameraModel | None, Pose | None]:
    """Read camera and pose.

    Raises:
        TaskError: They are not those of an rs_onboard tiler.
    """
    try:
        camera = _camera(json.loads(values[CAMERA])) if CAMERA in values else None
        pose = _pose(json.loads(values[POSE])) if POSE in values else None
    except (CameraError, KeyError, TypeError, ValueError) as exc:
        raise TaskError(
            f'report of tiles: camera or pose {exc!r}; expected that of an rs_onboard tiler. Run '
            'nodes of one release together.'
        ) from None
    return camera, pose


def _camera(fields: dict[str, Any]) -> CameraModel:
    distortion = tuple(float(value) for value in fields.pop('distortion'))
    return CameraModel(**fields, distortion=distortion)


def _pose(fields: dict[str, Any]) -> Pose:
    turn = _numbers(fields['orientation'], 4)
    return Pose(
        stamp_ns=int(fields['stamp_ns']),
        latitude_deg=finite_number(fields['latitude_deg']),
        longitude_deg=finite_number(fields['longitude_deg']),
        altitude_m=finite_number(fields['altitude_m']),
        height_m=_maybe(fields['height_m']),
        orientation=None if turn is None else (turn[0], turn[1], turn[2], turn[3]),
        position_covariance=_matrix(fields['position_covariance']),
        orientation_covariance=_matrix(fields['orientation_covariance']),
        height_sigma_m=_maybe(fields['height_sigma_m']),
        assumed=tuple(str(name) for name in fields['assumed']),
        unknown=str(fields['unknown']),
    )


def finite_number(value: Any) -> float:
    """Read a finite number.

    Raises:
        ValueError: It is none.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f'{value} is no finite number')
    return number


def _maybe(value: Any) -> float | None:
    return None if value is None else finite_number(value)


def _matrix(value: Any) -> NDArray[np.float64] | None:
    numbers = _numbers(value, 9)
    return None if numbers is None else np.reshape(numbers, (3, 3))


def _numbers(value: Any, count: int) -> list[float] | None:
    """Read finite numbers, however nested; None stays None.

    Raises:
        ValueError: They are not so many, or one is none.
    """
    if value is None:
        return None
    numbers = np.asarray(value, np.float64).ravel()
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f'{value} are not {count} finite numbers')
    return numbers.tolist()
