# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with images and pose is named: events once each, states while they last."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from rs_onboard.health.states import State
from rs_onboard.nodes.frame_alarms import FROZEN_AFTER, FrameAlarms
from rs_onboard.perception.frame import Frame, FrameHeader

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')


class Maker:
    """Stands in for the maker of frames."""

    def __init__(self):
        self.events, self.time_jumps, self.unfit = Counter(), 0, ''
        self.poses = SimpleNamespace(unusual=Counter())


@pytest.fixture
def told():
    return []


@pytest.fixture
def maker():
    return Maker()


@pytest.fixture
def alarms(maker, told):
    return FrameAlarms(maker, lambda cause, text: told.append((cause, text)))


def frame(seed=None, *, pose='pose', reason=''):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (40, 60, 3), np.uint8)
    header = FrameHeader(0, 'camera', 0, 40, 60)
    return Frame(header, image, None, pose, reason)


def test_a_good_image_raises_nothing(alarms, told):
    for _ in range(2 * FROZEN_AFTER):
        alarms.take(frame(), live=True)
    assert alarms.findings() == []
    assert told == []


def test_the_same_image_again_and_again_is_a_frozen_camera_until_another_comes(alarms):
    for _ in range(FROZEN_AFTER - 1):
        alarms.take(frame(3), live=True)
    assert alarms.findings() == []
    alarms.take(frame(3), live=True)
    (finding,) = alarms.findings()
    assert (finding.cause, finding.state) == ('frozen_image', State.STALE)
    assert f'{FROZEN_AFTER} times in a row' in finding.text
    alarms.take(frame(4), live=True)
    assert alarms.findings() == []


def test_images_of_our_own_camera_node_are_not_compared_again(alarms):
    for _ in range(2 * FROZEN_AFTER):
        alarms.take(frame(3), live=False)
    assert alarms.findings() == []


def test_a_drop_is_told_by_its_name_with_what_is_wrong(alarms, maker, told):
    maker.unfit = 'image_raw: too short'
    alarms.take('bad_image', live=True)
    assert told == [('bad_image', 'image_raw: too short')]


def test_a_pose_that_was_never_there_is_no_alarm_and_one_that_is_lost_is(alarms):
    alarms.take(frame(pose=None, reason='fix never received'), live=True)
    assert alarms.findings() == []
    alarms.take(frame(), live=True)
    alarms.take(frame(pose=None, reason='fix stale by 2.00 s'), live=True)
    (finding,) = alarms.findings()
    assert finding.cause == 'no_pose'
    assert 'fix stale by 2.00 s' in finding.text
    alarms.take(frame(), live=True)
    assert alarms.findings() == []


@pytest.mark.parametrize(
    ('counter', 'cause'),
    [
        ('fix_invalid', 'bad_pose'),
        ('attitude_jump', 'pose_jump'),
        ('fix_time_jump', 'time_jump'),
        ('fix_not_newer', None),
    ],
)
def test_what_is_counted_of_the_pose_is_told_when_it_happens(alarms, maker, told, counter, cause):
    maker.poses.unusual[counter] = 3
    alarms.take(frame(), live=True)
    alarms.take(frame(), live=True)
    maker.poses.unusual[counter] = 4
    alarms.take(frame(), live=True)
    assert [found for found, _ in told] == ([] if cause is None else [cause] * 2)
    if cause is not None:
        assert '3 so far' in told[0][1]


def test_a_jump_of_images_and_other_messages_are_told_too(alarms, maker, told):
    maker.time_jumps = 1
    maker.events.update(['pose.no_fix', 'bad_camera_info', 'pose.imu_without_attitude'])
    alarms.take(frame(), live=True)
    causes = ['time_jump', 'no_fix', 'bad_camera_info', 'bad_pose']
    assert [cause for cause, _ in told] == causes


def test_what_was_counted_before_is_not_told(maker, told):
    maker.time_jumps = 5
    FrameAlarms(maker, lambda *item: told.append(item)).take(frame(), live=True)
    assert told == []
