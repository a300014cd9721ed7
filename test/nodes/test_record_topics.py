# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is recorded is what the graph takes, of the type it takes it in."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from rs_onboard.nodes.record_topics import recorded_topics, remembered, subscription_qos
from rs_onboard.nodes.recorder_settings import GROUPS, RecorderSettings
from rs_onboard.nodes.transforms import merged_transforms
from rs_onboard.recording.memory import newest


def topics(**changes):
    found = recorded_topics(RecorderSettings(groups=list(GROUPS), **changes))
    return {item.topic: item for item in found}


@pytest.mark.parametrize(
    ('message', 'kind'), [('quaternion', 'QuaternionStamped'), ('angles', 'Vector3Stamped')]
)
def test_a_gimbal_is_recorded_in_the_type_that_it_sends(message, kind):
    found = topics(gimbal_message=message, gimbal_topic='mount')
    assert found['mount'].type_name == f'geometry_msgs/msg/{kind}'


def test_static_frames_are_recorded_where_the_graph_takes_its_mount_from_them():
    assert '/tf_static' not in topics()
    frames = topics(camera_mount_from_tf=True)['/tf_static']
    assert frames.type_name == 'tf2_msgs/msg/TFMessage'
    assert frames.latched
    qos = subscription_qos(frames)
    assert qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    # Every broadcaster latches a message of its own.
    assert qos.depth == 100


def test_every_file_begins_with_static_frames_intrinsics_and_what_is_latched():
    found = topics(camera_mount_from_tf=True)
    assert remembered(found['/tf_static']) is merged_transforms
    assert remembered(found['camera_info']) is newest
    assert remembered(found['scene/label_info']) is newest
    assert remembered(found['image_raw']) is None
    assert remembered(found['mavros/imu/data']) is None


def test_sensors_are_heard_whatever_they_offer():
    found = topics()
    for name in ('image_raw', 'camera_info', 'gimbal/attitude'):
        qos = subscription_qos(found[name])
        assert qos.reliability == ReliabilityPolicy.BEST_EFFORT
        assert qos.durability == DurabilityPolicy.VOLATILE
