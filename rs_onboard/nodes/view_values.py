# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Camera and pose of a frame as values of the report that goes with its tiles."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.pose import Pose
from rs_onboard.perception.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

CAMERA, POSE = 'camera', 'pose'


def view_values(camera: CameraModel | None, pose: Pose | None) -> dict[str, str]:
    """Write camera and pose as JSON, each where it is known."""
    values = {}
    if camera is not None:
        values[CAMERA] = json.dumps(dataclasses.asdict(camera))
    if pose is not None:
        fields = {item.name: getattr(pose, item.name) for item in dataclasses.fields(pose)}
        if pose.position_covariance is not None:
            fields['position_covariance'] = pose.position_covariance.tolist()
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
    covariance = fields.pop('position_covariance')
    orientation = fields.pop('orientation')
    stamp_ns, height_m = int(fields.pop('stamp_ns')), fields.pop('height_m')
    numbers = {name: float(value) for name, value in fields.items()}
    turn = None if orientation is None else tuple(float(value) for value in orientation)
    known = (*numbers.values(), *(turn or ()), 0.0 if height_m is None else float(height_m))
    if not np.isfinite(known).all() or (turn is not None and len(turn) != 4):
        raise ValueError(known)
    matrix = None if covariance is None else np.array(covariance, np.float64).reshape(3, 3)
    return Pose(
        stamp_ns=stamp_ns,
        height_m=None if height_m is None else float(height_m),
        orientation=turn,
        position_covariance=matrix,
        **numbers,
    )
