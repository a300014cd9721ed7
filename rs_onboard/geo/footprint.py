# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where on the ground pixels lie: rays through the camera, meeting a flat ground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.errors import CameraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose, Quaternion

# WGS 84 (NIMA TR8350.2).
SEMI_MAJOR_M = 6_378_137.0
ECCENTRICITY_SQUARED = 6.694_379_990_14e-3

# A ray closer to the horizon than this meets the ground so far away that an error of one degree in
# the attitude moves the point by tens of percent.
MIN_DEPRESSION_RAD = math.radians(5.0)


class Footprint(NamedTuple):
    """The ground a frame shows.

    Attributes:
        corners: (4, 2) float64 longitude, latitude [deg] of the image corners, clockwise from the
            top left; None where unknown.
        reason: Why there is none; empty otherwise.
    """

    corners: NDArray[np.float64] | None
    reason: str


def footprint(camera: CameraModel | None, pose: Pose | None) -> Footprint:
    """Project the image corners on flat ground."""
    if camera is None or pose is None:
        return Footprint(None, 'camera intrinsics unknown' if camera is None else 'pose unknown')
    if pose.height_m is None or pose.height_m <= 0.0:
        return Footprint(None, 'height above ground unknown')
    if pose.orientation is None:
        return Footprint(None, 'attitude unknown')
    right, bottom = camera.width - 0.5, camera.height - 0.5
    pixels = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    offsets = ground_offsets(pixels, camera, pose.orientation, pose.height_m)
    if np.isnan(offsets).any():
        return Footprint(None, 'the view reaches the horizon')
    return Footprint(offset_to_wgs84(offsets, pose.latitude_deg, pose.longitude_deg), '')


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
        (N, 2) float64, east and north [m]; NaN for rays at or near the horizon.
    """
    rays = bearing(pixels, camera) @ rotation_matrix(orientation).T
    down = -rays[:, 2]
    usable = down >= np.sin(MIN_DEPRESSION_RAD) * np.linalg.norm(rays, axis=1)
    scale = np.full(len(rays), np.nan)
    scale[usable] = height_m / down[usable]
    return np.asarray(rays[:, :2] * scale[:, np.newaxis])


def bearing(pixels: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Return (N, 3) float64 viewing directions in the camera optical frame with z = 1.

    Raises:
        CameraError: The distortion model is none that ROS defines.
    """
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], float)
    points = np.ascontiguousarray(pixels, np.float64).reshape(-1, 1, 2)
    coefficients = np.array(camera.distortion or (0.0, 0.0, 0.0, 0.0), np.float64)
    if camera.distortion_model in {'', 'plumb_bob', 'rational_polynomial'}:
        plane = cv2.undistortPoints(points, matrix, coefficients)
    elif camera.distortion_model == 'equidistant':
        plane = cv2.fisheye.undistortPoints(points, matrix, coefficients)
    else:
        raise CameraError(
            f'camera: found distortion model {camera.distortion_model!r}; expected plumb_bob, '
            'rational_polynomial or equidistant. Calibrate the camera with one of these.'
        )
    return np.concatenate([plane.reshape(-1, 2), np.ones((len(points), 1))], axis=1)


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


def offset_to_wgs84(
    offsets: NDArray[np.float64], latitude_deg: float, longitude_deg: float
) -> NDArray[np.float64]:
    """Return (N, 2) float64 longitude and latitude [deg] of (N, 2) east and north offsets [m].

    Uses the radii of curvature at the origin: over 1 km the error stays below 0.1 m at middle
    latitudes.
    """
    latitude = math.radians(latitude_deg)
    squeeze = 1.0 - ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
    east_radius = SEMI_MAJOR_M / math.sqrt(squeeze)
    north_radius = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_SQUARED) / squeeze**1.5
    east = np.degrees(offsets[:, 0] / (east_radius * max(math.cos(latitude), 1e-9)))
    north = np.degrees(offsets[:, 1] / north_radius)
    return np.stack([longitude_deg + east, latitude_deg + north], axis=1)
