# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics belong to a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.nodes.topics import COMPRESSED_IMAGE, IMAGE, TopicInfo, all_topics

if TYPE_CHECKING:
    from rs_onboard.nodes.recorder_settings import RecorderSettings

MEANING = 'Input, as it arrives.'


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


def _images(settings: RecorderSettings) -> list[TopicInfo]:
    topic, kind = settings.image_topic, IMAGE
    if settings.image_transport == 'compressed':
        topic, kind = f'{topic}/compressed', COMPRESSED_IMAGE
    camera_info = settings.camera_info_topic
    return [
        TopicInfo(topic, kind, 'tiler', 'in', MEANING),
        TopicInfo(camera_info, 'sensor_msgs/msg/CameraInfo', 'tiler', 'in', MEANING),
    ]


def _pose(settings: RecorderSettings) -> list[TopicInfo]:
    topics = {
        settings.fix_topic: 'sensor_msgs/msg/NavSatFix',
        settings.imu_topic: 'sensor_msgs/msg/Imu',
        settings.gimbal_topic: 'geometry_msgs/msg/QuaternionStamped',
        settings.height_topic: 'std_msgs/msg/Float64',
    }
    return [TopicInfo(topic, kind, 'tiler', 'in', MEANING) for topic, kind in topics.items()]
