# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Poses are interpolated to the image stamp, or there is a reason why not."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.errors import PoseError
from rs_onboard.geo.footprint import rotation_matrix
from rs_onboard.geo.pose import (
    NADIR_MOUNT,
    NS_PER_S,
    Fix,
    NoPose,
    Pose,
    PoseBuffer,
    from_roll_pitch_yaw,
    multiply,
    slerp,
)

LEVEL = (0.0, 0.0, 0.0, 1.0)
SECOND = NS_PER_S
angles = st.floats(-math.pi, math.pi)
quaternions = st.builds(from_roll_pitch_yaw, angles, angles, angles)


def buffer_with(fixes=(), attitudes=(), **options):
    buffer = PoseBuffer(**options)
    for seconds, latitude, longitude in fixes:
        buffer.add_fix(round(seconds * SECOND), Fix(latitude, longitude, 500.0, None))
    for seconds, orientation in attitudes:
        buffer.add_attitude(round(seconds * SECOND), orientation)
    return buffer


def at(buffer, seconds):
    return buffer.at(round(seconds * SECOND))


def turn_between(a, b):
    """Angle of the rotation from one attitude to the other [rad]."""
    return 2 * math.acos(min(1.0, abs(sum(p * q for p, q in zip(a, b, strict=True)))))


def test_position_and_altitude_are_mixed_by_time():
    buffer = PoseBuffer()
    buffer.add_fix(10 * SECOND, Fix(46.0, 7.0, 500.0, np.eye(3)))
    buffer.add_fix(10 * SECOND + SECOND // 4, Fix(46.4, 7.8, 504.0, None))
    pose = at(buffer, 10.0625)
    assert isinstance(pose, Pose)
    assert pose.stamp_ns == 10_062_500_000
    assert (pose.latitude_deg, pose.longitude_deg) == (pytest.approx(46.1), pytest.approx(7.2))
    assert pose.altitude_m == pytest.approx(501.0)
    assert pose.position_covariance.tolist() == np.eye(3).tolist()
    assert pose.orientation is None
    assert pose.height_m is None


def test_a_stamp_with_a_sample_of_its_own_takes_that_sample():
    buffer = buffer_with([(1.0, 10.0, 20.0), (1.2, 11.0, 21.0), (1.4, 12.0, 22.0)])
    pose = at(buffer, 1.2)
    assert (pose.latitude_deg, pose.longitude_deg) == (11.0, pytest.approx(21.0))


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        (179.9, -179.9, -180.0),
        (-179.9, 179.9, -180.0),
        (179.8, -179.6, -179.9),
        (-179.6, 179.8, -179.9),
        (-0.1, 0.1, 0.0),
        (10.0, 20.0, 15.0),
    ],
)
def test_longitudes_take_the_short_way_over_the_date_line(first, second, expected):
    buffer = buffer_with([(0.0, 1.0, first), (0.2, 1.0, second)])
    longitude = at(buffer, 0.1).longitude_deg
    assert abs((longitude - expected + 180.0) % 360.0 - 180.0) < 1e-9
    assert -180.0 <= longitude <= 180.0


@settings(max_examples=60, deadline=None)
@given(st.floats(-180, 180), st.floats(-10, 10), st.floats(0, 1))
def test_an_interpolated_longitude_lies_between_its_neighbours(start, turn, weight):
    end = (start + turn + 180.0) % 360.0 - 180.0
    buffer = buffer_with([(0.0, 0.0, start), (0.4, 0.0, end)])
    longitude = buffer.at(round(weight * 0.4 * SECOND)).longitude_deg
    moved = (longitude - start + 180.0) % 360.0 - 180.0
    assert moved == pytest.approx(turn * weight, abs=1e-6)


@pytest.mark.parametrize(
    ('fixes', 'seconds', 'reason'),
    [
        ([], 1.0, 'position never received'),
        ([(2.0, 0, 0)], 1.0, 'position starts 1.00 s after the image'),
        ([(2.0, 0, 0)], 2.75, 'position stale by 0.75 s'),
        (
            [(2.0, 0, 0), (3.25, 0, 0)],
            2.5,
            'position has a gap of 1.25 s around the image',
        ),
    ],
)
def test_without_a_position_at_the_stamp_there_is_a_reason(fixes, seconds, reason):
    assert at(buffer_with(fixes), seconds) == NoPose(reason)


