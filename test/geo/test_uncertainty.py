# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Covariances of places on the ground are those of places drawn at random."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.lens import bearing
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply, rotation_matrix
from rs_onboard.geo.terrain import Terrain
from rs_onboard.geo.uncertainty import ground_covariance
from rs_onboard.geo.wgs84 import wgs84_to_offset

LATITUDE, LONGITUDE, HEIGHT = 46.0, 7.0, 120.0
LENS = CameraModel(
    1280,
    720,
    900.0,
    910.0,
    630.0,
    355.0,
    'plumb_bob',
    (-0.2, 0.05, 0.001, -0.0005, 0.0),
    pixel_sigma=1.5,
    focal_sigma=0.004,
)
PIXELS = np.array([(630.0, 355.0), (20.0, 15.0), (1260.0, 700.0), (900.0, 100.0)])
DRAWS = 4000


def attitude(roll, pitch, yaw):
    return multiply(from_roll_pitch_yaw(*map(math.radians, (roll, pitch, yaw))), NADIR_MOUNT)


def pose_with(orientation, *, scale=1.0, **changes):
    known = Pose(
        0,
        LATITUDE,
        LONGITUDE,
        500.0,
        HEIGHT,
        orientation,
        position_covariance=np.array([[1.0, 0.3, 0.2], [0.3, 0.5, -0.1], [0.2, -0.1, 2.0]]) * scale,
        orientation_covariance=np.diag([0.004, 0.006, 0.012]) ** 2 * scale,
        height_sigma_m=1.5 * math.sqrt(scale),
    )
    return dataclasses.replace(known, **changes)


def slope(*, rise_east, rise_north):
    """Make terrain that is `HEIGHT` below the place and rises evenly."""
    step = 0.0005
    columns = np.arange(81.0)[np.newaxis] - 40
    rows = 40 - np.arange(81.0)[:, np.newaxis]
    corner = np.array([(LONGITUDE + step, LATITUDE + step)])
    east, north = wgs84_to_offset(corner, LATITUDE, LONGITUDE)[0]
    heights = 500.0 - HEIGHT + rise_east * columns * east + rise_north * rows * north
    return Terrain(
        'slope',
        heights.astype(np.float32),
        LONGITUDE - 40 * step,
        LATITUDE + 40 * step,
        (step, step),
    )


def drawn(pose, rng, normal=(0.0, 0.0, 1.0)):
    """Return where `DRAWS` cameras that differ as the covariances say see the pixels, (D, N, 2).

    The ground is a plane `HEIGHT` below the true place.
    """
    turns = rng.multivariate_normal(np.zeros(3), pose.orientation_covariance, DRAWS)
    moves = rng.multivariate_normal(np.zeros(3), pose.position_covariance, DRAWS)
    rises = rng.normal(0.0, pose.height_sigma_m, (DRAWS, 1))
    pushes = rng.normal(0.0, LENS.pixel_sigma, (DRAWS, *PIXELS.shape))
    focals = rng.normal(0.0, LENS.focal_sigma, (DRAWS, 1, 1))
    # A longer focal length is the same as pixels nearer to the principal point.
    middle = np.array([LENS.cx, LENS.cy])
    pixels = middle + (PIXELS + pushes - middle) / (1 + focals)
    rays = bearing(pixels.reshape(-1, 2), LENS) @ rotation_matrix(pose.orientation).T
    rays = rays.reshape(DRAWS, -1, 3)
    angles = np.linalg.norm(turns, axis=1)[:, np.newaxis, np.newaxis]
    axes = turns[:, np.newaxis] / angles
    # Rodrigues.
    rays = (
        rays * np.cos(angles)
        + np.cross(axes, rays) * np.sin(angles)
        + axes * (axes * rays).sum(axis=2, keepdims=True) * (1 - np.cos(angles))
    )
    if pose.terrain is None:
        moves[:, 2] = 0.0
    above = (np.array((0.0, 0.0, HEIGHT)) + moves) @ normal - rises[:, 0] * normal[2]
    lengths = -above[:, np.newaxis] / (rays @ normal)
    return (moves[:, np.newaxis] + rays * lengths[:, :, np.newaxis])[:, :, :2]


