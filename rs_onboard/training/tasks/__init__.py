# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks that can be trained, a module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.training.tasks.change import ChangeTask
from rs_onboard.training.tasks.detection import DetectionTask
from rs_onboard.training.tasks.pretrain import PretrainTask
from rs_onboard.training.tasks.scene import SceneTask
from rs_onboard.training.tasks.segmentation import SegmentationTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.training.data.sample import DataSet
    from rs_onboard.training.distill import Teachers
    from rs_onboard.training.recipe import Recipe
    from rs_onboard.training.tasks.base import Task

TASKS: Mapping[str, Callable[[Recipe, DataSet], Task]] = {
    'pretrain': PretrainTask,
    'change': ChangeTask,
    'scene': SceneTask,
    'detection': DetectionTask,
    'segmentation': SegmentationTask,
}
# Those that can learn from the answers of trained networks too.
DISTILLED: Mapping[str, Callable[[Recipe, DataSet, Teachers], Task]] = {
    'change': ChangeTask,
    'scene': SceneTask,
}