def test_the_last_position_serves_as_long_as_it_is_fresh():
    buffer = buffer_with([(2.0, 46.0, 7.0)], max_gap_s=0.3)
    assert at(buffer, 2.3).latitude_deg == 46.0
    assert at(buffer, 2.31) == NoPose('position stale by 0.31 s')


def test_old_samples_make_room_for_new_ones():
    buffer = buffer_with([(i / 10, i / 10, 0.0) for i in range(20)], size=5)
    assert at(buffer, 1.85).latitude_deg == pytest.approx(1.85)
    assert at(buffer, 1.0) == NoPose('position starts 0.50 s after the image')


def test_a_stale_attitude_leaves_the_position():
    buffer = buffer_with([(1.0, 46.0, 7.0)], [(0.0, LEVEL)])
    pose = at(buffer, 1.0)
    assert (pose.latitude_deg, pose.orientation) == (46.0, None)


def test_the_mount_turns_the_body_attitude_into_the_camera_attitude():
    buffer = buffer_with([(1.0, 0, 0)], [(1.0, LEVEL)], mount=(0.5, 0.5, 0.5, 0.5))
    assert at(buffer, 1.0).orientation == pytest.approx((0.5, 0.5, 0.5, 0.5))


def test_a_gimbal_goes_before_body_and_mount_while_it_is_fresh():
    buffer = buffer_with([(1.0, 0, 0), (1.4, 0, 0), (1.8, 0, 0)], [(1.0, LEVEL), (1.8, LEVEL)])
    buffer.add_gimbal(SECOND, (0.0, 1.0, 0.0, 0.0))
    assert at(buffer, 1.0).orientation == pytest.approx((0.0, 1.0, 0.0, 0.0))
    assert at(buffer, 1.8).orientation == pytest.approx(NADIR_MOUNT)


def test_the_nearest_height_is_taken_if_it_is_near():
    buffer = buffer_with([(1.0, 0, 0), (1.4, 0, 0), (3.0, 0, 0)])
    buffer.add_height(SECOND, 50.0)
    buffer.add_height(round(1.3 * SECOND), 60.0)
    assert at(buffer, 1.1).height_m == 50.0
    assert at(buffer, 1.2).height_m == 60.0
    assert at(buffer, 3.0).height_m is None


@pytest.mark.parametrize(
    ('add', 'sample', 'source'),
    [
        ('add_fix', Fix(math.nan, 7.0, 0.0, None), 'fix'),
        ('add_fix', Fix(46.0, math.nan, 0.0, None), 'fix'),
        ('add_fix', Fix(46.0, 7.0, math.nan, None), 'fix'),
        ('add_fix', Fix(46.0, 7.0, math.inf, None), 'fix'),
        ('add_fix', Fix(90.5, 7.0, 0.0, None), 'fix'),
        ('add_fix', Fix(46.0, -180.5, 0.0, None), 'fix'),
        ('add_attitude', (0.0, 0.0, 0.0, 0.0), 'imu'),
        ('add_attitude', (math.nan, 0.0, 0.0, 1.0), 'imu'),
        ('add_attitude', (0.0, 0.0, 0.0, 1.2), 'imu'),
        ('add_gimbal', (0.0, math.inf, 0.0, 1.0), 'gimbal'),
        ('add_height', math.nan, 'height'),
        ('add_height', -math.inf, 'height'),
    ],
)
def test_samples_that_cannot_be_are_left_out_and_counted(add, sample, source):
    buffer = PoseBuffer()
    getattr(buffer, add)(SECOND, sample)
    assert buffer.unusual == {f'{source}_invalid': 1}
    assert at(buffer, 1.0) == NoPose('position never received')


def test_samples_that_are_not_newer_are_left_out_and_counted():
    buffer = buffer_with([(1.0, 10.0, 0.0), (1.2, 20.0, 0.0)])
    buffer.add_fix(round(1.2 * SECOND), Fix(30.0, 0.0, 0.0, None))
    buffer.add_fix(round(1.1 * SECOND), Fix(30.0, 0.0, 0.0, None))
    assert buffer.unusual == {'fix_not_newer': 2}
    assert at(buffer, 1.1).latitude_deg == pytest.approx(15.0)


