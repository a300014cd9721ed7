# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node: tiles in, a mask of the frame out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor_msgs.msg import Image

from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import Writer
from rs_onboard.nodes.image_messages import mono8_message
from rs_onboard.nodes.settings import SegmentationSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_node import TaskNode
from rs_onboard.perception.results import SegmentationResult
from rs_onboard.perception.segmentation import SegmentationTask

if TYPE_CHECKING:
    from rs_onboard.inference.model import Model


class SegmentationNode(TaskNode[SegmentationResult]):
    """Segments every frame."""

    task_name = 'segmentation'
    settings_type = SegmentationSettings
    settings: SegmentationSettings

    def make_task(self, model: Model) -> SegmentationTask:
        """See `TaskNode.make_task`."""
        return SegmentationTask(model, batch=self.settings.batch)

    def result_writers(self) -> tuple[Writer[SegmentationResult], ...]:
        """See `TaskNode.result_writers`."""
        return (
            Writer(names.SEGMENTATION, Image, lambda r: mono8_message(r.header, r.labels)),
            Writer(names.CONFIDENCE, Image, lambda r: mono8_message(r.header, r.confidence)),
        )


def main() -> None:
    """Run the segmentation node in a process of its own."""
    run_node(SegmentationNode)
