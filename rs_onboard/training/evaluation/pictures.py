# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of wrong answers: the image, the truth and what was found, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.perception.draw import BoxDrawing, blend_mask, outline_boxes
from rs_onboard.perception.lettering import Style, draw_text, elide, wrap
from rs_onboard.perception.results import ChangeResult, DetectionResult, SegmentationResult
from rs_onboard.training.evaluation.scores import CHANGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.perception.lettering import Colour, Image
    from rs_onboard.perception.results import TaskResult
    from rs_onboard.training.data.sample import Sample
    from rs_onboard.training.evaluation.scores import ImageScore

GROUND: Colour = (24, 27, 31)
GAP = 6
# Changed and found, changed but missed, found but unchanged.
VERDICTS = np.array(((60, 190, 90), (250, 200, 60), (235, 70, 60)), np.uint8)
OBJECTS: Colour = (60, 190, 90)
LEAST_SCORE = 0.5
SHEET_WIDTH = 1280
SHEET_QUALITY = 80


def draw_failure(
    sample: Sample,
    result: TaskResult | ChangeResult,
    score: ImageScore,
    palette: Image,
    *,
    height: int = 320,
) -> Image:
    """Draw one wrong answer.

    Args:
        sample: The labelled image.
        result: What the flight code made of it.
        score: What is wrong; its name and text stand below.
        palette: (C, 3) uint8 RGB, colours of the classes of the labels.
        height: Height of the images [px].

    Returns:
        (h, w, 3) uint8 RGB.
    """
    style = Style(max(11, height // 22))
    panes = [_scaled(image, height) for image in _panes(sample, result, palette, style)]
    row = np.full((height, GAP, 3), GROUND, np.uint8)
    joined = np.hstack([part for pane in panes for part in (pane, row)][:-1])
    width = joined.shape[1] - GAP
    # What an answer was taken for stands last, so nothing of it may be cut off.
    lines = [elide(Path(sample.name).name, style, width), *wrap(score.text, style, width)]
    height = len(lines) * style.line_height + GAP
    caption = np.full((height, joined.shape[1], 3), GROUND, np.uint8)
    for line, text in enumerate(lines):
        draw_text(caption, GAP // 2, GAP // 2 + line * style.line_height, text, style)
    return np.vstack([joined, caption])


def _panes(
    sample: Sample, result: TaskResult | ChangeResult, palette: Image, style: Style
) -> list[Image]:
    """Make the images to be shown beside each other, at the size of the sample."""
    if isinstance(result, SegmentationResult) and sample.mask is not None:
        tinted = []
        for labels in (sample.mask, result.labels):
            canvas = sample.image.copy()
            blend_mask(canvas, labels, palette)
            tinted.append(canvas)
        return [sample.image, *tinted]
    if isinstance(result, ChangeResult) and sample.mask is not None and sample.before is not None:
        found, changed = result.probability >= CHANGED, sample.mask == 1
        verdict = np.full(changed.shape, 255, np.uint8)
        for value, part in enumerate((changed & found, changed & ~found, ~changed & found)):
            verdict[part & (sample.mask < len(palette))] = value
        canvas = sample.image.copy()
        blend_mask(canvas, verdict, VERDICTS)
        return [sample.before, sample.image, canvas]
    if isinstance(result, DetectionResult) and sample.objects is not None:
        truth, canvas = sample.image.copy(), sample.image.copy()
        count = len(sample.objects.boxes)
        colours = np.tile(np.array(OBJECTS, np.uint8), (count, 1))
        outline_boxes(truth, 1, BoxDrawing(sample.objects.boxes, [''] * count, colours), style)
        sure = result.scores >= LEAST_SCORE
        ids = result.class_ids[sure]
        drawing = BoxDrawing(result.boxes[sure], [''] * len(ids), palette[ids])
        outline_boxes(canvas, 1, drawing, style)
        return [truth, canvas]
    return [sample.image]


def _scaled(image: Image, height: int) -> Image:
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def contact_sheet(pictures: Sequence[Image], width: int = SHEET_WIDTH) -> Image:
    """Lay pictures of one height in rows of at most `width` pixels.

    Args:
        pictures: (h, w, 3) uint8 RGB, at least one.
        width: Width of the sheet [px].

    Returns:
        (H, width, 3) uint8 RGB.
    """
    rows: list[Image] = []
    row: list[Image] = []
    for picture in pictures:
        if row and sum(p.shape[1] + GAP for p in row) + picture.shape[1] > width:
            rows.append(_row(row, width))
            row = []
        row.append(picture[:, :width])
    rows.append(_row(row, width))
    return np.vstack(rows)


def _row(pictures: list[Image], width: int) -> Image:
    height = max(picture.shape[0] for picture in pictures)
    canvas = np.full((height + GAP, width, 3), GROUND, np.uint8)
    left = 0
    for picture in pictures:
        canvas[: picture.shape[0], left : left + picture.shape[1]] = picture
        left += picture.shape[1] + GAP
    return canvas


def write_jpeg(path: Path, picture: Image, quality: int = SHEET_QUALITY) -> None:
    """Write (H, W, 3) uint8 RGB as JPEG."""
    done, data = cv2.imencode('.jpg', picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    path.write_bytes(data.tobytes())
