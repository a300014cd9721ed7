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
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Noise over a whole frame gives thousands; nobody looks at more than these, the largest.
MAX_REGIONS = 1000


@dataclass(frozen=True)
class RegionPlace:
    """Where on the ground a region lies, and what the frames so far say of that place.

    Attributes:
        outline: (K, 2) float64 longitude, latitude [deg] of the corners of its outer border.
        area_m2: Its area, without its holes [m^2].
        number: The same for one place in all frames, from 1.
        looks: Frames that saw it, of the last few that are remembered.
        finds: How many of these found it changed.
        confirmed: Whether that is enough.
    """

    outline: NDArray[np.float64]
    area_m2: float
    number: int
    looks: int
    finds: int
    confirmed: bool


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
        place: Where it lies on the ground; None without a pose.
    """

    area_px: int
    mean_score: float
    max_score: float
    box: PixelBox
    outline: NDArray[np.float32]
    place: RegionPlace | None = None


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
    firsts = [
        int(np.argmax(labels[top] == 1 + index)) for index, top in zip(large, tops, strict=True)
    ]
    order = np.lexsort(np.array([firsts, lefts, tops, -areas[large]]))[:MAX_REGIONS]
    kept = 1 + large[order]
    found = _describe(probability, labels, stats, kept) if len(kept) else ()
    return Regions(found, int(len(areas) - len(large)), int(len(large) - len(found)))


def _describe(
    probability: NDArray[np.uint8],
    labels: NDArray[np.int32],
    stats: NDArray[np.int32],
    kept: NDArray[np.intp],
) -> tuple[ChangeRegion, ...]:
    """Describe the regions of some labels in that order, all of them in one pass over the mask."""
    boxes = stats[kept, :4]
    left, top = (int(side) for side in boxes[:, :2].min(axis=0))
    right, bottom = (int(side) for side in (boxes[:, :2] + boxes[:, 2:]).max(axis=0))
    window = (slice(top, bottom), slice(left, right))
    table = np.zeros(len(stats), np.int32)
    table[kept] = np.arange(1, len(kept) + 1)
    ranks = table[labels[window]]
    inside = ranks > 0
    # A histogram of each region has its area, mean and maximum.
    bins = (ranks[inside] - 1) * 256 + probability[window][inside]
    counts = np.bincount(bins, minlength=256 * len(kept)).reshape(-1, 256)
    means = counts @ np.arange(256.0) / counts.sum(axis=1) / 255
    highest = 255 - (counts[:, ::-1] > 0).argmax(axis=1)
    outlines = {int(ranks[y, x]) - 1: corners for (x, y), corners in outlines_of(inside)}
    shift = np.array((left, top), np.float32)
    return tuple(
        ChangeRegion(
            area_px=int(stats[label, cv2.CC_STAT_AREA]),
            mean_score=float(means[rank]),
            max_score=int(highest[rank]) / 255,
            box=PixelBox(*(int(side) for side in boxes[rank])),
            outline=outlines[rank] + shift,
        )
        for rank, label in enumerate(kept)
    )


def outlines_of(
    inside: NDArray[np.bool_],
) -> Iterator[tuple[tuple[int, int], NDArray[np.float32]]]:
    """Trace the outer borders of all connected regions along the edges of their pixels.

    OpenCV joins the centres of border pixels, which makes a pixel a point and a line of pixels an
    empty polygon. Here every pixel is doubled first, so that the border pixels of the doubled mask
    lie to either side of the pixel edge they stand for.

    Args:
        inside: (H, W) bool; regions are connected by edges or corners.

    Yields:
        A pixel (x, y) of the region and the corners (K, 2) float32 (x, y) of its border, clockwise
        as seen on screen, from 0 to the width and height.
    """
    doubled = inside.view(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    # Unlike RETR_EXTERNAL this also finds what lies in the hole of another region.
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for contour, (*_, parent) in zip(contours, hierarchy[0], strict=True):
        if parent < 0:
            x, y = (int(side) // 2 for side in contour[0, 0])
            yield (x, y), _corners(np.asarray(contour[::-1, 0]))


def _corners(border: NDArray[np.int32]) -> NDArray[np.float32]:
    """Turn the border pixels (N, 2) of a doubled mask into corners between pixels (K, 2)."""
    # Pixel x became 2 x, on its left edge, and 2 x + 1, on its right edge.
    edges = (border + 1) // 2
    edges = edges[(edges != np.roll(edges, 1, axis=0)).any(axis=1)]
    before, after = edges - np.roll(edges, 1, axis=0), np.roll(edges, -1, axis=0) - edges
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    turns |= (before * after).sum(axis=1) < 0
    return np.asarray(edges[turns], np.float32)
