# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How surely places on the ground are known, from what is known of the pose and the camera.

A ray meets the ground at x = p + t d, on the plane through x with the normal n. To first order, an
error of the position p, of the height of the ground, of the attitude (a small turn about ENU axes)
or of the pixel moves x by

    dx = M dp + (I - M) z dh + t M (dturn x d + dray),   M = I - d n' / (n' d)

where M moves along the ray what leaves the ground back on to it. The errors are taken as
independent of one another, so that their covariances add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.geo.footprint import sight
from rs_onboard.geo.lens import bearing
from rs_onboard.geo.rotation import rotation_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.hits import GroundHits
    from rs_onboard.geo.pose import Pose

# Pixels to either side of a pixel between which the direction of its ray is differentiated.
REACH_PX = 0.5

UP = np.array([0.0, 0.0, 1.0])


def ground_covariance(
    pixels: NDArray[np.float64],
    camera: CameraModel | None,
    pose: Pose | None,
    hits: GroundHits | None = None,
) -> NDArray[np.float64] | None:
    """Return the covariance of the places on the ground that pixels show.

    Args:
        pixels: (N, 2) float64, x and y [px].
        camera: Intrinsics with their standard deviations.
        pose: Pose with its covariances.
        hits: Where the rays of the pixels meet the ground, if that is known already.

    Returns:
        (N, 2, 2) float64, east and north [m^2], NaN where a pixel shows no ground; None where the
        places or the accuracy of position, attitude or height are not known.
    """
    if camera is None or pose is None or pose.orientation is None:
        return None
    attitude, sigma = pose.orientation_covariance, pose.height_sigma_m
    if pose.position_covariance is None or attitude is None or sigma is None:
        return None
    found = hits or sight(pixels, camera, pose)
    if isinstance(found, str):
        return None
    rays = found.rays
    lengths = np.linalg.norm(found.points, axis=1) / np.linalg.norm(rays, axis=1)
    back = np.eye(3) - _outer(rays, found.normals) / _dot(rays, found.normals)
    turned = -lengths[:, np.newaxis, np.newaxis] * (back @ _cross(rays))
    rise = (np.eye(3) - back) @ UP
    position = pose.position_covariance
    if pose.terrain is None:
        # The height is measured by itself: the altitude of the fix has no part in it.
        position = position.copy()
        position[2, :] = position[:, 2] = 0.0
    total = _carried(back, position) + _carried(turned, attitude)
    total += _outer(rise, rise) * sigma**2
    seen = lengths[:, np.newaxis, np.newaxis] * (
        back @ rotation_matrix(pose.orientation) @ _rays_by_pixel(pixels, camera)
    )
    total += _carried(seen, _pixel_covariance(pixels, camera))
    return np.asarray(total[:, :2, :2])


def _pixel_covariance(pixels: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Return (N, 2, 2) [px^2]; a longer focal length moves pixels away from the principal point."""
    away = (pixels - (camera.cx, camera.cy)) * camera.focal_sigma
    return np.asarray(_outer(away, away) + np.eye(2) * camera.pixel_sigma**2)


def _rays_by_pixel(pixels: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Return (N, 3, 2), how the ray of a pixel changes with the pixel."""
    columns = []
    for step in ((REACH_PX, 0.0), (0.0, REACH_PX)):
        there, here = bearing(pixels + step, camera), bearing(pixels - np.array(step), camera)
        columns.append((there - here) / (2.0 * REACH_PX))
    return np.stack(columns, axis=2)


def _carried(change: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(change @ covariance @ change.transpose(0, 2, 1))


def _outer(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return first[:, :, np.newaxis] * second[:, np.newaxis, :]


def _dot(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((first * second).sum(axis=1)[:, np.newaxis, np.newaxis])


def _cross(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrices (N, 3, 3) of the products of vectors (N, 3) with what follows."""
    x, y, z = vectors.T
    zero = np.zeros(len(vectors))
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)
