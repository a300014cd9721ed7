# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The ground sample distance is the one that rays through two pixels give."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.gsd import MAX_TILT_RAD, ground_scale, local_scales
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.geo.terrain import Terrain

CAMERA = CameraModel(640, 480, 800.0, 800.0, 319.5, 239.5)


def pose_with(height_m, orientation):
    return Pose(0, 46.0, 7.0, 500.0, height_m, orientation)


@settings(max_examples=60, deadline=None)
@given(st.floats(2, 3000), st.floats(-0.5, 0.5), st.floats(-4, 4))
def test_a_pixel_across_the_tilt_covers_the_ground_sample_distance(height, roll, yaw):
    attitude = multiply(from_roll_pitch_yaw(roll, 0.0, yaw), NADIR_MOUNT)
    pose = pose_with(height, attitude)
    scale = ground_scale(CAMERA, pose)
    # Rolling turns the view about the nose, which is up in the image: rows keep their distance.
    pixels = np.array([(319.5, 239.0), (319.5, 240.0)])
    first, second = locate(pixels, CAMERA, pose).offsets
    assert scale.reason == ''
    assert scale.gsd_m == pytest.approx(np.linalg.norm(second - first), rel=1e-6)


def test_different_focal_lengths_give_the_mean_pixel():
    camera = CameraModel(640, 480, 400.0, 1600.0, 319.5, 239.5)
    scale = ground_scale(camera, pose_with(100.0, NADIR_MOUNT))
    assert scale.gsd_m == pytest.approx(100.0 / 800.0)


def test_steep_views_have_the_scale_of_their_middle_with_a_doubt():
    for tilt, doubt in ((MAX_TILT_RAD - 1e-6, ''), (MAX_TILT_RAD + 1e-6, '30'), (1.2, '69')):
        attitude = multiply(from_roll_pitch_yaw(tilt, 0.0, 0.0), NADIR_MOUNT)
        scale = ground_scale(CAMERA, pose_with(100.0, attitude))
        assert scale.gsd_m == pytest.approx(100.0 / math.cos(tilt) / 800.0)
        expected = f'camera tilted by {doubt} deg, finer below and coarser above'
        assert scale.reason == (expected if doubt else '')


@pytest.mark.parametrize('tilt_deg', [86.0, 90.0, 120.0, 180.0])
def test_a_view_along_the_horizon_or_above_it_has_no_scale(tilt_deg):
    attitude = multiply(from_roll_pitch_yaw(math.radians(tilt_deg), 0.0, 0.0), NADIR_MOUNT)
    scale = ground_scale(CAMERA, pose_with(100.0, attitude))
    assert scale == (None, f'camera tilted by {tilt_deg:.0f} deg')


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 1.3), st.floats(2, 3000))
def test_a_pixel_shows_the_square_of_its_local_scale(tilt, height):
    attitude = multiply(from_roll_pitch_yaw(0.0, tilt, 0.3), NADIR_MOUNT)
    pose = pose_with(height, attitude)
    (found,) = local_scales(np.array([(319.5, 239.5)]), CAMERA, pose)
    across = ground_scale(CAMERA, pose).gsd_m
    # Along the tilt, a pixel is longer on the ground by the slope of the ray.
    assert found == pytest.approx(across / math.sqrt(math.cos(tilt)), rel=0.02)
    horizon = multiply(from_roll_pitch_yaw(0.0, 1.5, 0.0), NADIR_MOUNT)
    assert np.isnan(local_scales(np.array([(319.5, 239.5)]), CAMERA, pose_with(9.0, horizon))).all()
    assert local_scales(np.array([(0.0, 0.0)]), CAMERA, pose_with(None, attitude)) is None


def test_over_terrain_the_distance_is_that_along_the_view():
    attitude = multiply(from_roll_pitch_yaw(0.0, 0.0, 0.0), NADIR_MOUNT)
    heights = np.tile(np.linspace(400.0, 440.0, 41, dtype=np.float32), (41, 1))
    terrain = Terrain('slope', heights, 6.98, 46.02, (0.001, 0.001))
    known = pose_with(None, attitude).over(terrain)
    assert ground_scale(CAMERA, known).gsd_m == pytest.approx(80.0 / 800.0, rel=1e-5)
    away = dataclasses.replace(pose_with(50.0, attitude), latitude_deg=47.0).over(terrain)
    assert ground_scale(CAMERA, away).reason.startswith('height above ground unknown (slope knows')


@pytest.mark.parametrize(
    ('camera', 'pose', 'reason'),
    [
        (None, pose_with(10.0, NADIR_MOUNT), 'camera intrinsics unknown'),
        (CAMERA, None, 'pose unknown'),
        (CAMERA, pose_with(None, NADIR_MOUNT), 'height above ground unknown'),
        (CAMERA, pose_with(1.0, NADIR_MOUNT), 'height above ground is 1.0 m, not airborne'),
        (CAMERA, pose_with(-3.0, NADIR_MOUNT), 'height above ground is -3.0 m, not airborne'),
        (CAMERA, pose_with(10.0, None), 'attitude unknown'),
    ],
)
def test_what_is_missing_is_said(camera, pose, reason):
    assert ground_scale(camera, pose) == (None, reason)


def test_the_tilt_of_known_attitudes():
    def tilt(orientation):
        return math.degrees(pose_with(10.0, orientation).tilt_rad())

    assert tilt(NADIR_MOUNT) == pytest.approx(0.0, abs=1e-5)
    # The optical frame itself as ENU: the view goes up.
    assert tilt((0.0, 0.0, 0.0, 1.0)) == pytest.approx(180.0)
    pitched = multiply(from_roll_pitch_yaw(0.0, math.radians(-40), 1.0), NADIR_MOUNT)
    assert tilt(pitched) == pytest.approx(40.0)
    assert pose_with(10.0, None).tilt_rad() is None
