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

from rs_onboard.geo.covariance import Accuracy
from rs_onboard.geo.pose import NoPose, Pose
from rs_onboard.geo.pose_buffer import Fix, Mount, PoseBuffer
from rs_onboard.geo.ring import NS_PER_S
from rs_onboard.geo.rotation import (
    NADIR_MOUNT,
    from_roll_pitch_yaw,
    multiply,
    rotation_matrix,
)
from rs_onboard.geo.wgs84 import wgs84_to_offset

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


def test_position_and_altitude_are_mixed_by_time():
    buffer = PoseBuffer()
    buffer.add_fix(10 * SECOND, Fix(46.0, 7.0, 500.0, np.eye(3)))
    buffer.add_fix(10 * SECOND + SECOND // 4, Fix(46.4, 7.8, 504.0, 5 * np.eye(3)))
    pose = at(buffer, 10.0625)
    assert isinstance(pose, Pose)
    assert pose.stamp_ns == 10_062_500_000
    assert (pose.latitude_deg, pose.longitude_deg) == (pytest.approx(46.1), pytest.approx(7.2))
    assert pose.altitude_m == pytest.approx(501.0)
    assert pose.position_covariance == pytest.approx(2 * np.eye(3))
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
    buffer = buffer_with([(1.0, 0, 0)], [(1.0, LEVEL)], mount=Mount((0.5, 0.5, 0.5, 0.5)))
    assert at(buffer, 1.0).orientation == pytest.approx((0.5, 0.5, 0.5, 0.5))


def test_a_gimbal_goes_before_body_and_mount_and_nothing_stands_in_for_it():
    buffer = buffer_with([(1.0, 0, 0), (1.4, 0, 0), (1.8, 0, 0)], [(1.0, LEVEL), (1.8, LEVEL)])
    assert at(buffer, 1.0).orientation == pytest.approx(NADIR_MOUNT)
    buffer.add_gimbal(SECOND, (0.0, 1.0, 0.0, 0.0))
    assert at(buffer, 1.0).orientation == pytest.approx((0.0, 1.0, 0.0, 0.0))
    later = at(buffer, 1.8)
    assert later.orientation is None
    assert later.unknown == 'gimbal stale by 0.80 s; height never received'
    buffer.clear()
    buffer.add_fix(2 * SECOND, Fix(0.0, 0.0, 0.0, None))
    buffer.add_attitude(2 * SECOND, LEVEL)
    assert at(buffer, 2.0).unknown == 'gimbal never received; height never received'


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
    refused = ', the last one was refused: ' if source == 'fix' else ''
    assert at(buffer, 1.0).reason.startswith(f'position never received{refused}')


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


def test_attitudes_are_interpolated_between_samples():
    east, north = LEVEL, from_roll_pitch_yaw(0.0, 0.0, math.pi / 2)
    buffer = buffer_with([(1.0, 0, 0), (1.4, 0, 0)], [(1.0, east), (1.4, north)])
    nose = axis(at(buffer, 1.1).orientation, (0, -1, 0))
    assert math.degrees(math.atan2(nose[1], nose[0])) == pytest.approx(22.5)


def covariance(*sigmas):
    return np.diag(np.square(np.array(sigmas, float)))


def test_covariances_are_carried_and_mixed_but_never_made_better():
    buffer = PoseBuffer()
    for second, sigma in ((1.0, 1.0), (1.4, 3.0)):
        stamp = round(second * SECOND)
        buffer.add_fix(stamp, Fix(46.0, 7.0, 500.0, covariance(sigma, sigma, 2 * sigma)))
        buffer.add_attitude(stamp, LEVEL, covariance(0.01 * sigma, 0.02, 0.1))
    pose = at(buffer, 1.1)
    assert np.diag(pose.position_covariance) == pytest.approx((3.0, 3.0, 12.0))
    assert np.diag(pose.orientation_covariance) == pytest.approx((3e-4, 4e-4, 1e-2))
    assert pose.assumed == ()


def test_a_position_that_is_held_grows_unsure_as_fast_as_it_moved():
    buffer = PoseBuffer()
    for second in (1.0, 1.2):
        # 111.3 km a degree at the equator: 20 m/s.
        fix = Fix(0.0, second * 20 / 111_319.5, 500.0, covariance(1.0, 1.0, 1.0))
        buffer.add_fix(round(second * SECOND), fix)
    assert np.diag(at(buffer, 1.15).position_covariance) == pytest.approx(np.ones(3))
    assert np.diag(at(buffer, 1.5).position_covariance) == pytest.approx(37 * np.ones(3), rel=1e-4)


@pytest.mark.parametrize(
    'matrix',
    [
        None,
        np.zeros((3, 3)),
        covariance(1.0, 0.0, 1.0),
        np.diag([1.0, -1.0, 1.0]),
        np.diag([1.0, math.nan, 1.0]),
        np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        covariance(1.0, 1.0, 2e4),
    ],
)
def test_what_is_no_covariance_counts_as_unknown_and_what_is_assumed_is_said(matrix):
    accuracy = Accuracy(
        position_m=2.0,
        altitude_m=4.0,
        height_m=5.0,
        tilt_rad=0.02,
        heading_rad=0.1,
        mount_rad=0.01,
    )
    for chosen, expected in ((Accuracy(), None), (accuracy, (4.0, 4.0, 16.0))):
        buffer = PoseBuffer(accuracy=chosen)
        buffer.add_fix(SECOND, Fix(46.0, 7.0, 500.0, matrix))
        # MAVROS says 1 rad where nobody told it better.
        buffer.add_attitude(SECOND, LEVEL, np.eye(3))
        buffer.add_height(SECOND, 80.0)
        pose = at(buffer, 1.0)
        if expected is None:
            assert (pose.position_covariance, pose.orientation_covariance) == (None, None)
            assert (pose.height_sigma_m, pose.assumed) == (None, ())
        else:
            assert np.diag(pose.position_covariance) == pytest.approx(expected)
            assert np.diag(pose.orientation_covariance) == pytest.approx((5e-4, 5e-4, 0.0101))
            assert pose.height_sigma_m == 5.0
            assert pose.assumed == ('position', 'attitude', 'height')


def test_a_position_that_jumps_is_believed_on_neither_side_for_a_while():
    buffer = PoseBuffer(max_speed_mps=50.0)
    for second in range(12):
        east = 0.001 if second in {4, 5} else 0.0
        buffer.add_fix(second * SECOND // 5, Fix(0.0, east, 100.0, None))
    assert buffer.unusual == {'fix_jump': 2}
    assert isinstance(at(buffer, 0.6), Pose)
    for seconds in (0.61, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3, 1.7):
        assert at(buffer, seconds).reason.startswith('position jumped by 111 m in 0.20 s')
    assert isinstance(at(buffer, 1.71), Pose)


def test_positions_of_a_fast_flight_and_of_a_receiver_that_gets_its_corrections_do_not_jump():
    buffer = PoseBuffer(max_speed_mps=60.0)
    for second in range(20):
        buffer.add_fix(second * SECOND // 5, Fix(0.0, second * 11.0 / 111_319.5, 100.0, None))
    buffer.add_fix(21 * SECOND // 5, Fix(0.0, 19 * 11.0 / 111_319.5, 108.0, None))
    assert buffer.unusual == {}


def test_attitudes_and_heights_that_jump_are_unknown_with_the_reason():
    buffer = PoseBuffer(max_speed_mps=20.0, max_turn_radps=math.radians(360))
    flipped = from_roll_pitch_yaw(math.pi, 0.0, 0.0)
    for second, turn, height in ((1.0, LEVEL, 80.0), (1.2, flipped, 150.0), (1.4, flipped, 150.0)):
        stamp = round(second * SECOND)
        buffer.add_fix(stamp, Fix(0.0, 0.0, 100.0, None))
        buffer.add_attitude(stamp, turn)
        buffer.add_height(stamp, height)
    pose = at(buffer, 1.3)
    assert (pose.orientation, pose.height_m) == (None, None)
    assert pose.unknown == (
        'attitude jumped by 3.14 rad in 0.20 s; height jumped by 70 m in 0.20 s'
    )


@settings(max_examples=60, deadline=None)
@given(angles, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), quaternions)
def test_a_gimbal_without_yaw_lock_turns_with_the_nose_and_stays_level(yaw, roll, pitch, gimbal):
    body = from_roll_pitch_yaw(roll, pitch, yaw)
    buffer = buffer_with([(1.0, 0, 0)], [(1.0, body)], gimbal_yaw_lock=False)
    buffer.add_gimbal(SECOND, gimbal)
    expected = multiply(from_roll_pitch_yaw(0.0, 0.0, yaw), gimbal)
    found = at(buffer, 1.0).orientation
    assert rotation_matrix(found) == pytest.approx(rotation_matrix(expected), abs=1e-9)


def test_a_gimbal_without_yaw_lock_has_the_doubt_of_the_heading():
    buffer = PoseBuffer(gimbal_yaw_lock=False)
    buffer.add_fix(SECOND, Fix(0.0, 0.0, 100.0, None))
    north = from_roll_pitch_yaw(0.0, 0.0, math.pi / 2)
    buffer.add_gimbal(SECOND, LEVEL, covariance(0.01, 0.02, 0.03))
    assert at(buffer, 1.0).unknown.startswith('gimbal yaw counts from the nose, and attitude never')
    buffer.add_attitude(SECOND, north, covariance(0.3, 0.3, 0.1))
    found = at(buffer, 1.0).orientation_covariance
    assert np.diag(found) == pytest.approx((4e-4, 1e-4, 9e-4 + 1e-2))


def test_a_gimbal_that_counts_from_a_nose_pointing_up_has_no_yaw():
    buffer = buffer_with([(1.0, 0, 0)], gimbal_yaw_lock=False)
    buffer.add_attitude(SECOND, from_roll_pitch_yaw(0.0, -math.pi / 2, 0.0))
    buffer.add_gimbal(SECOND, LEVEL)
    assert 'points up or down' in at(buffer, 1.0).unknown


def test_a_gimbal_that_is_required_is_waited_for():
    buffer = buffer_with([(1.0, 0, 0)], [(1.0, LEVEL)], gimbal_required=True)
    assert at(buffer, 1.0).orientation is None
    assert at(buffer, 1.0).unknown.startswith('gimbal never received')


def test_a_camera_away_from_the_antenna_is_where_it_is_in_the_air():
    mount = Mount(place=(2.0, 0.0, -1.0))
    north = from_roll_pitch_yaw(0.0, 0.0, math.pi / 2)
    buffer = buffer_with([(1.0, 0.0, 0.0)], [(1.0, north)], mount=mount)
    buffer.add_height(SECOND, 50.0)
    pose = at(buffer, 1.0)
    moved = wgs84_to_offset(np.array([(pose.longitude_deg, pose.latitude_deg)]), 0.0, 0.0)
    assert moved[0] == pytest.approx((0.0, 2.0), abs=1e-6)
    assert (pose.altitude_m, pose.height_m) == (pytest.approx(499.0), pytest.approx(49.0))


def test_a_mount_that_is_not_known_yet_is_the_reason():
    buffer = buffer_with([(1.0, 0, 0)], [(1.0, LEVEL)], mount='no transform heard')
    assert at(buffer, 1.0).unknown.startswith('no transform heard')
    buffer.set_mount(Mount())
    assert at(buffer, 1.0).orientation == pytest.approx(NADIR_MOUNT)


def test_what_a_source_sends_instead_of_samples_is_part_of_the_reason():
    buffer = buffer_with([(1.0, 0, 0)])
    buffer.refuse('fix', 'the receiver reports no fix (status -1)')
    reason = 'position stale by 2.00 s, the receiver reports no fix (status -1)'
    assert at(buffer, 3.0) == NoPose(reason)
    buffer.add_fix(3 * SECOND, Fix(0.0, 0.0, 0.0, None))
    assert at(buffer, 4.0) == NoPose('position stale by 1.00 s')


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
