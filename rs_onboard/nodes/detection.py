# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The detection node: tiles in, oriented boxes of the frame out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vision_msgs.msg import Detection2DArray
from visualization_msgs.msg import ImageMarker

from rs_onboard.nodes import names
from rs_onboard.nodes.detection_messages import corners_message, detections_message
from rs_onboard.nodes.exchange import Writer
from rs_onboard.nodes.parameters import class_numbers
from rs_onboard.nodes.settings import DetectionSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_node import TaskNode
from rs_onboard.perception.detection import DetectionLimits, DetectionTask
from rs_onboard.perception.results import DetectionResult
from rs_onboard.perception.tracking import Tracker

if TYPE_CHECKING:
    from rs_onboard.inference.model import Model


class DetectionNode(TaskNode[DetectionResult]):
    """Finds the objects of every frame."""

    task_name = 'detection'
    settings_type = DetectionSettings
    settings: DetectionSettings

    def make_task(self, model: Model) -> DetectionTask:
        """See `TaskNode.make_task`."""
        settings = self.settings
        scores = class_numbers('detection.class_scores', settings.class_scores, 1)
        lengths = class_numbers('detection.class_lengths_m', settings.class_lengths_m, 2)
        limits = DetectionLimits(
            score=settings.score,
            class_scores={name: score for name, (score,) in scores.items()},
            class_lengths_m={name: (low, high) for name, (low, high) in lengths.items()},
            iou=settings.iou,
            count=settings.count,
        )
        tracker = Tracker(memory_s=settings.track_memory_s) if settings.track else None
        return DetectionTask(model, batch=settings.batch, limits=limits, tracker=tracker)

    def result_writers(self) -> tuple[Writer[DetectionResult], ...]:
        """See `TaskNode.result_writers`."""
        return (
            Writer(names.DETECTIONS, Detection2DArray, detections_message),
            Writer(names.DETECTION_CORNERS, ImageMarker, corners_message),
        )


def main() -> None:
    """Run the detection node in a process of its own."""
    run_node(DetectionNode)
