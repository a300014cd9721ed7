# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Changes drawn onto an image: regions outlined, what was not compared hatched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.perception.draw import DARK, MAX_BOX_LABELS, SHIFT, contrast, free_place
from rs_onboard.perception.lettering import Colour, Image, Rect, Style, draw_label, label_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.perception.regions import ChangeRegion
    from rs_onboard.perception.results import ChangeResult

CONFIRMED: Colour = (236, 64, 84)
CANDIDATE: Colour = (245, 179, 60)
# Cover of the tint inside a region, of 1.
TINT = 0.12
# Distance of the lines over what was not compared [px].
HATCH = 10


def hatch_unseen(canvas: Image, seen: NDArray[np.bool_]) -> None:
    """Darken and hatch what was not compared.

    Args:
        canvas: (H, W, 3) uint8 RGB, changed in place.
        seen: (h, w) bool, of any size.
    """
    height, width = canvas.shape[:2]
    mask = cv2.resize(seen.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) == 0
    lines = (np.add.outer(np.arange(height), np.arange(width)) % HATCH) < 2
    canvas[mask] = canvas[mask] // 2
    canvas[mask & lines] = 110


def draw_regions(
    canvas: Image, scale: tuple[float, float], result: ChangeResult, *, tinted: bool = True
) -> None:
    """Outline the regions; those that are not confirmed have another colour.

    Args:
        canvas: (H, W, 3) uint8 RGB, changed in place.
        scale: Canvas pixels per frame pixel, x and y.
        result: The regions.
        tinted: Whether their ground is tinted, too.
    """
    thickness = max(2, canvas.shape[1] // 640)
    outlines = [np.rint(_corners(r, scale) * (1 << SHIFT)).astype(np.int32) for r in result.regions]
    if tinted and outlines:
        ground = canvas.copy()
        for region, corners in zip(result.regions, outlines, strict=True):
            cv2.fillPoly(ground, [corners], region_colour(region), cv2.LINE_AA, SHIFT)
        cv2.addWeighted(ground, TINT, canvas, 1.0 - TINT, 0.0, dst=canvas)
    for region, corners in zip(result.regions, outlines, strict=True):
        cv2.polylines(canvas, [corners], True, DARK, thickness + 2, cv2.LINE_AA, SHIFT)
        cv2.polylines(canvas, [corners], True, region_colour(region), thickness, cv2.LINE_AA, SHIFT)


def label_regions(
    canvas: Image,
    scale: tuple[float, float],
    result: ChangeResult,
    style: Style,
    taken: Sequence[Rect] = (),
) -> None:
    """Label regions with number, area and score, where labels cover neither each other nor `taken`.

    A label without a free place near its region is left out.
    """
    rects = list(taken)
    for region in result.regions[:MAX_BOX_LABELS]:
        text = label_of(region)
        corners, size = _corners(region, scale), label_size(text, style)
        rect = free_place(corners, size, canvas.shape, rects)
        if rect is None:
            # One that fills the picture has room inside alone.
            middle = corners.clip(0, (canvas.shape[1], canvas.shape[0])).mean(axis=0)
            rect = free_place(middle[np.newaxis], size, canvas.shape, rects)
        if rect is not None:
            rects.append(rect)
            ground = region_colour(region)
            letters = style._replace(colour=contrast(ground))
            draw_label(canvas, rect, text, letters, ground=ground, opacity=230)


def label_of(region: ChangeRegion) -> str:
    """Say of a region what fits on a label."""
    if region.place is None:
        return f'{region.mean_score:.0%}'
    place = region.place
    doubt = '' if place.confirmed else f' {place.finds}/{place.looks}'
    return f'#{place.number} {area_text(place.area_m2)} {region.mean_score:.0%}{doubt}'


def area_text(area_m2: float) -> str:
    """Write an area in m2, or in hectares where it has many."""
    return f'{area_m2:.0f} m2' if area_m2 < 10_000 else f'{area_m2 / 10_000:.1f} ha'


def _corners(region: ChangeRegion, scale: tuple[float, float]) -> NDArray[np.float64]:
    """Return the corners of a region in the canvas, (K, 2), where pixel centres are whole."""
    return np.asarray(region.outline * np.array(scale) - 0.5, np.float64)


def region_colour(region: ChangeRegion) -> Colour:
    """Return the colour of a region: one that is confirmed, or one that is not."""
    confirmed = region.place is None or region.place.confirmed
    return CONFIRMED if confirmed else CANDIDATE
