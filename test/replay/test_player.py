# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Bags are played at their pace, in rounds whose stamps always rise, with poses in between."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import MAKER, S, number, points, record
from tagged_images import BRIGHTON

from rs_onboard.replay.errors import BagError
from rs_onboard.replay.geotag import Geotag
from rs_onboard.replay.interpolation import METRES_PER_DEGREE
from rs_onboard.replay.player import DEFAULT_FRAME_PERIOD_NS, Player, PlayOptions
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topics import FIX, GIMBAL, IMU, TOPICS
from rs_onboard.replay.writer import BagWriter


class Wait(threading.Event):
    """A stop event and a steady clock on which waiting is instant."""

    def __init__(self):
        super().__init__()
        self.now = 100.0
        self.waited = []

    def wait(self, timeout=None):
        self.waited.append(timeout)
        self.now += timeout
        return self.is_set()

    def clock(self):
        return self.now


def play(path, receive=None, **options):
    wait = Wait()
    found = []
    with Bag(path) as bag:
        player = Player(bag, PlayOptions(**options), stop=wait, clock=wait.clock)
        report = player.play(receive or (lambda x: found.append((wait.now, x))))
    return found, report, wait


def test_messages_come_at_their_times(tmp_path):
    points(tmp_path / 'b', [5, 6, 8.5])
    found, report, _ = play(tmp_path / 'b')
    assert [x for x, _ in found] == [100, 101, 103.5]
    assert (report.messages, report.rounds, report.latest_s, report.stopped) == (3, 1, 0, False)
    found, _, _ = play(tmp_path / 'b', rate=2.0)
    assert [x for x, _ in found] == [100, 100.5, 101.75]


def test_fast_does_not_wait(tmp_path):
    points(tmp_path / 'b', [5, 6, 8.5])
    found, _, wait = play(tmp_path / 'b', fast=True)
    assert len(found) == 3
    assert wait.waited == []


def test_a_slow_receiver_makes_playing_late_not_lossy(tmp_path):
    points(tmp_path / 'b', [0, 1, 2, 3, 10])
    wait = Wait()
    found = []

    def receive(message):
        found.append(message)
        wait.now += 2.5

    with Bag(tmp_path / 'b') as bag:
        report = Player(bag, stop=wait, clock=wait.clock).play(receive)
    assert len(found) == 5
    assert report.latest_s == pytest.approx(4.5)


def test_a_stop_ends_playing_at_once(tmp_path):
    points(tmp_path / 'b', range(100))
    wait = Wait()
    found = []

    def receive(message):
        found.append(message)
        if len(found) == 3:
            wait.set()

    with Bag(tmp_path / 'b') as bag:
        report = Player(bag, PlayOptions(loops=None), stop=wait, clock=wait.clock).play(receive)
    assert (len(found), report.messages, report.stopped) == (3, 3, True)


def test_rounds_go_on_one_frame_after_the_last_image():
    found, report, _ = play(BRIGHTON, fast=True, loops=3)
    images = [x for _, x in found if x.topic == TOPICS.image]
    gaps = {y.stamp_ns - x.stamp_ns for x, y in zip(images[13::14], images[14::14], strict=False)}
    assert gaps == {7 * S}
    assert report.rounds == 3
    assert all(x.stamp_ns == x.log_time_ns for x in images)
    assert images[14].cdr[12:] == images[0].cdr[12:]
    with Bag(BRIGHTON) as bag:
        stamp = bag.decode(images[14]).header.stamp
    assert stamp.sec * S + stamp.nanosec == images[14].stamp_ns


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.integers(0, 50_000), min_size=1, max_size=8),
    st.integers(1, 4),
    st.floats(0, 1e6),
)
def test_stamps_rise_through_all_rounds(tmp_path_factory, times, loops, start):
    path = tmp_path_factory.mktemp('bag') / 'b'
    points(path, [x / 1000 for x in sorted(times)])
    found, _, _ = play(path, fast=True, loops=loops, start_ns=round(start * S))
    stamps = [x.stamp_ns for _, x in found]
    assert stamps[0] == round(start * S)
    assert all(x < y for x, y in pairwise(stamps))
    assert len(stamps) == loops * len(times)


def test_bags_without_images_get_a_default_period(tmp_path):
    points(tmp_path / 'b', [1, 2])
    found, _, _ = play(tmp_path / 'b', fast=True, loops=2)
    assert found[2][1].log_time_ns - found[1][1].log_time_ns == DEFAULT_FRAME_PERIOD_NS


def test_a_duration_limits_endless_rounds(tmp_path):
    points(tmp_path / 'b', [0, 0.9])
    found, report, _ = play(tmp_path / 'b', fast=True, loops=None, duration_s=10)
    assert (len(found), report.rounds) == (20, 11)


