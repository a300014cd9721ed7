# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Connected regions of a probability mask, with their outlines along the edges of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.perception.tiles import PixelBox

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Noise over a whole frame gives thousands; nobody looks at more than these, the largest.
MAX_REGIONS = 1000


@dataclass(frozen=True)
class ChangeRegion:
    """A region that changed.

    Attributes:
        area_px: Its pixels; holes are not counted.
        mean_score: Mean probability of its pixels, 0 to 1.
        max_score: Highest probability of its pixels, 0 to 1.
        box: The smallest upright rectangle that holds it [px of the frame].
        outline: (K, 2) float32, x and y of the corners of its outer border, clockwise as seen on
            screen [px of the frame, pixel edges: the first pixel reaches from 0 to 1]. Holes are
            not cut out.
    """

    area_px: int
    mean_score: float
    max_score: float
    box: PixelBox
    outline: NDArray[np.float32]


class Regions(NamedTuple):
    """Regions, larger ones first, of equal size from top to bottom, then from left to right.

    Attributes:
        found: At most `MAX_REGIONS`.
        small: Regions below the least area.
        beyond: Regions left out because there are too many.
    """

    found: tuple[ChangeRegion, ...]
    small: int
    beyond: int


def find_regions(probability: NDArray[np.uint8], *, threshold: float, min_area_px: int) -> Regions:
    """Find what is connected, by edges or corners of pixels, at or above a threshold.

    Args:
        probability: (H, W) uint8, 255 times the probability.
        threshold: Least probability, above 0 and up to 1.
        min_area_px: Least area [px].
    """
    lowest = max(1.0, np.ceil(255 * threshold - 1e-9))
    _, changed = cv2.threshold(probability, lowest - 1, 255, cv2.THRESH_BINARY)
    count, *parts = cv2.connectedComponentsWithStats(changed, connectivity=8)
    labels, stats = (np.asarray(part, np.int32) for part in parts[:2])
    areas = stats[1:count, cv2.CC_STAT_AREA]
    large = np.flatnonzero(areas >= min_area_px)
    lefts, tops = (stats[1 + large, side] for side in (cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP))
    # Labels are no tie-break: OpenCV does not say in which order it gives them.
    firsts = [_first_column(labels, 1 + i, int(top)) for i, top in zip(large, tops, strict=True)]
    order = np.lexsort(np.array([firsts, lefts, tops, -areas[large]]))[:MAX_REGIONS]
    found = tuple(_region(probability, labels, stats, int(1 + label)) for label in large[order])
    return Regions(found, int(len(areas) - len(large)), int(len(large) - len(found)))


def _first_column(labels: NDArray[np.int32], label: int, top: int) -> int:
    """Return the leftmost pixel of a region in its first row."""
    return int(np.argmax(labels[top] == label))


def _region(
    probability: NDArray[np.uint8],
    labels: NDArray[np.int32],
    stats: NDArray[np.int32],
    label: int,
) -> ChangeRegion:
    left, top, width, height, area = (int(value) for value in stats[label])
    window = (slice(top, top + height), slice(left, left + width))
    inside = labels[window] == label
    scores = probability[window][inside]
    return ChangeRegion(
        area_px=area,
        mean_score=float(scores.mean(dtype=np.float64)) / 255,
        max_score=int(scores.max()) / 255,
        box=PixelBox(left, top, width, height),
        outline=outline(inside) + np.array((left, top), np.float32),
    )


def outline(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Trace the outer border of one connected region along the edges of its pixels.

    OpenCV joins the centres of border pixels, which makes a pixel a point and a line of pixels an
    empty polygon. Here every pixel is doubled first, so that the border pixels of the doubled mask
    lie to either side of the pixel edge they stand for.

    Args:
        inside: (H, W) bool, one region connected by edges or corners.

    Returns:
        (K, 2) float32 corners (x, y), clockwise as seen on screen, from 0 to the width and height.
    """
    doubled = inside.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # Pixel x became 2 x, on its left edge, and 2 x + 1, on its right edge.
    edges = (contours[0][::-1, 0] + 1) // 2
    moved = (edges != np.roll(edges, 1, axis=0)).any(axis=1)
    edges = edges[moved]
    before, after = edges - np.roll(edges, 1, axis=0), np.roll(edges, -1, axis=0) - edges
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    turns |= (before * after).sum(axis=1) < 0
    return np.asarray(edges[turns], np.float32)
