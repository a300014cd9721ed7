# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Quaternions against matrices and against the angles they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.errors import PoseError
from rs_onboard.geo.rotation import (
    NADIR_MOUNT,
    angle_between,
    from_roll_pitch_yaw,
    heading_of,
    multiply,
    rotation_matrix,
    slerp,
)

LEVEL = (0.0, 0.0, 0.0, 1.0)
angles = st.floats(-math.pi, math.pi)
quaternions = st.builds(from_roll_pitch_yaw, angles, angles, angles)


def turn_between(a, b):
    """Angle of the rotation from one attitude to the other [rad]."""
    return 2 * math.acos(min(1.0, abs(sum(p * q for p, q in zip(a, b, strict=True)))))


@settings(max_examples=80, deadline=None)
@given(quaternions, quaternions)
def test_composed_rotations_are_the_product_of_their_matrices(a, b):
    product = rotation_matrix(a) @ rotation_matrix(b)
    assert rotation_matrix(multiply(a, b)) == pytest.approx(product, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(angles, angles, angles)
def test_roll_pitch_and_yaw_turn_about_fixed_axes_in_turn(roll, pitch, yaw):
    def about(index, angle):
        i, j = [(1, 2), (2, 0), (0, 1)][index]
        matrix = np.eye(3)
        matrix[[i, j], [i, j]] = math.cos(angle)
        matrix[i, j], matrix[j, i] = -math.sin(angle), math.sin(angle)
        return matrix

    expected = about(2, yaw) @ about(1, pitch) @ about(0, roll)
    found = rotation_matrix(from_roll_pitch_yaw(roll, pitch, yaw))
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=120, deadline=None)
@given(quaternions, quaternions, st.floats(0, 1))
def test_slerp_turns_evenly_the_short_way(a, b, weight):
    mixed = slerp(a, b, weight)
    whole = turn_between(a, b)
    assert math.hypot(*mixed) == pytest.approx(1.0)
    assert turn_between(a, mixed) == pytest.approx(weight * whole, abs=1e-6)
    assert turn_between(mixed, b) == pytest.approx((1 - weight) * whole, abs=1e-6)
    opposite = slerp(a, tuple(-value for value in b), weight)
    assert turn_between(mixed, opposite) == pytest.approx(0.0, abs=1e-6) or whole > 3.14


@settings(max_examples=40, deadline=None)
@given(quaternions, st.floats(1e-12, 1e-4), st.floats(0, 1))
def test_slerp_of_attitudes_that_hardly_differ_is_exact(a, turn, weight):
    b = multiply(from_roll_pitch_yaw(0.0, 0.0, turn), a)
    expected = multiply(from_roll_pitch_yaw(0.0, 0.0, turn * weight), a)
    mixed = slerp(a, b, weight)
    sign = math.copysign(1.0, sum(p * q for p, q in zip(mixed, expected, strict=True)))
    assert [sign * value for value in mixed] == pytest.approx(expected, abs=1e-12)


def test_slerp_makes_units_of_quaternions_that_nearly_are():
    assert slerp((0.0, 0.0, 0.0, 1.005), (0.0, 0.0, 0.0, 0.995), 0.3) == (0.0, 0.0, 0.0, 1.0)


def test_slerp_refuses_zeros():
    with pytest.raises(PoseError, match='expected unit quaternions'):
        slerp((0.0,) * 4, (0.0,) * 4, 0.5)


@settings(max_examples=80, deadline=None)
@given(quaternions, angles)
def test_the_angle_between_two_attitudes_is_that_of_the_turn_from_one_to_the_other(a, angle):
    axis = np.array([0.6, -0.48, 0.64])
    turned = multiply((*(axis * math.sin(angle / 2)).tolist(), math.cos(angle / 2)), a)
    assert angle_between(a, turned) == pytest.approx(abs(angle), abs=1e-7)
    assert angle_between(a, tuple(-value for value in turned)) == pytest.approx(
        abs(angle), abs=1e-7
    )


@settings(max_examples=80, deadline=None)
@given(angles, st.floats(-1.4, 1.4), angles)
def test_the_heading_is_where_the_nose_points_on_the_map(roll, pitch, yaw):
    heading = rotation_matrix(heading_of(from_roll_pitch_yaw(roll, pitch, yaw)))
    assert heading[:, 0] == pytest.approx((math.cos(yaw), math.sin(yaw), 0.0), abs=1e-9)
    assert heading[:, 2] == pytest.approx((0.0, 0.0, 1.0))


def test_a_nose_that_points_up_has_no_heading():
    assert heading_of(from_roll_pitch_yaw(0.0, math.radians(-89.0), 1.0)) is None
    assert heading_of(NADIR_MOUNT) is not None
