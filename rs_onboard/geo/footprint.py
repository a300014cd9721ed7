# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where on the ground pixels lie: rays through the camera, meeting a flat ground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.rotation import rotation_matrix
from rs_onboard.geo.wgs84 import offset_to_wgs84

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.geo.rotation import Quaternion

# A ray closer to the horizon than this meets the ground so far away that an error of one degree in
# the attitude moves the point by tens of percent.
MIN_DEPRESSION_RAD = math.radians(5.0)

# Coefficients of each distortion model (OpenCV takes 12 and 14, too; no ROS model has them).
COEFFICIENTS = {
    '': (0,),
    'plumb_bob': (0, 4, 5),
    'rational_polynomial': (0, 8),
    'equidistant': (0, 4),
}

# OpenCV stops after five steps, which left 0.2 px at the corners of a 1080p image with k1 = -0.3
# and 1 px with k1 = 0.2. Twenty of these steps get a ten-millionth; where 60 do not, nothing will.
MAX_STEPS = 60
CONVERGED_PX = 1e-7
INVERTIBLE_PX = 0.01


class Footprint(NamedTuple):
    """The ground a frame shows.

    Attributes:
        corners: (4, 2) float64 longitude, latitude [deg] of the image corners, clockwise from the
            top left; None where unknown.
        reason: Why there is none; empty otherwise.
    """

    corners: NDArray[np.float64] | None
    reason: str


class GroundPoints(NamedTuple):
    """Where on flat ground pixels lie.

    Attributes:
        offsets: (N, 2) float64 east and north of the point below the camera [m]; NaN for pixels at
            or near the horizon. None where nothing is known.
        wgs84: (N, 2) float64 longitude, latitude [deg], likewise.
        reason: Why there are none; empty otherwise.
    """

    offsets: NDArray[np.float64] | None
    wgs84: NDArray[np.float64] | None
    reason: str


def footprint(camera: CameraModel | None, pose: Pose | None) -> Footprint:
    """Project the image corners on flat ground."""
    right, bottom = (camera.width - 0.5, camera.height - 0.5) if camera else (0.5, 0.5)
    pixels = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    ground = locate(pixels, camera, pose)
    if ground.offsets is not None and np.isnan(ground.offsets).any():
        return Footprint(None, 'the view reaches the horizon')
    return Footprint(ground.wgs84, ground.reason)


def locate(
    pixels: NDArray[np.float64], camera: CameraModel | None, pose: Pose | None
) -> GroundPoints:
    """Project pixels (N, 2) float64, x and y with centres at whole numbers, on flat ground."""
    reason = ''
    if camera is None or pose is None:
        reason = 'camera intrinsics unknown' if camera is None else 'pose unknown'
    elif pose.height_m is None or pose.height_m <= 0.0:
        reason = 'height above ground unknown'
    elif pose.orientation is None:
        reason = 'attitude unknown'
    else:
        try:
            offsets = ground_offsets(pixels, camera, pose.orientation, pose.height_m)
        except CameraError as exc:
            return GroundPoints(None, None, str(exc))
        places = offset_to_wgs84(offsets, pose.latitude_deg, pose.longitude_deg)
        return GroundPoints(offsets, places, '')
    return GroundPoints(None, None, reason)


def ground_offsets(
    pixels: NDArray[np.float64], camera: CameraModel, orientation: Quaternion, height_m: float
) -> NDArray[np.float64]:
    """Return where pixels meet flat ground, relative to the point below the camera.

    Args:
        pixels: (N, 2) float64, x and y [px], pixel centres at whole numbers.
        camera: Intrinsics; distortion is removed.
        orientation: Rotation from the camera optical frame to ENU.
        height_m: Height of the camera above the ground [m].

    Returns:
        (N, 2) float64, east and north [m]; NaN for rays at or near the horizon, and for pixels
        where the distortion cannot be undone.

    Raises:
        CameraError: The distortion model is none that ROS defines.
    """
    rays = bearing(pixels, camera) @ rotation_matrix(orientation).T
    down = -rays[:, 2]
    usable = down >= np.sin(MIN_DEPRESSION_RAD) * np.linalg.norm(rays, axis=1)
    scale = np.full(len(rays), np.nan)
    scale[usable] = height_m / down[usable]
    return np.asarray(rays[:, :2] * scale[:, np.newaxis])


