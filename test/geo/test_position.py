# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A frame in register tells where the camera was, and how surely."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import RegistrationError
from rs_onboard.geo.footprint import sight
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.position import Uncertainty, position_from
from rs_onboard.geo.reference.view import GroundGrid
from rs_onboard.geo.registration import Registration
from rs_onboard.geo.rotation import NADIR_MOUNT, multiply, rotation_matrix
from rs_onboard.geo.terrain import Terrain
from rs_onboard.geo.wgs84 import offset_to_wgs84, wgs84_to_offset

LATITUDE, LONGITUDE, HEIGHT = 47.3, 8.5, 120.0
CAMERA = CameraModel(1280, 720, 900.0, 900.0, 639.5, 359.5)
LENS = dataclasses.replace(
    CAMERA, distortion_model='plumb_bob', distortion=(-0.1, 0.02, 0.001, -0.001, 0.0)
)
SURE = Uncertainty(tilt_deg=1e-4, yaw_deg=1e-4, focal=1e-6, map_m=0.01, ground_m=0.01)


def about(axis, degrees):
    half = math.radians(degrees) / 2
    return *(math.sin(half) * (index == axis) for index in range(3)), math.cos(half)


def pose_at(east=0.0, north=0.0, up=0.0, turns=(0.0, 0.0, 0.0), yaw=35.0):
    orientation = multiply(about(2, yaw), NADIR_MOUNT)
    for axis, degrees in enumerate(turns):
        orientation = multiply(about(axis, degrees), orientation)
    ((longitude, latitude),) = offset_to_wgs84(np.array([[east, north]]), LATITUDE, LONGITUDE)
    return Pose(7, float(latitude), float(longitude), 500.0 + up, HEIGHT + up, orientation)


