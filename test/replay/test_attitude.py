# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Attitudes mean what a person standing beside the drone would say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.replay.attitude import enu_from_body, enu_from_camera

FORWARD, LEFT, UP = np.eye(3)
RIGHT_IN_PICTURE, DOWN_IN_PICTURE, VIEW = np.eye(3)
EAST, NORTH, SKY = np.eye(3)


def turn(rotation, vector):
    """Rotate a vector by a quaternion (x, y, z, w), from its definition."""
    axis, w = np.array(rotation[:3]), rotation[3]
    return vector + 2 * np.cross(axis, np.cross(axis, vector) + w * vector)


def test_level_and_northward():
    q = enu_from_body(0, 0, 0)
    assert turn(q, FORWARD) == pytest.approx(NORTH, abs=1e-12)
    assert turn(q, LEFT) == pytest.approx(-EAST, abs=1e-12)
    assert turn(q, UP) == pytest.approx(SKY, abs=1e-12)


def test_yaw_turns_clockwise_pitch_lifts_the_nose_roll_drops_the_right_wing():
    assert turn(enu_from_body(90, 0, 0), FORWARD) == pytest.approx(EAST, abs=1e-12)
    assert turn(enu_from_body(0, 30, 0), FORWARD)[2] == pytest.approx(0.5)
    assert turn(enu_from_body(0, 0, 30), -LEFT)[2] == pytest.approx(-0.5)
    assert turn(enu_from_body(0, 0, 30), FORWARD) == pytest.approx(NORTH, abs=1e-12)


def test_a_camera_looking_straight_down_has_its_heading_at_the_top_of_the_picture():
    for yaw, heading in ((0, NORTH), (90, EAST), (180, -NORTH), (-90, -EAST)):
        q = enu_from_camera(yaw, -90, 0)
        assert turn(q, VIEW) == pytest.approx(-SKY, abs=1e-12)
        assert turn(q, -DOWN_IN_PICTURE) == pytest.approx(heading, abs=1e-12)


def test_a_camera_looking_at_the_horizon_has_the_sky_at_the_top():
    q = enu_from_camera(90, 0, 0)
    assert turn(q, VIEW) == pytest.approx(EAST, abs=1e-12)
    assert turn(q, -DOWN_IN_PICTURE) == pytest.approx(SKY, abs=1e-12)
    assert turn(q, RIGHT_IN_PICTURE) == pytest.approx(-NORTH, abs=1e-12)


angles = st.floats(-180, 180)


@given(angles, angles, angles)
def test_all_angles_give_unit_quaternions_and_agree_with_matrices(yaw, pitch, roll):
    q = enu_from_body(yaw, pitch, roll)
    assert math.hypot(*q) == pytest.approx(1)
    y, p, r = (math.radians(x) for x in (yaw, pitch, roll))
    about_z = [[math.cos(y), -math.sin(y), 0], [math.sin(y), math.cos(y), 0], [0, 0, 1]]
    about_y = [[math.cos(p), 0, math.sin(p)], [0, 1, 0], [-math.sin(p), 0, math.cos(p)]]
    about_x = [[1, 0, 0], [0, math.cos(r), -math.sin(r)], [0, math.sin(r), math.cos(r)]]
    ned = np.array(about_z) @ about_y @ about_x
    enu = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]) @ ned @ np.diag([1, -1, -1])
    for axis in np.eye(3):
        assert turn(q, axis) == pytest.approx(enu @ axis, abs=1e-9)