def test_a_clock_that_jumps_back_clears_what_was_before():
    buffer = buffer_with([(100.0, 10.0, 0.0), (100.2, 20.0, 0.0)])
    buffer.add_fix(5 * SECOND, Fix(30.0, 0.0, 0.0, None))
    assert buffer.unusual == {'fix_time_jump': 1}
    assert at(buffer, 5.0).latitude_deg == 30.0
    assert at(buffer, 100.1) == NoPose('position stale by 95.10 s')


def test_clearing_forgets_all_sources():
    buffer = buffer_with([(1.0, 0, 0)], [(1.0, LEVEL)])
    buffer.clear()
    assert at(buffer, 1.0) == NoPose('position never received')


def test_waiting_ends_when_all_living_sources_have_reached_the_stamp():
    buffer = buffer_with([(1.0, 0, 0)], [(1.0, LEVEL)])
    assert buffer.wait_for(SECOND, 0.0)
    assert not buffer.wait_for(2 * SECOND, 0.0)
    buffer.add_fix(2 * SECOND, Fix(0.0, 0.0, 0.0, None))
    assert not buffer.wait_for(2 * SECOND, 0.0)
    later = threading.Timer(0.01, buffer.add_attitude, (2 * SECOND, LEVEL))
    later.start()
    assert buffer.wait_for(2 * SECOND, 20.0)
    later.join()


def test_waiting_is_not_held_up_by_sources_that_never_spoke_or_fell_silent():
    assert PoseBuffer().wait_for(SECOND, 0.0)
    buffer = buffer_with([(100.0, 0, 0)], [(1.0, LEVEL)])
    assert buffer.wait_for(100 * SECOND, 0.0)


def axis(orientation, vector):
    """Return a camera direction in east, north, up."""
    return rotation_matrix(orientation) @ np.array(vector, float)


@pytest.mark.parametrize(
    ('yaw_deg', 'heading'),
    [
        (0.0, (1, 0, 0)),  # REP-103: yaw 0 is east
        (90.0, (0, 1, 0)),
        (180.0, (-1, 0, 0)),
        (-90.0, (0, -1, 0)),
    ],
)
def test_a_nadir_camera_has_the_image_top_towards_the_nose(yaw_deg, heading):
    attitude = from_roll_pitch_yaw(0.0, 0.0, math.radians(yaw_deg))
    pose = at(buffer_with([(1.0, 0, 0)], [(1.0, attitude)]), 1.0)
    up_in_image, right_in_image, view = (0, -1, 0), (1, 0, 0), (0, 0, 1)
    assert axis(pose.orientation, up_in_image) == pytest.approx(heading, abs=1e-12)
    assert axis(pose.orientation, view) == pytest.approx((0, 0, -1), abs=1e-12)
    east, north, _ = heading
    assert axis(pose.orientation, right_in_image) == pytest.approx((north, -east, 0), abs=1e-12)


def test_a_nose_that_dips_turns_the_view_backwards():
    # Pitch is positive nose down about the left axis; the belly then looks behind.
    attitude = multiply(from_roll_pitch_yaw(0.0, math.radians(10.0), 0.0), NADIR_MOUNT)
    east, north, up = axis(attitude, (0, 0, 1))
    assert east == pytest.approx(-math.sin(math.radians(10.0)))
    assert (north, up) == (pytest.approx(0.0), pytest.approx(-math.cos(math.radians(10.0))))


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


def test_attitudes_are_interpolated_between_samples():
    east, north = LEVEL, from_roll_pitch_yaw(0.0, 0.0, math.pi / 2)
    buffer = buffer_with([(1.0, 0, 0), (1.4, 0, 0)], [(1.0, east), (1.4, north)])
    nose = axis(at(buffer, 1.1).orientation, (0, -1, 0))
    assert math.degrees(math.atan2(nose[1], nose[0])) == pytest.approx(22.5)


def test_threads_may_add_and_ask_at_once():
    buffer = PoseBuffer(size=64)
    wrong = []

    def add():
        for i in range(500):
            buffer.add_fix(i * SECOND // 100, Fix(i / 100, i / 100, 0.0, None))

    def ask():
        for i in range(500):
            pose = buffer.at(i * SECOND // 100)
            if isinstance(pose, Pose) and abs(pose.latitude_deg - pose.longitude_deg) > 1e-9:
                wrong.append(pose)

    threads = [threading.Thread(target=add), *(threading.Thread(target=ask) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
