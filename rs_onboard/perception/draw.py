# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results drawn onto an image: class masks, tile labels, oriented boxes.

Every function draws into a canvas of (H, W, 3) uint8 RGB that is `scale` times as large as the
frame, and takes plain arrays in pixels of the frame. The same input gives the same picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from rs_onboard.perception.boxes import corners, valid_boxes
from rs_onboard.perception.lettering import (
    Colour,
    Image,
    Rect,
    Style,
    blend,
    draw_label,
    elide,
    label_size,
    paint,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UNKNOWN_LABEL = 255

# Cover of a class colour, of 255, where the network is sure, where it has no idea, along borders.
MASK_OPACITY, DOUBT_OPACITY, BORDER_OPACITY = 117, 30, 230

GRID_OPACITY = 70
WHITE: Colour = (255, 255, 255)
DARK: Colour = (14, 17, 20)

# Fractional bits of OpenCV's coordinates.
SHIFT = 4

# More labels than this hide the picture, and placing them is quadratic.
MAX_BOX_LABELS = 80


class BoxDrawing(NamedTuple):
    """Oriented boxes to draw, the most important first.

    Attributes:
        boxes: (M, 5) float, cx, cy, w, h, theta [px of the frame, rad, le90].
        labels: M texts, empty for none.
        colours: (M, 3) uint8 RGB.
    """

    boxes: NDArray[np.floating]
    labels: Sequence[str]
    colours: NDArray[np.uint8]


class TileLabels(NamedTuple):
    """What the tiles of a frame were found to be.

    Attributes:
        boxes: (N, 4) float, left, top, width, height [px of the frame].
        names: N names.
        scores: N probabilities, 0 to 1.
    """

    boxes: NDArray[np.floating]
    names: Sequence[str]
    scores: Sequence[float]


def blend_mask(
    canvas: Image, labels: Image, palette: Image, confidence: Image | None = None
) -> None:
    """Tint the canvas with class colours, fainter where confidence is low, borders solid.

    Args:
        canvas: (H, W, 3) uint8 RGB, changed in place.
        labels: (h, w) uint8 class ids of any size; ids outside the palette stay untinted.
        palette: (C, 3) uint8 RGB.
        confidence: (h, w) uint8, 255 is sure; None for sure everywhere.
    """
    size = (canvas.shape[1], canvas.shape[0])
    ids = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    cover = np.full(ids.shape, MASK_OPACITY, np.uint8)
    if confidence is not None:
        sure = cv2.resize(confidence, size, interpolation=cv2.INTER_NEAREST)
        opacities = np.linspace(DOUBT_OPACITY, MASK_OPACITY, 256).astype(np.uint8)
        cover = np.asarray(cv2.LUT(sure, opacities), np.uint8)
    cover[class_borders(ids)] = BORDER_OPACITY
    # A blur rounds the staircase of the borders and the noise of the confidence.
    cover = np.asarray(cv2.blur(cover, (2, 2)), np.uint8)
    cover[ids >= len(palette)] = 0
    colours = np.zeros((256, 1, 3), np.uint8)
    colours[: len(palette), 0] = palette
    blend(canvas, cover, np.asarray(cv2.applyColorMap(ids, colours), np.uint8))


def class_borders(ids: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Mark the pixels, (H, W) bool, whose right or lower neighbour is of another class."""
    borders = np.zeros(ids.shape, bool)
    borders[:, :-1] = ids[:, 1:] != ids[:, :-1]
    borders[:-1] |= ids[1:] != ids[:-1]
    return borders


def draw_tiles(canvas: Image, scale: float, tiles: TileLabels, style: Style) -> list[Rect]:
    """Draw the grid of tiles and a label in each; return where the labels are.

    Overlapping tiles meet in the middle of their overlap, as their results are joined.

    Args:
        canvas: (H, W, 3) uint8 RGB, changed in place.
        scale: Canvas pixels per frame pixel.
        tiles: Where the tiles are and what they are; a name that does not fit is shortened.
        style: Of the labels.
    """
    cells = tile_cells(tiles.boxes, canvas.shape[1] / scale, canvas.shape[0] / scale) * scale
    edges = np.rint(cells).astype(int).tolist()
    placed = []
    gap = max(2, style.px // 3)
    for (x0, y0, x1, y1), name, score in zip(edges, tiles.names, tiles.scores, strict=True):
        # Upper and left edge only: cells meet, and a line drawn twice would shine.
        paint(canvas, x0, y0, np.full((1, x1 - x0), GRID_OPACITY, np.uint8), WHITE)
        paint(canvas, x0, y0 + 1, np.full((max(0, y1 - y0 - 1), 1), GRID_OPACITY, np.uint8), WHITE)
        shown = elide(name, style, x1 - x0 - 2 * gap - style.px, f' {score:.0%}')
        width, height = label_size(shown, style)
        if shown and height + 2 * gap <= y1 - y0:
            rect = Rect(x0 + gap, y0 + gap, width, height)
            draw_label(canvas, rect, shown, style)
            placed.append(rect)
    return placed


def tile_cells(boxes: NDArray[np.floating], width: float, height: float) -> NDArray[np.float64]:
    """Cut overlapping tiles, (N, 4) left, top, width, height, to cells x0, y0, x1, y1 that meet."""
    cells = np.empty((len(boxes), 4))
    for axis, limit in ((0, width), (1, height)):
        low = np.asarray(boxes[:, axis], np.float64)
        high = low + boxes[:, axis + 2]
        starts = np.unique(low)
        ends = np.array([high[low == start].max() for start in starts])
        middles = (starts[1:] + ends[:-1]) / 2
        # Tiles with a gap between them, because one is left out, keep their own edges.
        before = np.r_[starts[:1], np.maximum(middles, starts[1:])]
        after = np.r_[np.minimum(middles, ends[:-1]), ends[-1:]]
        index = np.searchsorted(starts, low)
        cells[:, axis] = before[index].clip(0, limit)
        cells[:, axis + 2] = after[index].clip(0, limit)
    return cells


def outline_boxes(canvas: Image, scale: float, drawing: BoxDrawing, style: Style) -> None:
    """Draw oriented boxes by their corners, on a dark line that shows them on any ground."""
    usable, quads = _quads(drawing, scale)
    fixed = np.rint(quads * (1 << SHIFT)).astype(np.int32)
    thickness = max(2, round(style.px / 8))
    for index, quad in zip(usable, fixed, strict=True):
        cv2.polylines(canvas, [quad], True, DARK, thickness + 2, cv2.LINE_AA, SHIFT)
        colour = _rgb(drawing.colours[index])
        cv2.polylines(canvas, [quad], True, colour, thickness, cv2.LINE_AA, SHIFT)


def label_boxes(
    canvas: Image, scale: float, drawing: BoxDrawing, style: Style, taken: Sequence[Rect] = ()
) -> list[Rect]:
    """Label boxes where the labels cover neither each other nor `taken`; return all of these.

    A label without a free place near its box is left out.
    """
    usable, quads = _quads(drawing, scale)
    rects = list(taken)
    for index, quad in zip(usable[:MAX_BOX_LABELS], quads[:MAX_BOX_LABELS], strict=True):
        text = drawing.labels[index]
        rect = free_place(quad, label_size(text, style), canvas.shape, rects) if text else None
        if rect is not None:
            rects.append(rect)
            ground = _rgb(drawing.colours[index])
            letters = style._replace(colour=contrast(ground))
            draw_label(canvas, rect, text, letters, ground=ground, opacity=230)
    return rects


def _quads(drawing: BoxDrawing, scale: float) -> tuple[list[int], NDArray[np.float64]]:
    """Numbers of the boxes that can be drawn, and their corners (K, 4, 2) [px of the canvas]."""
    usable = np.flatnonzero(valid_boxes(drawing.boxes))
    return usable.tolist(), corners(np.asarray(drawing.boxes)[usable]) * scale


def free_place(
    quad: NDArray[np.float64],
    size: tuple[int, int],
    shape: tuple[int, ...],
    rects: Sequence[Rect],
) -> Rect | None:
    """Find a free place for a label: above, below, right or left of its box."""
    width, height = size
    x0, y0 = np.floor(quad.min(axis=0)).astype(int).tolist()
    x1, y1 = np.ceil(quad.max(axis=0)).astype(int).tolist()
    for left, top in (
        (x0, y0 - height - 2),
        (x0, y1 + 3),
        (x1 + 3, y0),
        (x0 - width - 3, y0),
    ):
        rect = Rect(left, top, width, height)
        if rect.within(shape[1], shape[0]) and not any(rect.overlaps(other) for other in rects):
            return rect
    return None


def contrast(colour: Colour) -> Colour:
    """Black or white, whichever is easier to read on the colour."""
    red, green, blue = colour
    return DARK if 299 * red + 587 * green + 114 * blue > 140_000 else WHITE


def _rgb(colour: NDArray[np.uint8]) -> Colour:
    red, green, blue = (int(value) for value in colour)
    return red, green, blue
