# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node: tiles in, a mask of the frame out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.nodes.model_settings import SegmentationSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_making import make_segmentation
from rs_onboard.nodes.task_node import TaskNode
from rs_onboard.perception.results import SegmentationResult

if TYPE_CHECKING:
    from rs_onboard.inference.model import Model
    from rs_onboard.perception.segmentation import SegmentationTask


class SegmentationNode(TaskNode[SegmentationResult]):
    """Segments every frame."""

    task_name = 'segmentation'
    settings_type = SegmentationSettings
    settings: SegmentationSettings

    def make_task(self, model: Model) -> SegmentationTask:
        """See `ModelNode.make_task`."""
        return make_segmentation(self.settings, model)


def main() -> None:
    """Run the segmentation node in a process of its own."""
    run_node(SegmentationNode)
