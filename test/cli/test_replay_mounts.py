# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded flight tells the mount of its camera by /tf_static."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

sys.path.insert(0, str(Path(__file__).parents[1] / 'replay'))

from recordings import MAKER, record

from flights import START, entries, tag
from rs_onboard.cli.replay.feed import Feed
from rs_onboard.geo.rotation import from_roll_pitch_yaw, rotation_matrix
from rs_onboard.nodes.parameters import specs
from rs_onboard.nodes.settings import TilerSettings
from rs_onboard.replay.alarms import Alarms
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topic_choice import choose_topics
from rs_onboard.replay.topics import IMU, TOPICS

TF = 'tf2_msgs/msg/TFMessage'


def static(parent, child, turn):
    """Make a message of /tf_static with one transform."""
    transform = MAKER.make(
        'geometry_msgs/msg/Transform',
        translation=MAKER.make('geometry_msgs/msg/Vector3', x=0.0, y=0.0, z=0.0),
        rotation=MAKER.quaternion(turn),
    )
    item = MAKER.make(
        'geometry_msgs/msg/TransformStamped',
        header=MAKER.header(0, parent),
        child_frame_id=child,
        transform=transform,
    )
    return MAKER.make(TF, transforms=[item])


def frames_of(path, **changes):
    with Bag(path) as bag:
        defaults = {spec.name: str(spec.default) for spec in specs(TilerSettings)}
        choice = choose_topics(bag, changes, defaults)
        feed = Feed(bag, choice, TilerSettings(**changes), Alarms())
        return [item.frame for item in feed.frames()]


@pytest.fixture
def flown():
    """Return a flight without a gimbal, its nose to the north."""
    found = [item for item in entries() if item[0] != TOPICS.gimbal]
    for number in range(4):
        stamp = START + number * 500_000_000
        found.append((TOPICS.imu, IMU, MAKER.imu(stamp, tag(0)), stamp))
    return found


def test_the_mount_of_a_recorded_flight_is_that_of_its_static_frames(tmp_path, flown):
    # A camera that looks ahead, told in two steps by two broadcasters.
    told = [
        ('/tf_static', TF, static('base_link', 'camera', (0.0, 0.0, 0.0, 1.0)), START),
        ('/tf_static', TF, static('camera', 'camera_optical', (-0.5, 0.5, -0.5, 0.5)), START),
    ]
    path = record(tmp_path / 'flight', [*told, *flown])
    *_, frame = frames_of(path, camera_mount_from_tf=True)
    axes = rotation_matrix(frame.pose.orientation)
    assert axes[:, 2] == pytest.approx((0.0, 1.0, 0.0), abs=1e-6)
    assert -axes[:, 1] == pytest.approx((0.0, 0.0, 1.0), abs=1e-6)
    *_, down = frames_of(path)
    assert rotation_matrix(down.pose.orientation)[:, 2] == pytest.approx((0, 0, -1), abs=1e-6)


def test_without_static_frames_there_is_no_attitude_and_the_reason(tmp_path, flown):
    path = record(tmp_path / 'flight', flown)
    *_, frame = frames_of(path, camera_mount_from_tf=True)
    assert frame.pose.orientation is None
    assert 'expected a way to base_link' in frame.pose.unknown


def test_a_mount_by_numbers_turns_the_view(tmp_path, flown):
    path = record(tmp_path / 'flight', flown)
    *_, frame = frames_of(path, camera_mount_rpy_deg='-180 0 -90')
    expected = from_roll_pitch_yaw(-math.pi, 0.0, -math.pi / 2)
    north = from_roll_pitch_yaw(0.0, 0.0, math.pi / 2)
    found = rotation_matrix(frame.pose.orientation)
    np.testing.assert_allclose(found, rotation_matrix(north) @ rotation_matrix(expected), atol=1e-6)