def registered(truth, believed, *, camera=CAMERA, focal=1.0, noise_px=0.0, seed=0, count=120):
    """Make the matches that a frame taken at `truth` has with the view from `believed`."""
    rng = np.random.default_rng(seed)
    grid = GroundGrid.of(camera, believed)
    middles = rng.uniform((40, 40), (camera.width - 40, camera.height - 40), (-(-count // 6), 2))
    source = (np.repeat(middles, 6, axis=0) + rng.uniform(-20, 20, (6 * len(middles), 2)))[:count]
    ground = wgs84_to_offset(grid.at(source), truth.latitude_deg, truth.longitude_deg)
    points = np.column_stack((ground, np.full(count, -truth.height_m)))
    rays = points @ rotation_matrix(truth.orientation)
    matrix = np.array(
        [[camera.fx * focal, 0, camera.cx], [0, camera.fy * focal, camera.cy], [0, 0, 1]]
    )
    bent = np.array(camera.distortion or (0.0,) * 5)
    target, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), matrix, bent)
    # Neighbours are off together, as they are on a map with errors of its own.
    noise = np.repeat(rng.normal(0, 1.0, middles.shape), 6, axis=0)[:count]
    target = target.reshape(-1, 2) + noise_px * noise
    return Registration(
        homography=np.eye(3),
        inliers=count,
        matches=count,
        residual_px=noise_px,
        overlap=1.0,
        agreement=0.5,
        shift_px=(0.0, 0.0),
        turn_deg=0.0,
        scale=1.0,
        source=source,
        target=np.reshape(target, (-1, 2)),
    )


def miss(fix, truth):
    """Return east, north and up of the fix against the truth [m]."""
    place = np.array([[fix.longitude_deg, fix.latitude_deg]])
    east, north = wgs84_to_offset(place, truth.latitude_deg, truth.longitude_deg)[0]
    return np.array((east, north, fix.altitude_m - truth.altitude_m))


@pytest.mark.parametrize('camera', [CAMERA, LENS])
@settings(max_examples=25, deadline=None)
@given(
    st.floats(-30, 30), st.floats(-30, 30), st.floats(-12, 12), st.floats(-3, 3), st.floats(0, 360)
)
def test_exact_matches_give_the_exact_place_when_the_attitude_is_known(
    camera, east, north, up, tilt, yaw
):
    truth = pose_at(turns=(tilt, -tilt, 0.0), yaw=yaw)
    believed = pose_at(east, north, up, turns=(tilt, -tilt, 0.0), yaw=yaw)
    found = registered(truth, believed, camera=camera)
    fix = position_from(found, camera, believed, SURE)
    # Interpolating a ground position over 16 px of a distorted lens costs some millimetres.
    assert np.abs(miss(fix, truth)).max() < 0.05
    assert fix.offset_m == pytest.approx((-east, -north, -up), abs=0.05)
    assert fix.stamp_ns == 7
    assert fix.matches == 120


def test_errors_lie_within_the_covariance():
    known = Uncertainty(map_m=0.01, ground_m=0.01)
    rng = np.random.default_rng(5)
    distances, heights = [], []
    for seed in range(120):
        tilts = rng.normal(0, known.tilt_deg, 2)
        yaw = rng.normal(0, known.yaw_deg)
        truth = pose_at(turns=(*tilts, yaw))
        east, north = rng.uniform(-20, 20, 2)
        believed = pose_at(east, north, rng.normal(0, known.height * HEIGHT / 2))
        focal = 1 + rng.normal(0, known.focal)
        found = registered(truth, believed, focal=focal, noise_px=1.5, seed=seed)
        fix = position_from(found, CAMERA, believed, known)
        error = miss(fix, truth)
        distances.append(error[:2] @ np.linalg.inv(fix.covariance[:2, :2]) @ error[:2])
        heights.append(error[2] ** 2 / fix.covariance[2, 2])
    # Two freedoms have the mean 2, one has 1; none is beyond one in 10^4 of a chi-squared.
    assert 1.0 < np.mean(distances) < 2.6
    assert 0.2 < np.mean(heights) < 1.4
    assert max(distances) < 18.5
    assert max(heights) < 15


def test_a_doubtful_attitude_makes_a_doubtful_place_where_the_perspective_does_not_show_it():
    truth, believed = pose_at(), pose_at(5.0)
    found = registered(truth, believed, noise_px=30.0)
    sigmas = [
        position_from(found, CAMERA, believed, Uncertainty(tilt_deg=tilt)).sigma_m
        for tilt in (0.1, 1.0, 3.0)
    ]
    assert sigmas == sorted(sigmas)
    # One degree of 120 m beside what is there without.
    expected = math.hypot(sigmas[0], HEIGHT * math.radians(1))
    assert sigmas[1] == pytest.approx(expected, rel=0.25)


def test_a_tilt_that_the_perspective_shows_is_found():
    truth = pose_at(turns=(1.5, -1.0, 4.0))
    believed = pose_at(8.0, -6.0, 3.0)
    found = registered(truth, believed)
    fix = position_from(found, CAMERA, believed, Uncertainty(focal=1e-4))
    assert fix.rotation_deg == pytest.approx((1.5, -1.0, 4.0), abs=0.2)
    assert fix.residual_px < 0.1


def test_what_the_pose_says_of_itself_wins_over_what_is_taken_for_granted():
    truth, believed = pose_at(), pose_at(5.0)
    found = registered(truth, believed, noise_px=30.0)
    sure = dataclasses.replace(
        believed,
        orientation_covariance=np.eye(3) * math.radians(0.2) ** 2,
        height_sigma_m=0.5,
    )
    vague = dataclasses.replace(believed, orientation_covariance=np.eye(3) * math.radians(4.0) ** 2)
    sigmas = [position_from(found, CAMERA, pose).sigma_m for pose in (sure, believed, vague)]
    assert sigmas == sorted(sigmas)
    assert position_from(found, CAMERA, sure).covariance[2, 2] < 0.6 + 3.0**2


def test_relief_counts_where_the_pose_knows_it():
    # A slope to the north of one in five: taken for flat, the matches pull the camera aside.
    heights = np.linspace(40.0, -40.0, 41)[:, np.newaxis] * np.ones((1, 41))
    step = 400.0 / 40 / 111_320.0
    terrain = Terrain(
        'slope',
        (380.0 + heights).astype(np.float32),
        LONGITUDE - 20 * step,
        LATITUDE + 20 * step,
        (step, step),
    )
    truth, believed = (pose_at(*place).over(terrain) for place in ((), (4.0, -3.0, 2.0)))
    rng = np.random.default_rng(1)
    source = rng.uniform((60, 60), (1220, 660), (120, 2))
    ground = sight(source, CAMERA, believed).points
    apart = np.append(
        wgs84_to_offset(
            np.array([[believed.longitude_deg, believed.latitude_deg]]), LATITUDE, LONGITUDE
        )[0],
        believed.altitude_m - truth.altitude_m,
    )
    rays = (ground + apart) @ rotation_matrix(truth.orientation)
    matrix = np.array([[900.0, 0, 639.5], [0, 900.0, 359.5], [0, 0, 1]])
    target, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), matrix, np.zeros(5))
    found = dataclasses.replace(
        registered(pose_at(), pose_at()), source=source, target=target.reshape(-1, 2)
    )
    assert np.abs(miss(position_from(found, CAMERA, believed, SURE), truth)).max() < 0.05
    flat = dataclasses.replace(believed, terrain=None)
    assert np.abs(miss(position_from(found, CAMERA, flat, SURE), truth)).max() > 0.3


def test_without_height_or_attitude_there_is_no_position():
    believed = pose_at()
    found = registered(believed, believed)
    for missing in ('height_m', 'orientation'):
        pose = dataclasses.replace(believed, **{missing: None})
        with pytest.raises(RegistrationError, match='no height or no attitude'):
            position_from(found, CAMERA, pose)


def test_too_few_matches_give_no_position():
    believed = pose_at()
    found = registered(believed, believed, count=3)
    with pytest.raises(RegistrationError, match='3 matches on known ground; at least 4 are needed'):
        position_from(found, CAMERA, believed)


def test_an_uncertainty_of_nothing_is_refused():
    with pytest.raises(RegistrationError, match='tilt_deg is 0; expected a standard deviation'):
        Uncertainty(tilt_deg=0.0)


def test_the_grid_gives_the_ground_of_any_pixel_within_it_and_nothing_beyond():
    grid = GroundGrid.of(CAMERA, pose_at())
    x, y = np.meshgrid(np.arange(0, 1280, 16), np.arange(0, 720, 16))
    nodes = np.stack((x, y), axis=-1).reshape(-1, 2).astype(float)
    np.testing.assert_array_equal(grid.at(nodes).reshape(*x.shape, 2), grid.points[:45, :80])
    between = grid.at(np.array([[8.0, 4.0]]))[0]
    expected = (
        0.375 * grid.points[0, :2].mean(axis=0) * 2 + 0.125 * grid.points[1, :2].mean(axis=0) * 2
    )
    np.testing.assert_allclose(between, expected, rtol=1e-12)
    assert np.isnan(grid.at(np.array([[-1.0, 5.0], [5.0, 5000.0]]))).all()
