# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The overlay of a frame: results on the image, what they are worth in a panel below it.

Only what belongs to a place is drawn on the image. Scene, legend and the state of every task stand
below, so that nothing covers anything and the size of the picture stays the same while the tasks
do. Nothing pretends: untrained models, doubts and failures are marked where the result is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from rs_onboard.perception.draw import (
    BoxDrawing,
    TileLabels,
    blend_mask,
    draw_tiles,
    label_boxes,
    outline_boxes,
)
from rs_onboard.perception.draw_change import draw_regions, hatch_unseen, label_regions
from rs_onboard.perception.map_marks import MapMarks
from rs_onboard.perception.panel import DESIGN_WIDTH, Metrics, draw_panel
from rs_onboard.perception.results import (
    ChangeResult,
    DetectionResult,
    SceneResult,
    SegmentationResult,
)

if TYPE_CHECKING:
    from rs_onboard.perception.frame_results import FrameResults
    from rs_onboard.perception.lettering import Image, Rect

# Narrower frames are scaled up to this width, where letters can be read.
MIN_WIDTH = 640
# A frame of one column must not become a picture of gigabytes.
MAX_ASPECT = 4

# Averaging takes four times as long (8 ms against 2 from 1080p to 1280 px), and only below this
# scale do pixels go unread without it.
MOST_FOR_AREA = 0.55

R = TypeVar('R')


def render_overlay(
    results: FrameResults,
    image: Image,
    *,
    max_width: int = DESIGN_WIDTH,
    age_ms: float | None = None,
) -> Image:
    """Draw the results of a frame.

    Args:
        results: What the tasks found.
        image: (H, W, 3) uint8 RGB, the frame's; not changed.
        max_width: Width above which the picture is scaled down [px]. Frames narrower than 640 px
            are scaled up to that, where letters can be read.
        age_ms: Age of the results at publication [ms], None where unknown.

    Returns:
        (height, width, 3) uint8 RGB, the image with the panel below it.
    """
    height, width = image.shape[:2]
    scale = min(max_width, max(width, MIN_WIDTH)) / width
    scale = min(scale, MAX_ASPECT * max_width / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    area = scale <= MOST_FOR_AREA
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
    metrics = Metrics.of(size[0])
    canvas = np.vstack([scaled, draw_panel(results, metrics, age_ms)])
    _draw_on_image(canvas[: size[1]], scale, results, metrics)
    return canvas


def _draw_on_image(
    picture: Image,
    scale: float,
    results: FrameResults,
    metrics: Metrics,
) -> None:
    """Draw what belongs to places of the image, from the ground up."""
    segmentation = _find(results, SegmentationResult)
    if segmentation is not None and segmentation.labels.size:
        blend_mask(picture, segmentation.labels, segmentation.palette, segmentation.confidence)
    change = _find(results, ChangeResult)
    scales = (scale, scale)
    if change is not None:
        if change.seen is not None:
            hatch_unseen(picture, change.seen)
        draw_regions(picture, scales, change)
    detection = _find(results, DetectionResult)
    boxes = None if detection is None else drawing_of(detection)
    if boxes is not None:
        outline_boxes(picture, scale, boxes, metrics.small)
    marks = MapMarks(results.frame, scale, (picture.shape[1], picture.shape[0]), metrics.small)
    taken: list[Rect] = marks.rects()
    scene = _find(results, SceneResult)
    if scene is not None and len(scene.boxes) > 1:
        names = [scene.classes[index] for index in scene.tile_classes]
        tiles = TileLabels(scene.boxes, names, scene.tile_scores.tolist())
        taken += draw_tiles(picture, scale, tiles, metrics.small)
    if boxes is not None:
        taken = label_boxes(picture, scale, boxes, metrics.small, taken)
    if change is not None:
        label_regions(picture, scales, change, metrics.small, taken)
    marks.draw(picture)


def drawing_of(result: DetectionResult) -> BoxDrawing:
    """Draw objects in the colour of their class, with class and score."""
    names = [result.classes[index] for index in result.class_ids]
    labels = [f'{name} {score:.0%}' for name, score in zip(names, result.scores, strict=True)]
    return BoxDrawing(result.boxes, labels, result.palette[result.class_ids])


def _find(results: FrameResults, kind: type[R]) -> R | None:
    return next((item for item in results.results.values() if isinstance(item, kind)), None)
