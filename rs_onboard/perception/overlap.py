# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Exact overlap of oriented boxes, vectorised over pairs.

The intersection of two boxes is the area of the second, seen in the frame of the first, within
|x| <= a and |y| <= b. That area is the integral over x in [-a, a] of the difference between the
upper and lower boundary, each clamped to [-b, b]; the boundary is four straight edges, so the
integral has a closed form and is a continuous function of the input. Clipping polygons or sorting
intersection points loses whole edges when two edges coincide up to rounding, which duplicates from
overlapping tiles do all the time; the integral cannot.

Most pairs never get there: a sweep along x over the circumscribed boxes lists the candidates, and
an upper bound of the intersection drops those that cannot reach the threshold asked for.
Memory is bounded by `CHUNK_PAIRS` candidates at a time, whatever the number of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.boxes import as_boxes, valid_boxes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

# Sweep candidates expanded at once: about 40 MB of temporary arrays.
CHUNK_PAIRS = 1 << 18

# Pairs clipped at once: 30 arrays of (4, 2048) float64 stay in a 2 MB second-level cache.
CLIP_PAIRS = 2048

# Below this area (square pixels) a box is a line or a point and overlaps nothing.
MIN_AREA = 1e-14

# Room for rounding in the upper bound, relative to the sum of both areas.
BOUND_SLACK = 1e-9


@dataclass(frozen=True)
class Geometry:
    """What the overlap of boxes needs of each box, computed once.

    Attributes:
        frame: (6, N) float64: cx, cy, half width, half height, cos theta, sin theta.
        half: (2, N) float64: half extents of the circumscribed box in x and y, pixels.
        area: (N,) float64, square pixels. Rows that are not `valid` are points at the origin.
        lane: (N,) float64: shift along the sweep, pixels; boxes of different groups never meet.
        valid: (N,) bool.
    """

    frame: NDArray[np.float64]
    half: NDArray[np.float64]
    area: NDArray[np.float64]
    lane: NDArray[np.float64]
    valid: NDArray[np.bool_]

    @classmethod
    def of(cls, boxes: ArrayLike, groups: ArrayLike | None = None) -> Geometry:
        """Prepare (N, 5) boxes; only boxes of the same group (N,) are looked at together."""
        array = as_boxes(boxes)
        valid = valid_boxes(array)
        if not valid.all():
            array = np.where(valid[:, None], array, 0.0)
        frame = np.empty((6, len(array)))
        frame[:2] = array[:, :2].T
        frame[2:4] = array[:, 2:4].T / 2
        frame[4], frame[5] = np.cos(array[:, 4]), np.sin(array[:, 4])
        cos, sin = np.abs(frame[4:])
        half = np.stack((frame[2] * cos + frame[3] * sin, frame[2] * sin + frame[3] * cos))
        lane = np.zeros(len(array))
        if groups is not None and len(array):
            _, number = np.unique(np.asarray(groups), return_inverse=True)
            lane = number * (2 * float((np.abs(frame[:2]) + half).max()) + 1.0)
        return cls(frame, half, array[:, 2] * array[:, 3], lane, valid)

    def take(self, rows: NDArray[np.intp]) -> Geometry:
        """Return the geometry of some rows, in the order asked for."""
        return Geometry(
            self.frame[:, rows],
            self.half[:, rows],
            self.area[rows],
            self.lane[rows],
            self.valid[rows],
        )


