# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The picture by which a person judges a change: frame and map side by side, in register."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.perception.draw_change import area_text, draw_regions, hatch_unseen, label_regions
from rs_onboard.perception.lettering import Rect, draw_label, draw_text, elide, label_size
from rs_onboard.perception.panel import GROUND, Metrics, draw_report, format_stamp

if TYPE_CHECKING:
    from rs_onboard.perception.lettering import Image
    from rs_onboard.perception.results import ChangeResult

# What shows where there is no map under the frame.
NOTHING = 30


def render_change(
    result: ChangeResult, frame: Image, before: Image | None, *, max_width: int = 1280
) -> Image:
    """Draw a frame beside the map it was compared with.

    Args:
        result: What changed.
        frame: (H, W, 3) uint8 RGB.
        before: (h, w, 3) uint8 RGB, the map as the frame would show it, of any size; None without
            a match.
        max_width: Width of the picture [px].

    Returns:
        (height, max_width, 3) uint8 RGB: the frame on the left with the regions, the map on the
        right with their outlines, and a panel below.
    """
    metrics = Metrics.of(max_width)
    gap = metrics.margin // 2
    width = (max_width - gap) // 2
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    now = _scaled(frame, width, height)
    then = np.full_like(now, NOTHING) if before is None else _scaled(before, width, height)
    scale = (width / frame.shape[1], height / frame.shape[0])
    if result.seen is not None:
        for picture in (now, then):
            hatch_unseen(picture, result.seen)
    draw_regions(now, scale, result)
    draw_regions(then, scale, result, tinted=False)
    match = result.match
    taken = [_title(now, f'frame {format_stamp(result.header.stamp_ns)}', metrics)]
    label_regions(now, scale, result, metrics.small, taken)
    if match is not None:
        date = match.map_date or 'unknown date'
        text = 'no map in register' if before is None else f'map {match.map_name}, {date}'
        _title(then, text, metrics)
    row = metrics.small.line_height
    panel = np.empty((2 * row + 2 * gap, max_width, 3), np.uint8)
    panel[...] = GROUND
    draw_report(panel, metrics, gap, result.report)
    line = elide(summary(result), metrics.small, max_width - 2 * metrics.margin)
    draw_text(panel, metrics.margin + metrics.small.px, gap + row, line, metrics.small)
    canvas = np.empty((height + len(panel), max_width, 3), np.uint8)
    canvas[...] = GROUND
    canvas[:height, :width], canvas[:height, max_width - width :] = now, then
    canvas[height:] = panel
    return canvas


def summary(result: ChangeResult) -> str:
    """Say in a line what was found, and how well the frame lies on the map."""
    parts = []
    if result.probability.size:
        areas = [region.place.area_m2 for region in result.regions if region.place is not None]
        parts.append(f'{len(result.regions)} regions, {area_text(sum(areas))}')
        parts += [
            f'{n} {name.replace("_", " ")}' for name, n in (result.report.left_out or {}).items()
        ]
    match = result.match
    if match is not None and match.fit is not None:
        fit = match.fit
        parts.append(
            f'{fit.inliers} matches to {fit.residual_px:.1f} px, pose off by {fit.shift_m:.1f} m '
            f'and {abs(fit.turn_deg):.1f} deg, {fit.overlap:.0%} seen'
        )
    return '   '.join(parts)


def _scaled(image: Image, width: int, height: int) -> Image:
    method = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    return np.array(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def _title(picture: Image, text: str, metrics: Metrics) -> Rect:
    gap = metrics.margin // 2
    shown = elide(text, metrics.small, picture.shape[1] - 2 * gap)
    rect = Rect(gap, gap, *label_size(shown, metrics.small))
    if shown:
        draw_label(picture, rect, shown, metrics.small)
    return rect