def bearing(pixels: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Return (N, 3) float64 viewing directions in the camera optical frame with z = 1.

    They are NaN where the distortion cannot be undone: a polynomial fitted to a part of the image
    may fold back on itself further out.

    Raises:
        CameraError: The distortion model is none that ROS defines.
    """
    counts = COEFFICIENTS.get(camera.distortion_model)
    if counts is None or len(camera.distortion) not in counts:
        raise CameraError(
            f'camera: found distortion model {camera.distortion_model!r} with '
            f'{len(camera.distortion)} coefficients; expected plumb_bob with 5, '
            'rational_polynomial with 8 or equidistant with 4. Calibrate the camera with one of '
            'these.'
        )
    if not len(pixels):
        # OpenCV takes no empty array.
        return np.empty((0, 3))
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], float)
    points = np.ascontiguousarray(pixels, np.float64).reshape(-1, 1, 2)
    coefficients = np.array(camera.distortion or (0.0, 0.0, 0.0, 0.0), np.float64)
    fisheye = camera.distortion_model == 'equidistant'
    undistort = cv2.fisheye.undistortPoints if fisheye else cv2.undistortPoints
    start = undistort(points, matrix, coefficients).reshape(-1, 1, 2)
    plane = np.asarray(start, np.float64)
    error = points - _project(plane, matrix, coefficients, fisheye=fisheye)
    for _ in range(0 if fisheye else MAX_STEPS):
        if np.abs(error).max(initial=0.0) <= CONVERGED_PX:
            break
        plane = np.asarray(plane + error / (camera.fx, camera.fy), np.float64)
        error = points - _project(plane, matrix, coefficients, fisheye=False)
    plane[~(np.abs(error).max(axis=2) <= INVERTIBLE_PX)] = np.nan
    return np.concatenate([plane.reshape(-1, 2), np.ones((len(points), 1))], axis=1)


def _project(
    plane: NDArray[np.float64],
    matrix: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    *,
    fisheye: bool,
) -> NDArray[np.float64]:
    """Return the pixels (N, 1, 2) of points (N, 1, 2) on the plane z = 1."""
    rays = np.concatenate([plane, np.ones((len(plane), 1, 1))], axis=2)
    still = np.zeros(3)
    if fisheye:
        pixels, _ = cv2.fisheye.projectPoints(rays, still, still, matrix, coefficients)
    else:
        pixels, _ = cv2.projectPoints(rays, still, still, matrix, coefficients)
    return np.asarray(pixels, np.float64).reshape(-1, 1, 2)


def within_date_line(corners: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut a convex polygon where it crosses the date line.

    Args:
        corners: (N, 2) float64 longitude, latitude [deg]; longitudes may run beyond +-180.

    Returns:
        The parts, each (K, 2) with longitudes from -180 to 180, in the same sense of rotation.
    """
    if np.abs(corners[:, 0]).max() <= 180.0:
        return [corners]
    parts = []
    for turn in (-360.0, 0.0, 360.0):
        part = corners + np.array([turn, 0.0])
        for side in (-1.0, 1.0):
            part = _clip(part, side)
        if len(part):
            parts.append(part)
    return parts


def _clip(corners: NDArray[np.float64], side: float) -> NDArray[np.float64]:
    """Keep what lies on this side of the date line: west of +180 for 1, east of -180 for -1."""
    beyond = corners[:, 0] * side - 180.0 if len(corners) else np.empty(0)
    kept = []
    for here, there, a, b in zip(
        corners, np.roll(corners, -1, axis=0), beyond, np.roll(beyond, -1), strict=True
    ):
        if a < 0.0:
            kept.append(here)
        if (a < 0.0) != (b < 0.0):
            kept.append(np.array([180.0 * side, here[1] + (there[1] - here[1]) * a / (a - b)]))
    return np.array(kept).reshape(-1, 2)