def assert_alike(found, places):
    """Compare in the axes of the drawn: the spread along every direction within the noise."""
    for matrix, points in zip(found, np.swapaxes(places, 0, 1), strict=True):
        values, axes = np.linalg.eigh(np.cov(points.T))
        turned = axes.T @ matrix @ axes
        # 4000 draws tell a standard deviation to 1.1 %, of which 5 are allowed, and a little more
        # for what is not of first order.
        assert np.sqrt(np.diag(turned)) == pytest.approx(np.sqrt(values), rel=0.07)
        assert abs(turned[0, 1]) < 0.08 * math.sqrt(values[0] * values[1])


@settings(max_examples=8, deadline=None)
@given(st.floats(-25, 25), st.floats(-35, 35), st.floats(-180, 180), st.integers(0, 2**31))
def test_over_flat_ground_the_covariance_is_that_of_random_draws(roll, pitch, yaw, seed):
    pose = pose_with(attitude(roll, pitch, yaw))
    found = ground_covariance(PIXELS, LENS, pose)
    places = drawn(pose, np.random.default_rng(seed))
    assert_alike(found, places)


@pytest.mark.parametrize(('east', 'north'), [(0.0, 0.0), (0.3, -0.2), (-0.35, 0.25)])
def test_over_slopes_the_covariance_is_that_of_random_draws(east, north):
    pose = pose_with(attitude(5, -12, 40), terrain=slope(rise_east=east, rise_north=north))
    found = ground_covariance(PIXELS, LENS, pose)
    normal = np.array([-east, -north, 1.0])
    assert_alike(found, drawn(pose, np.random.default_rng(3), normal))


def test_a_nadir_view_has_the_errors_that_anybody_would_expect():
    camera = CameraModel(1280, 720, 900.0, 900.0, 639.5, 359.5)
    sure = np.eye(3) * 1e-18
    centre, edge = np.array([(639.5, 359.5)]), np.array([(639.5 + 450.0, 359.5)])
    pose = pose_with(attitude(0, 0, 90), position_covariance=sure, orientation_covariance=sure)
    # A metre of height moves what is seen at 1 in 2 by half a metre.
    (found,) = ground_covariance(edge, camera, dataclasses.replace(pose, height_sigma_m=1.0))
    assert found == pytest.approx(np.diag([0.25, 0.0]), abs=1e-9)
    # A turn moves the centre by the height times the turn.
    turned = np.diag([0.01**2, 1e-18, 1e-18])
    (found,) = ground_covariance(
        centre, camera, dataclasses.replace(pose, height_sigma_m=0.0, orientation_covariance=turned)
    )
    assert found == pytest.approx(np.diag([0.0, 1.2**2]), abs=1e-9)
    # A pixel is height by focal length.
    (found,) = ground_covariance(
        centre,
        dataclasses.replace(camera, pixel_sigma=2.0),
        dataclasses.replace(pose, height_sigma_m=0.0),
    )
    assert found == pytest.approx(np.eye(2) * (2 * 120 / 900) ** 2, abs=1e-9)
    # The altitude of the fix has no part in it while the height is measured by itself.
    (found,) = ground_covariance(
        edge,
        camera,
        dataclasses.replace(pose, height_sigma_m=0.0, position_covariance=np.diag([4.0, 9.0, 1e4])),
    )
    assert found == pytest.approx(np.diag([4.0, 9.0]), abs=1e-9)


@pytest.mark.parametrize(
    'missing', ['position_covariance', 'orientation_covariance', 'height_sigma_m', 'orientation']
)
def test_what_is_not_known_of_the_pose_leaves_the_accuracy_unknown(missing):
    pose = dataclasses.replace(pose_with(attitude(0, 0, 0)), **{missing: None})
    assert ground_covariance(PIXELS, LENS, pose) is None
    assert ground_covariance(PIXELS, None, pose_with(attitude(0, 0, 0))) is None
    assert ground_covariance(PIXELS, LENS, None) is None


def test_pixels_beyond_the_horizon_have_no_covariance():
    found = ground_covariance(PIXELS, LENS, pose_with(attitude(0, -80, 0)))
    known = ~np.isnan(locate(PIXELS, LENS, pose_with(attitude(0, -80, 0))).offsets[:, 0])
    assert 0 < known.sum() < len(PIXELS)
    assert (np.isfinite(found).all(axis=(1, 2)) == known).all()
