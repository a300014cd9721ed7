# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes in an image are on the ground where they are, as large as they are."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.placing import centroid, place_shapes, signed_area
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.geo.uncertainty import ground_covariance
from rs_onboard.geo.wgs84 import offset_to_wgs84

CAMERA = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5, pixel_sigma=1.0)


def pose_with(*, pitch=0.0, **changes):
    turn = multiply(from_roll_pitch_yaw(0.0, math.radians(pitch), math.pi / 2), NADIR_MOUNT)
    known = Pose(
        0,
        46.0,
        7.0,
        500.0,
        100.0,
        turn,
        position_covariance=np.diag([4.0, 1.0, 9.0]),
        orientation_covariance=np.eye(3) * 1e-18,
        height_sigma_m=0.0,
    )
    return dataclasses.replace(known, **changes)


def square(x, y, side):
    return np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], float)


def test_a_square_with_a_hole_below_the_camera():
    # 0.2 m a pixel.
    shape = [square(269.5, 189.5, 100), square(309.5, 229.5, 20)]
    (place,) = place_shapes([shape], CAMERA, pose_with())
    assert place.area_m2 == pytest.approx(400 - 16)
    assert place.position == pytest.approx((7.0, 46.0))
    assert place.offsets[0] == pytest.approx(np.array([(-10, 10), (10, 10), (10, -10), (-10, -10)]))
    assert place.rings[1] == pytest.approx(offset_to_wgs84(place.offsets[1], 46.0, 7.0))
    assert place.covariance == pytest.approx(np.diag([4.04, 1.04]))
    assert place.about() == {
        'position': [7.0, 46.0],
        'position_covariance_m2': [[4.04, pytest.approx(0.0)], [pytest.approx(0.0), 1.04]],
        'sigma_m': 2.01,
    }


def test_places_are_those_of_single_pixels_and_so_are_their_covariances():
    shapes = [[square(10, 20, 50)], [square(400, 300, 9), square(402, 302, 3)]]
    pose = pose_with(pitch=-20.0)
    for shape, place in zip(shapes, place_shapes(shapes, CAMERA, pose), strict=True):
        centre = shape[0].mean(axis=0, keepdims=True)
        assert place.position == pytest.approx(tuple(locate(centre, CAMERA, pose).wgs84[0]))
        assert place.covariance == pytest.approx(ground_covariance(centre, CAMERA, pose)[0])
        for ring, found in zip(shape, place.rings, strict=True):
            assert found == pytest.approx(locate(ring, CAMERA, pose).wgs84)


def test_a_shape_that_reaches_the_horizon_is_nowhere_and_the_others_are_somewhere():
    near, far = place_shapes(
        [[square(300, 400, 20)], [square(300, 0, 200)]], CAMERA, pose_with(pitch=-80.0)
    )
    assert near is not None
    assert far is None


def test_what_is_missing_is_said():
    shapes = [[square(10, 20, 50)]]
    assert place_shapes(shapes, None, pose_with()) == 'camera intrinsics unknown'
    reason = place_shapes(shapes, CAMERA, pose_with(orientation=None, unknown='gimbal stale'))
    assert reason == 'attitude unknown (gimbal stale)'
    (place,) = place_shapes(shapes, CAMERA, pose_with(height_sigma_m=None))
    assert place.covariance is None
    assert set(place.about()) == {'position'}
    assert place_shapes([], CAMERA, pose_with()) == []


@settings(max_examples=80, deadline=None)
@given(st.floats(0.1, 50), st.floats(0.1, 50), st.floats(-180, 180), st.floats(-1e4, 1e4))
def test_area_and_centre_of_a_turned_rectangle(width, height, angle, where):
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turned = corners @ np.array([(c, s), (-s, c)]) + where
    assert signed_area(turned) == pytest.approx(width * height, rel=1e-6)
    assert signed_area(turned[::-1]) == pytest.approx(-width * height, rel=1e-6)
    assert centroid(turned) == pytest.approx(turned.mean(axis=0), abs=1e-6)


def test_the_centre_is_that_of_the_area_and_not_of_the_corners():
    outline = np.array([(0, 0), (4, 0), (8, 0), (9, 0), (10, 0), (10, 10), (0, 10)], float)
    assert centroid(outline) == pytest.approx((5.0, 5.0))
    assert centroid(np.array([(1.0, 2.0), (3.0, 4.0)])) == pytest.approx((2.0, 3.0))
