# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How the results of each task are written as messages: for publishers and for bags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image, NavSatFix
from vision_msgs.msg import Classification, Detection2DArray
from visualization_msgs.msg import ImageMarker

from rs_onboard.nodes import names
from rs_onboard.nodes.change_messages import (
    change_mask_message,
    outlines_message,
    position_message,
    regions_message,
    registration_message,
)
from rs_onboard.nodes.detection_messages import corners_message, detections_message
from rs_onboard.nodes.image_messages import mono8_message
from rs_onboard.nodes.result_messages import (
    classification_message,
    report_message,
    scene_tiles_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.inference.card import TaskName


class ResultTopic(NamedTuple):
    """One topic of a result: its name, message type, and how the result is written as one."""

    topic: str
    message_type: type
    convert: Callable[[Any], Any]


# Besides the report, which every task has.
RESULT_TOPICS: Mapping[TaskName, tuple[ResultTopic, ...]] = {
    'scene': (
        ResultTopic(names.SCENE, Classification, classification_message),
        ResultTopic(names.SCENE_TILES, Detection2DArray, scene_tiles_message),
    ),
    'detection': (
        ResultTopic(names.DETECTIONS, Detection2DArray, detections_message),
        ResultTopic(names.DETECTION_CORNERS, ImageMarker, corners_message),
    ),
    'segmentation': (
        ResultTopic(names.SEGMENTATION, Image, lambda r: mono8_message(r.header, r.labels)),
        ResultTopic(names.CONFIDENCE, Image, lambda r: mono8_message(r.header, r.confidence)),
    ),
    'change': (
        ResultTopic(names.CHANGE_MASK, Image, change_mask_message),
        ResultTopic(names.CHANGE_REGIONS, Detection2DArray, regions_message),
        ResultTopic(names.CHANGE_OUTLINES, ImageMarker, outlines_message),
        ResultTopic(names.CHANGE_REGISTRATION, DiagnosticArray, registration_message),
        ResultTopic(names.CHANGE_FIX, NavSatFix, position_message),
    ),
}


def report_topic(task: TaskName) -> ResultTopic:
    """Return the topic of a task's report."""
    return ResultTopic(
        names.report(task), DiagnosticArray, lambda r: report_message(r.header, r.report)
    )
