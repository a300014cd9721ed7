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

from recordings import MAKER, STORE, frames, record

from flights import START, entries, tag
from rs_onboard.cli.replay.feed import Feed
from rs_onboard.geo.rotation import from_roll_pitch_yaw, rotation_matrix
from rs_onboard.nodes.parameters import specs
from rs_onboard.nodes.record_topics import recorded_topics, remembered
from rs_onboard.nodes.recorder_settings import RecorderSettings
from rs_onboard.nodes.settings import TilerSettings
from rs_onboard.recording.disk_budget import DiskBudget, DiskLimits
from rs_onboard.recording.ledger import Ledger
from rs_onboard.recording.recorder import Recorder
from rs_onboard.recording.records import Topic
from rs_onboard.recording.terms import RecordOptions, Trigger
from rs_onboard.replay.alarms import Alarms
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topic_choice import choose_topics
from rs_onboard.replay.topics import CAMERA_INFO, IMU, TF_MESSAGE, TOPICS

# A camera that looks ahead, told in two steps by two broadcasters.
TOLD = [
    ('/tf_static', TF_MESSAGE, frames(('base_link', 'camera', (0, 0, 0), (0, 0, 0, 1))), START),
    (
        '/tf_static',
        TF_MESSAGE,
        frames(('camera', 'camera_optical', (0.3, 0, 0), (-0.5, 0.5, -0.5, 0.5))),
        START,
    ),
]


def frames_of(path, **changes):
    with Bag(path) as bag:
        defaults = {spec.name: str(spec.default) for spec in specs(TilerSettings)}
        choice = choose_topics(bag, changes, defaults)
        feed = Feed(bag, choice, TilerSettings(**changes), Alarms())
        return [item.frame for item in feed.frames()]


def without_gimbal(count, *, turning):
    """Return a flight without a gimbal, its nose to the north at first."""
    found = [item for item in entries(count) if item[0] != TOPICS.gimbal]
    for number in range(count):
        stamp = START + number * 500_000_000
        found.append((TOPICS.imu, IMU, MAKER.imu(stamp, tag(number if turning else 0)), stamp))
    return found


@pytest.fixture
def flown():
    """Return a flight without a gimbal, its nose to the north."""
    return without_gimbal(4, turning=False)


def events_of(flight, folder):
    """Record two events late in a flight, as the recorder node does; returns the files."""
    folder.mkdir()
    kinds = {topic: kind for topic, kind, *_ in flight}
    settings = RecorderSettings(camera_mount_from_tf=True, groups=['images', 'pose'])
    remember = {f'/{x.topic.lstrip("/")}': remembered(x) for x in recorded_topics(settings)}
    topics = [
        Topic(name, kind, STORE.generate_msgdef(kind)[0], remember=remember.get(name))
        for name, kind in kinds.items()
    ]
    options = RecordOptions(before_s=1.0, after_s=1.0)
    recorder = Recorder(options, topics, DiskBudget(folder, DiskLimits(10**9, 0.0)), Ledger())
    triggers = [START + round(seconds * 1e9) for seconds in (4.1, 10.1)]
    for topic, kind, message, time in sorted(flight, key=lambda item: item[3]):
        now_s = (time - START) / 1e9
        recorder.tick(now_s)
        if triggers and time > triggers[0]:
            recorder.trigger(Trigger('service', 'asked for'), triggers.pop(0), now_s)
        cdr = bytes(STORE.serialize_cdr(message, kind))
        recorder.take(list(kinds).index(topic) + 1, time, cdr, now_s)
    recorder.close(1e3)
    return sorted(folder.iterdir())


def test_the_mount_of_a_recorded_flight_is_that_of_its_static_frames(tmp_path, flown):
    path = record(tmp_path / 'flight', [*TOLD, *flown])
    *_, frame = frames_of(path, camera_mount_from_tf=True)
    axes = rotation_matrix(frame.pose.orientation)
    assert axes[:, 2] == pytest.approx((0.0, 1.0, 0.0), abs=1e-6)
    assert -axes[:, 1] == pytest.approx((0.0, 0.0, 1.0), abs=1e-6)
    *_, down = frames_of(path)
    assert rotation_matrix(down.pose.orientation)[:, 2] == pytest.approx((0, 0, -1), abs=1e-6)


def test_a_recording_triggered_later_has_the_geometry_of_its_flight(tmp_path):
    flight = without_gimbal(24, turning=True)
    # Intrinsics are told once, like the static frames.
    once = next(item for item in flight if item[1] == CAMERA_INFO)
    flight = [*TOLD, once, *(item for item in flight if item[1] != CAMERA_INFO)]
    live = {
        frame.header.stamp_ns: frame
        for frame in frames_of(record(tmp_path / 'flight', flight), camera_mount_from_tf=True)
    }
    assert len(live) == 24
    paths = events_of(flight, tmp_path / 'recordings')
    assert len(paths) == 2
    for path in paths:
        found = frames_of(path, camera_mount_from_tf=True)
        assert 4 <= len(found) <= 8
        assert found[0].header.stamp_ns > START
        for frame in found:
            flown = live[frame.header.stamp_ns]
            assert frame.camera == flown.camera is not None
            assert frame.pose.orientation == flown.pose.orientation is not None
            assert frame.pose.latitude_deg == flown.pose.latitude_deg
            assert frame.pose.longitude_deg == flown.pose.longitude_deg


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