def test_recorded_times_can_start_anywhere(tmp_path):
    record(tmp_path / 'b', [('/n', 'std_msgs/msg/Float64', number(1.0), x * S) for x in (3, 4)])
    found, _, _ = play(tmp_path / 'b', start_ns=1000 * S)
    assert [x.log_time_ns // S for _, x in found] == [1000, 1001]
    assert found[0][1].stamp_ns is None


def test_chosen_topics_alone_are_played():
    found, _, _ = play(BRIGHTON, fast=True, topics=(TOPICS.fix,))
    assert {x.topic for _, x in found} == {TOPICS.fix}


def test_poses_between_images_are_in_order_and_lie_between():
    found, _, _ = play(BRIGHTON, fast=True, pose_rate_hz=2.0)
    times = [x.log_time_ns for _, x in found]
    assert times == sorted(times)
    counts = Counter(x.topic for _, x in found)
    # 95 s at 2 Hz and the first; stamps are whole seconds, so all 14 images lie on the grid.
    assert counts[TOPICS.fix] == counts[TOPICS.imu] == counts[TOPICS.gimbal] == 191
    assert counts[TOPICS.rel_alt] == 191
    assert counts[TOPICS.image] == counts[TOPICS.camera_info] == 14
    with Bag(BRIGHTON) as bag:
        fixes = [bag.decode(x) for _, x in found if x.topic == TOPICS.fix]
    assert fixes[7].latitude == pytest.approx((fixes[0].latitude + fixes[14].latitude) / 2)


def test_unknown_poses_are_not_interpolated(tmp_path):
    known, unknown = Geotag(latitude_deg=1.0, longitude_deg=2.0, yaw_deg=0.0), Geotag()
    entries = []
    for second, tag in ((0, known), (10, unknown), (20, known)):
        entries += [
            ('/fix', FIX, MAKER.fix(second * S, tag), second * S),
            ('/imu', IMU, MAKER.imu(second * S, tag), second * S),
        ]
    record(tmp_path / 'b', entries)
    found, _, _ = play(tmp_path / 'b', fast=True, pose_rate_hz=1.0)
    assert len(found) == 6


def test_interpolation_takes_the_short_way_and_owns_up_to_its_error(tmp_path):
    tags = [
        Geotag(
            latitude_deg=0.0,
            longitude_deg=x,
            altitude_m=10.0,
            horizontal_sigma_m=1.0,
            yaw_deg=y,
            gimbal_yaw_deg=y,
            gimbal_pitch_deg=-90.0,
        )
        for x, y in ((179.9995, 170.0), (-179.9995, -170.0))
    ]
    entries = []
    for index, tag in enumerate(tags):
        time = index * 2 * S
        entries += [
            ('/fix', FIX, MAKER.fix(time, tag), time),
            ('/gimbal', GIMBAL, MAKER.gimbal(time, tag), time),
        ]
    record(tmp_path / 'b', entries)
    found, _, _ = play(tmp_path / 'b', fast=True, pose_rate_hz=1.0)
    with Bag(tmp_path / 'b') as bag:
        fix, gimbal = (bag.decode(x) for _, x in found if x.log_time_ns == S)
    assert abs(fix.longitude) == pytest.approx(180)
    half = 1e-3 * METRES_PER_DEGREE / 2
    assert fix.position_covariance[0] == pytest.approx(1 + (half / 2) ** 2)
    south = MAKER.gimbal(0, Geotag(gimbal_yaw_deg=180.0, gimbal_pitch_deg=-90.0)).quaternion
    q = gimbal.quaternion
    same = q.x * south.x + q.y * south.y + q.z * south.z + q.w * south.w
    assert abs(same) == pytest.approx(1)


def test_a_damaged_bag_is_played_as_far_as_it_goes(tmp_path):
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes((BRIGHTON / 'brighton_beach.mcap').read_bytes()[:1_000_000])
    found, report, _ = play(cut, fast=True)
    assert len(found) == 23
    assert 'it ends before its index' in report.damage


def test_wrong_options_and_empty_topics_are_refused(tmp_path):
    for options in ({'rate': 0}, {'loops': 0}, {'duration_s': -1}, {'pose_rate_hz': -1}):
        (name,) = options
        with pytest.raises(BagError, match=f'{name} is .*; allowed: '):
            PlayOptions(**options)
    with BagWriter(tmp_path / 'b') as writer:
        writer.add_topic('/empty', 'std_msgs/msg/Float64')
        writer.write_message('/n', 'std_msgs/msg/Float64', number(1.0), S)
    with pytest.raises(BagError, match='no messages on /empty: nothing to play'):
        play(tmp_path / 'b', topics=('/empty',))
