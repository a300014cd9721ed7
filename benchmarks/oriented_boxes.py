# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Time rotated suppression against OpenCV's, pair by pair and whole, on the same boxes.

Layouts: `scattered` (every object once), `tiles` (five boxes an object, as overlapping tiles give)
and `heap` (all boxes on one object, as an untrained model gives). All run on one thread; the
fastest of several rounds counts, and ratios mean more than milliseconds on a shared machine.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.perception.boxes import circumscribed, corners
from rs_onboard.perception.suppression import suppress

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Kept = NDArray[np.intp]

THRESHOLD = 0.1
IMAGE = 2048.0
BOXES_AN_OBJECT = {'scattered': 1, 'tiles': 5, 'heap': 10**9}
# OpenCV's loops are quadratic in the worst layout; above this they would take minutes.
SLOW_LIMIT = 3000


def layout(name: str, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw (N, 5) boxes and (N,) scores."""
    rng = np.random.default_rng(count)
    objects = max(1, count // BOXES_AN_OBJECT[name])
    seeds = np.column_stack(
        (
            rng.uniform(0, IMAGE, (objects, 2)),
            rng.uniform(20, 80, objects),
            rng.uniform(10, 40, objects),
            rng.uniform(-1.57, 1.57, objects),
        )
    )
    boxes = seeds[rng.integers(0, objects, count)]
    boxes += rng.normal(0, 1, (count, 5)) * [2, 2, 1, 1, 0.05]
    return np.abs(boxes), rng.random(count)


def pair_by_pair(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> Kept:
    """Suppress with a gate on the circumscribed boxes and one exact OpenCV call a pair."""
    order = np.argsort(-scores, kind='stable')
    quads = corners(boxes[order]).astype(np.float32)
    around, area = circumscribed(boxes[order]), np.prod(boxes[order, 2:4], axis=1)
    alive = np.ones(len(boxes), dtype=bool)
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        near = np.flatnonzero(
            alive[i + 1 :]
            & (around[i + 1 :, 0] < around[i, 2])
            & (around[i + 1 :, 2] > around[i, 0])
            & (around[i + 1 :, 1] < around[i, 3])
            & (around[i + 1 :, 3] > around[i, 1])
        )
        for j in near + i + 1:
            shared, _ = cv2.intersectConvexConvex(quads[i], quads[j])
            alive[j] = shared <= THRESHOLD * (area[i] + area[j] - shared)
    return order[alive]


def opencv(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> Kept:
    """Suppress with OpenCV's own function."""
    rects = [((x, y), (w, h), float(np.rad2deg(t))) for x, y, w, h, t in boxes.tolist()]
    return np.asarray(cv2.dnn.NMSBoxesRotated(rects, scores.tolist(), 0.0, THRESHOLD)).ravel()


def ours(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> Kept:
    """Suppress with the flight code."""
    return suppress(boxes, scores, threshold=THRESHOLD)


def fastest(function: Callable[[], Kept], rounds: int) -> tuple[float, Kept]:
    """Return milliseconds and result of the fastest round."""
    best, kept = np.inf, function()
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        kept = function()
        best = min(best, (time.perf_counter_ns() - begin) / 1e6)
    return best, kept


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--counts', type=int, nargs='+', default=[200, 1000, 3000, 100_000])
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print('| boxes | layout | kept | ours ms | pair by pair ms | NMSBoxesRotated ms | same |')
    print('|---|---|---|---|---|---|---|')
    for count in given.counts:
        for name in BOXES_AN_OBJECT:
            boxes, scores = layout(name, count)
            mine, kept = fastest(lambda b=boxes, s=scores: ours(b, s), given.rounds)
            cells = ['-', '-', '-']
            if count <= SLOW_LIMIT:
                pairs, theirs = fastest(lambda b=boxes, s=scores: pair_by_pair(b, s), 2)
                whole, _ = fastest(lambda b=boxes, s=scores: opencv(b, s), 1)
                same = 'yes' if np.array_equal(kept, theirs) else 'no'
                cells = [f'{pairs:.1f} ({pairs / mine:.0f}x)', f'{whole:.0f}', same]
                cells[1] += f' ({whole / mine:.0f}x)'
            print(f'| {count} | {name} | {len(kept)} | {mine:.2f} | {" | ".join(cells)} |')


if __name__ == '__main__':
    main()
