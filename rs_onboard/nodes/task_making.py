# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks made of the parameters of their nodes. Needs no ROS."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rs_onboard.inference.card import load_card
from rs_onboard.nodes.locations import model_folder
from rs_onboard.nodes.parameters import class_numbers
from rs_onboard.nodes.settings import TASKS
from rs_onboard.perception.detection import DetectionLimits, DetectionTask
from rs_onboard.perception.scene import SceneTask
from rs_onboard.perception.segmentation import SegmentationTask
from rs_onboard.perception.task import plan_for
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tracking import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.inference.card import TaskName
    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.settings import (
        DetectionSettings,
        SceneSettings,
        SegmentationSettings,
        TilerSettings,
    )
    from rs_onboard.perception.results import TaskResult
    from rs_onboard.perception.task import Task
    from rs_onboard.perception.tiles import TilePlan


def make_scene(settings: SceneSettings, model: Model) -> SceneTask:
    """Make the scene task."""
    return SceneTask(model, batch=settings.batch)


def make_segmentation(settings: SegmentationSettings, model: Model) -> SegmentationTask:
    """Make the segmentation task."""
    return SegmentationTask(model, batch=settings.batch)


def make_detection(settings: DetectionSettings, model: Model) -> DetectionTask:
    """Make the detection task.

    Raises:
        FieldError: Limits by class are not what they should be.
        TaskError: A limit is for a class that the model does not have.
    """
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


TASK_MAKERS: Mapping[TaskName, Callable[[Any, Model], Task[TaskResult]]] = {
    'scene': make_scene,
    'detection': make_detection,
    'segmentation': make_segmentation,
}


def make_tiler(settings: TilerSettings) -> Tiler:
    """Make the tiler of the tasks that work on tiles.

    Raises:
        CardError: The model of a task has no card.
    """
    return Tiler({task: _plan(settings, task) for task in TASKS if task in settings.tasks})


def _plan(settings: TilerSettings, task: TaskName) -> TilePlan:
    card = load_card(model_folder(getattr(settings, f'{task}_model')))
    plan = plan_for(card, overlap=getattr(settings, f'{task}_overlap'))
    return plan if settings.match_gsd else dataclasses.replace(plan, gsd_m=None)
