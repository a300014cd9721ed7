# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline in lock-step: frame in, results out, nothing dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.perception.detection import DetectionTask
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.scene import SceneTask
from rs_onboard.perception.segmentation import SegmentationTask
from rs_onboard.perception.tiler import Tiler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.perception.frame import Frame
    from rs_onboard.perception.results import TaskResult
    from rs_onboard.perception.task import Task

# The tasks that run on tiles; change detection pairs whole frames with a map instead.
TILE_TASKS: Mapping[TaskName, Callable[..., Task[TaskResult]]] = {
    'scene': SceneTask,
    'detection': DetectionTask,
    'segmentation': SegmentationTask,
}


class Pipeline:
    """Runs tasks on frames one after the other, in the caller's thread.

    The nodes run the same tiler and the same tasks, each in its own thread; this is the reference
    for what they compute.

    Args:
        tasks: The tasks, in the order they run.
        tiler: Has a plan for each of them; one of the tasks' own plans if not given.
    """

    def __init__(self, tasks: Sequence[Task[TaskResult]], tiler: Tiler | None = None) -> None:
        self.tasks = tuple(tasks)
        self._tiler = tiler or Tiler({task.name: task.plan for task in self.tasks})

    def process(self, frame: Frame) -> FrameResults:
        """Run every task on a frame.

        Raises:
            TileError: The frame would give more tiles than can be.
        """
        tiles = self._tiler.cut(frame)
        results = {task.name: task.run(tiles[task.name]) for task in self.tasks}
        return FrameResults(frame.header, frame, results)
