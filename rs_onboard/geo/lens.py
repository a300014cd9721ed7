# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The lens: directions of pixels, and pixels of directions, with the distortion models of ROS."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.rotation import rotation_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.rotation import Quaternion

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

# To undo a distortion takes longer than all else on the way to the ground. What is asked for again
# is remembered, up to half a megabyte each.
MOST_REMEMBERED = 10_000


def bearing(pixels: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Return (N, 3) float64 viewing directions in the camera optical frame with z = 1.

    They are NaN where the distortion cannot be undone: a polynomial fitted to a part of the image
    may fold back on itself further out. The array may be read-only.

    Raises:
        CameraError: The distortion model is none that ROS defines.
    """
    points = np.ascontiguousarray(pixels, np.float64).reshape(-1, 2)
    if len(points) > MOST_REMEMBERED:
        return _bearing(points, camera)
    return _remembered(points.tobytes(), camera)


@lru_cache(maxsize=32)
def _remembered(pixels: bytes, camera: CameraModel) -> NDArray[np.float64]:
    """Return the directions of pixels that are asked for with every frame: of borders and grids."""
    rays = _bearing(np.frombuffer(pixels, np.float64).reshape(-1, 2), camera)
    rays.flags.writeable = False
    return rays


def _bearing(pixels: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    matrix, coefficients, fisheye = _lens(camera)
    if not len(pixels):
        # OpenCV takes no empty array.
        return np.empty((0, 3))
    points = pixels.reshape(-1, 1, 2)
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


def pixels_of(
    points: NDArray[np.float64], camera: CameraModel, orientation: Quaternion
) -> NDArray[np.float64]:
    """Return where points are seen, the inverse of a ray that meets them.

    Args:
        points: (N, 3) float64, east, north and up of the camera [m].
        camera: Intrinsics.
        orientation: Rotation from the camera optical frame to ENU.

    Returns:
        (N, 2) float64 pixels, also beyond the edges of the image; NaN for points behind the camera.

    Raises:
        CameraError: The distortion model is none that ROS defines.
    """
    matrix, coefficients, fisheye = _lens(camera)
    seen = points @ rotation_matrix(orientation)
    plane = np.full((len(points), 1, 2), np.nan)
    ahead = seen[:, 2] > 0.0
    plane[ahead, 0] = seen[ahead, :2] / seen[ahead, 2:]
    if not len(points):
        return np.empty((0, 2))
    return _project(plane, matrix, coefficients, fisheye=fisheye).reshape(-1, 2)


def _lens(camera: CameraModel) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return the camera matrix, the coefficients and whether OpenCV calls the lens a fisheye."""
    counts = COEFFICIENTS.get(camera.distortion_model)
    if counts is None or len(camera.distortion) not in counts:
        raise CameraError(
            f'camera: found distortion model {camera.distortion_model!r} with '
            f'{len(camera.distortion)} coefficients; expected plumb_bob with 5, '
            'rational_polynomial with 8 or equidistant with 4. Calibrate the camera with one of '
            'these.'
        )
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], float)
    coefficients = np.array(camera.distortion or (0.0, 0.0, 0.0, 0.0), np.float64)
    return matrix, coefficients, camera.distortion_model == 'equidistant'


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