def iou_pairs(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the IoU of row i of `first` with row i of `second`, shape (N,), in [0, 1].

    Rows that are not valid boxes and boxes without area have IoU 0.
    """
    one, two = Geometry.of(first), Geometry.of(second)
    if one.area.shape != two.area.shape:
        raise ValueError(
            f'{len(one.area)} boxes cannot be paired with {len(two.area)}; expected as many. '
            'Use iou_matrix for every combination.'
        )
    rows = np.arange(len(one.area))
    return _iou(one, two, rows, rows)


def iou_matrix(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the IoU of every row of `first` (N) with every row of `second` (M), shape (N, M)."""
    one, two = Geometry.of(first), Geometry.of(second)
    matrix = np.zeros((len(one.area), len(two.area)))
    for i, j in candidates(one, two):
        matrix[i, j] = _iou(one, two, i, j)
    return matrix


def overlapping(
    one: Geometry, two: Geometry | None, threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """List the pairs whose IoU is above `threshold`.

    Args:
        one: The first boxes.
        two: The second boxes, or None for the pairs (i, j), i < j, of the first.
        threshold: IoU in [0, 1).

    Returns:
        Row numbers of the first and of the second box of each pair, in no particular order.
    """
    other = one if two is None else two
    firsts, seconds = [], []
    for i, j in candidates(one, two):
        may = _can_exceed(one, other, i, j, threshold)
        kept_i, kept_j = i[may], j[may]
        above = _iou(one, other, kept_i, kept_j) > threshold
        firsts.append(kept_i[above])
        seconds.append(kept_j[above])
    none = np.zeros(0, dtype=np.intp)
    return np.concatenate([none, *firsts]), np.concatenate([none, *seconds])


def candidates(
    one: Geometry, two: Geometry | None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the pairs whose circumscribed boxes overlap, at most `CHUNK_PAIRS` swept at a time.

    Pairs are (i of one, j of two); of one set alone (`two` is None) they have i < j.
    """
    axis = _sweep_axis(one)
    if two is None:
        for i, j in _sweep(one, one, axis, same=True):
            yield np.minimum(i, j), np.maximum(i, j)
        return
    # Of two overlapping intervals exactly one starts within the other, up to equal starts, which
    # the first pass alone takes. Both passes must go along the same axis.
    yield from _sweep(one, two, axis)
    for j, i in _sweep(two, one, axis, strict=True):
        yield i, j


def _sweep(
    one: Geometry, two: Geometry, axis: int, *, same: bool = False, strict: bool = False
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the pairs where the box of `two` starts within the box of `one`, along `axis`."""
    middle = one.frame[axis] + one.lane
    # Lanes cost digits; the slack gives back what their rounding may have cut off.
    slack = 1e-15 * np.abs(middle).max(initial=0.0)
    low_one, high_one = middle - one.half[axis], middle + one.half[axis] + slack
    low_two = two.frame[axis] + two.lane - two.half[axis]
    order_two = np.argsort(low_two, kind='stable')
    order_one = order_two if same else np.argsort(low_one, kind='stable')
    sorted_two = low_two[order_two]
    begin = (
        np.arange(1, len(order_one) + 1)
        if same
        else np.searchsorted(sorted_two, low_one[order_one], 'right' if strict else 'left')
    )
    end = np.searchsorted(sorted_two, high_one[order_one], 'right')
    counts = np.maximum(end - begin, 0)
    across = 1 - axis
    centre_one, half_one = one.frame[across][order_one], one.half[across][order_one]
    centre_two, half_two = two.frame[across][order_two], two.half[across][order_two]
    for start, stop in _chunks(counts):
        count = counts[start:stop]
        left = np.repeat(np.arange(start, stop), count)
        offset = begin[start:stop] - np.concatenate(([0], np.cumsum(count)[:-1]))
        right = np.arange(len(left)) + np.repeat(offset, count)
        apart = np.abs(centre_one[left] - centre_two[right])
        meet = np.flatnonzero(apart <= half_one[left] + half_two[right])
        yield order_one[left[meet]], order_two[right[meet]]


def _sweep_axis(boxes: Geometry) -> int:
    """Return the axis (0 x, 1 y) along which intervals are short relative to their spread."""
    if not len(boxes.area):
        return 0
    spread = boxes.frame[:2].std(axis=1) + 1e-9
    return int(np.argmin(boxes.half.mean(axis=1) / spread))


def _chunks(counts: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Split rows so that each part has at most `CHUNK_PAIRS` pairs, or one row."""
    total = np.cumsum(counts)
    start, rows = 0, len(counts)
    while start < rows:
        done = total[start - 1] if start else 0
        stop = int(np.searchsorted(total, done + CHUNK_PAIRS, 'right'))
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def _can_exceed(
    one: Geometry, two: Geometry, i: NDArray[np.intp], j: NDArray[np.intp], threshold: float
) -> NDArray[np.intp]:
    """Return the positions of the pairs whose IoU may be above `threshold`.

    The intersection is at most the smaller area, and at most the overlap of either box with the
    rectangle around the other in its own frame.
    """
    both = one.area[i] + two.area[j]
    needed = (threshold / (1 + threshold) - BOUND_SLACK) * both
    some = np.flatnonzero(np.minimum(one.area[i], two.area[j]) >= needed)
    i, j, needed = i[some], j[some], needed[some]
    ax, ay, aw, ah, acos, asin = one.frame[:, i]
    bx, by, bw, bh, bcos, bsin = two.frame[:, j]
    dx, dy = bx - ax, by - ay
    cos, sin = np.abs(acos * bcos + asin * bsin), np.abs(acos * bsin - asin * bcos)
    bound = _common(aw, bw * cos + bh * sin, np.abs(dx * acos + dy * asin))
    bound *= _common(ah, bw * sin + bh * cos, np.abs(dy * acos - dx * asin))
    other = _common(bw, aw * cos + ah * sin, np.abs(dx * bcos + dy * bsin))
    other *= _common(bh, aw * sin + ah * cos, np.abs(dy * bcos - dx * bsin))
    return np.asarray(some[np.minimum(bound, other) >= needed])


def _common(
    half_a: NDArray[np.float64], half_b: NDArray[np.float64], apart: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the common length of two intervals from their half lengths and centre distance."""
    reach = np.minimum(2 * np.minimum(half_a, half_b), half_a + half_b - apart)
    return np.asarray(np.maximum(reach, 0.0))


def shared_area(
    one: Geometry, two: Geometry, i: NDArray[np.intp], j: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the exact intersection areas of the pairs (i of one, j of two), square pixels."""
    shared = np.empty(len(i))
    for start in range(0, len(i), CLIP_PAIRS):
        part = slice(start, start + CLIP_PAIRS)
        shared[part] = _intersection(one.frame[:, i[part]], two.frame[:, j[part]])
    return np.clip(shared, 0.0, np.minimum(one.area[i], two.area[j]))


def _iou(
    one: Geometry, two: Geometry, i: NDArray[np.intp], j: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the exact IoU of the pairs, in [0, 1]."""
    shared = shared_area(one, two, i, j)
    area_i, area_j = one.area[i], two.area[j]
    flat = np.minimum(area_i, area_j) < MIN_AREA
    return np.where(flat, 0.0, shared / np.where(flat, 1.0, area_i + area_j - shared))


def _intersection(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection areas of the boxes with frames `a` and `b`, both (6, P)."""
    ax, ay, half_x, half_y, acos, asin = a
    bx, by, bw, bh, bcos, bsin = b
    dx, dy = bx - ax, by - ay
    cos, sin = acos * bcos + asin * bsin, acos * bsin - asin * bcos
    ux, uy, vx, vy = bw * cos, bw * sin, -bh * sin, bh * cos
    x, y = np.empty((5, len(ax))), np.empty((5, len(ax)))
    px, py = dx * acos + dy * asin, dy * acos - dx * asin
    for row, (s, t) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
        x[row] = px + s * ux + t * vx
        y[row] = py + s * uy + t * vy
    x[4], y[4] = x[0], y[0]
    # Cut every edge to |x| <= half_x; an edge outside becomes a point and adds nothing.
    inside = np.minimum(np.maximum(x, -half_x), half_x)
    run, rise = np.diff(x, axis=0), np.diff(y, axis=0)
    run = np.where(run == 0.0, 1.0, run)
    y0 = y[:-1] + np.clip((inside[:-1] - x[:-1]) / run, 0.0, 1.0) * rise
    y1 = y[:-1] + np.clip((inside[1:] - x[:-1]) / run, 0.0, 1.0) * rise
    heights = _mean_clamped(y0, y1, half_y)
    area: NDArray[np.float64] = np.abs((np.diff(inside, axis=0) * heights).sum(axis=0))
    return area


def _mean_clamped(
    y0: NDArray[np.float64], y1: NDArray[np.float64], limit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of `clamp(y, -limit, limit)` while y runs from `y0` to `y1`.

    Cancellation for nearly equal ends is harmless: the mean lies between the clamped ends.
    """
    c0 = np.minimum(np.maximum(y0, -limit), limit)
    c1 = np.minimum(np.maximum(y1, -limit), limit)
    rise = y1 - y0
    whole = (c1 - c0) * (c1 + c0) * 0.5 + c1 * (y1 - c1) - c0 * (y0 - c0)
    mean = whole / np.where(rise == 0.0, 1.0, rise)
    return np.asarray(np.clip(mean, np.minimum(c0, c1), np.maximum(c0, c1)))
