# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics belong to a recording, how they are heard, and what of them every file has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.qos import QoSProfile

from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import LATCHED_QOS, sensor_qos
from rs_onboard.nodes.tf_static import STATIC_FRAMES_QOS, TF_MESSAGE
from rs_onboard.nodes.topics import COMPRESSED_IMAGE, IMAGE, TopicInfo, all_topics
from rs_onboard.nodes.transforms import merged_transforms
from rs_onboard.recording.memory import newest

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.nodes.recorder_settings import RecorderSettings

MEANING = 'Input, as it arrives.'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
GIMBAL_TYPES = {
    'quaternion': 'geometry_msgs/msg/QuaternionStamped',
    'angles': 'geometry_msgs/msg/Vector3Stamped',
}

# Deeper than what nodes exchange: a recorder wants all of them, not the newest. Images are large,
# and the middleware keeps as many in memory.
RECORD_DEPTH, IMAGE_DEPTH = 50, 5


def recorded_topics(settings: RecorderSettings) -> tuple[TopicInfo, ...]:
    """Return the topics of the groups that the settings name, each once."""
    results = [item for item in all_topics(tuple(settings.tasks)) if item.result]
    groups = {
        'results': [x for x in results if x.type_name not in {IMAGE, COMPRESSED_IMAGE}],
        'masks': [x for x in results if x.type_name == IMAGE],
        'overlay': [x for x in results if x.type_name == COMPRESSED_IMAGE],
        'images': _images(settings),
        'pose': _pose(settings),
    }
    found = [item for name in groups if name in settings.groups for item in groups[name]]
    return tuple({item.topic: item for item in found}.values())


def subscription_qos(item: TopicInfo) -> QoSProfile:
    """Ask for what the publisher offers at least: sensors best effort, the rest reliable."""
    if item.type_name == TF_MESSAGE:
        return STATIC_FRAMES_QOS
    if item.latched:
        return LATCHED_QOS
    depth = IMAGE_DEPTH if item.type_name in {IMAGE, COMPRESSED_IMAGE} else RECORD_DEPTH
    if item.direction == 'in':
        return sensor_qos(depth)
    return QoSProfile(depth=depth)


def remembered(item: TopicInfo) -> Callable[[bytes | None, bytes], bytes] | None:
    """Return what makes the message of a topic that every file begins with; None for no such.

    Besides what is latched, that is the intrinsics: a camera may tell them once.
    """
    if item.type_name == TF_MESSAGE:
        return merged_transforms
    return newest if item.latched or item.type_name == CAMERA_INFO else None


def _images(settings: RecorderSettings) -> list[TopicInfo]:
    kind = COMPRESSED_IMAGE if settings.is_compressed else IMAGE
    return [
        TopicInfo(settings.transport_topic, kind, 'tiler', 'in', MEANING),
        TopicInfo(settings.camera_info_topic, CAMERA_INFO, 'tiler', 'in', MEANING),
    ]


def _pose(settings: RecorderSettings) -> list[TopicInfo]:
    topics = {
        settings.fix_topic: 'sensor_msgs/msg/NavSatFix',
        settings.imu_topic: 'sensor_msgs/msg/Imu',
        settings.gimbal_topic: GIMBAL_TYPES[settings.gimbal_message],
        settings.height_topic: 'std_msgs/msg/Float64',
    }
    found = [TopicInfo(topic, kind, 'tiler', 'in', MEANING) for topic, kind in topics.items()]
    if settings.camera_mount_from_tf:
        frames = TopicInfo(names.TF_STATIC, TF_MESSAGE, 'tiler', 'in', MEANING, latched=True)
        found.append(frames)
    return found
