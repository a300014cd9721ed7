# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks made of the parameters of their nodes. Needs no ROS."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rs_onboard.geo.area import read_area
from rs_onboard.geo.reference.opening import open_map
from rs_onboard.geo.reference.view import ReferenceMap
from rs_onboard.geo.registration import RegistrationLimits
from rs_onboard.inference.card import load_card
from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.locations import map_file, model_folder
from rs_onboard.nodes.node_settings import TILE_TASKS
from rs_onboard.nodes.parameters import class_numbers
from rs_onboard.perception.alignment import AlignmentLimits
from rs_onboard.perception.detection import DetectionLimits, DetectionTask
from rs_onboard.perception.map_change import ChangeLimits, MapChangeTask
from rs_onboard.perception.scene import SceneTask
from rs_onboard.perception.segmentation import SegmentationTask
from rs_onboard.perception.task import plan_for
from rs_onboard.perception.tile_filter import TileFilter
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tracking import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.geo.registration import MatcherName
    from rs_onboard.inference.card import TaskName
    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.model_settings import (
        ChangeSettings,
        DetectionSettings,
        SceneSettings,
        SegmentationSettings,
    )
    from rs_onboard.nodes.settings import TilerSettings
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


def make_change(settings: ChangeSettings, model: Model) -> MapChangeTask:
    """Make the change task, with its map.

    Raises:
        FieldError: No map is given.
        MapError: The map is missing or broken.
        TaskError: Settings do not fit together.
    """
    if not settings.reference:
        raise FieldError(
            "parameter change.reference: found ''; expected the reference map to compare frames "
            'with, an .mbtiles or GeoTIFF file. Make one with `rs_onboard reference build`.'
        )
    source = open_map(map_file(settings.reference))
    reference = ReferenceMap(source, cache_bytes=settings.cache_mb * 2**20)
    return MapChangeTask(
        model,
        reference,
        ChangeLimits(
            matcher=cast('MatcherName', settings.matcher),
            registration=RegistrationLimits(
                shift_m=settings.max_shift_m, overlap=settings.least_overlap
            ),
            alignment=AlignmentLimits(
                max_tilt_deg=settings.max_tilt_deg,
                max_age_days=settings.max_age_days,
                least_seen=settings.least_overlap,
                light=settings.light,
            ),
            batch=settings.batch,
            overlap=settings.overlap,
            threshold=settings.threshold,
            min_area_m2=settings.min_area_m2,
            finds=settings.finds,
            looks=settings.looks,
            candidates=settings.candidates,
        ),
    )


TASK_MAKERS: Mapping[TaskName, Callable[[Any, Model], Task[TaskResult]]] = {
    'scene': make_scene,
    'detection': make_detection,
    'segmentation': make_segmentation,
}


def make_tiler(settings: TilerSettings) -> Tiler:
    """Make the tiler of the tasks that work on tiles.

    Raises:
        CardError: The model of a task has no card.
        AreaError: The area of interest is none.
    """
    plans = {task: _plan(settings, task) for task in TILE_TASKS if task in settings.tasks}
    area = read_area(Path(settings.area_file).expanduser()) if settings.area_file else None
    return Tiler(plans, TileFilter(area, settings.max_gsd_ratio))


def _plan(settings: TilerSettings, task: TaskName) -> TilePlan:
    card = load_card(model_folder(getattr(settings, f'{task}_model')))
    plan = plan_for(card, overlap=getattr(settings, f'{task}_overlap'))
    return plan if settings.match_gsd else dataclasses.replace(plan, gsd_m=None)
