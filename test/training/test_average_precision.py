# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Average precision against hand-computed curves and a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.overlap import iou_pairs
from rs_onboard.training.average_precision import Objects, Ranking, match


def objects(boxes, classes=None, difficult=None):
    count = len(boxes)
    return Objects(
        np.asarray(boxes, np.float64).reshape(-1, 5),
        np.asarray(classes if classes is not None else [0] * count, np.int64),
        np.asarray(difficult if difficult is not None else [False] * count, bool),
    )


def detected(boxes, scores, truth, classes=None, count=1):
    labels = np.asarray(classes if classes is not None else [0] * len(scores), np.int64)
    boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
    return match(boxes, np.asarray(scores, np.float64), labels, truth, count)


def at(x, angle=0.0):
    return [x, 0.0, 20.0, 10.0, angle]


def test_a_hand_computed_curve():
    """Right, wrong, right of three objects: recall 1/3, 1/3, 2/3 at precision 1, 1/2, 2/3."""
    truth = objects([at(0), at(100), at(200)])
    found = detected([at(0), at(50), at(101)], [0.9, 0.8, 0.7], truth)
    assert found.verdicts.tolist() == [1, 0, 1]
    assert Ranking([found]).average_precision() == pytest.approx([1 / 3 + 2 / 3 / 3])
    # Recalls 0 to 0.3 have precision 1, 0.4 to 0.6 have 2/3, the others none.
    voc07 = Ranking([found]).average_precision(method='voc07')
    assert voc07 == pytest.approx([(4 + 3 * 2 / 3) / 11])


def test_a_second_detection_is_wrong_and_a_difficult_object_counts_neither_way():
    truth = objects([at(0), at(100)], difficult=[False, True])
    found = detected([at(1), at(0), at(100), at(99)], [0.7, 0.9, 0.8, 0.6], truth)
    assert found.verdicts.tolist() == [0, 1, -1, -1]
    assert found.positives.tolist() == [1]
    assert Ranking([found]).average_precision() == [1.0]


def test_overlap_is_oriented():
    turned = detected([at(0, np.pi / 2)], [0.9], objects([at(0)]))
    assert turned.verdicts.tolist() == [0]
    assert detected([at(0, np.pi)], [0.9], objects([at(0)])).verdicts.tolist() == [1]


def test_the_best_overlap_decides_even_if_that_object_was_found_before():
    """As the VOC and DOTA programs do: no second look for a free object."""
    truth = objects([at(0), at(4)])
    found = detected([at(0), at(1)], [0.9, 0.8], truth)
    assert found.verdicts.tolist() == [1, 0]


def test_a_class_without_an_object_has_no_figure_and_one_without_a_detection_has_zero():
    truth = objects([at(0)], classes=[1])
    found = detected([at(0)], [0.9], truth, classes=[0], count=3)
    precision = Ranking([found]).average_precision()
    assert np.isnan(precision[[0, 2]]).all()
    assert precision[1] == 0


def slow_average_precision(images, label, drawn, method):
    """One detection after the other, over images repeated as often as drawn."""
    rows = []
    positives = 0
    for number, image in enumerate(images):
        for _ in range(drawn[number]):
            positives += int(image.positives[label])
            rows += [
                (-score, number, place, verdict)
                for place, (score, known, verdict) in enumerate(
                    zip(image.scores, image.classes, image.verdicts, strict=True)
                )
                if known == label and verdict >= 0
            ]
    if not positives:
        return np.nan
    curve, right = [], 0
    ordered = sorted(rows)
    for rank, (score, number, place, verdict) in enumerate(ordered, 1):
        right += verdict
        # Copies of one image are one step of the curve.
        if ordered[rank : rank + 1] and ordered[rank][:3] == (score, number, place):
            continue
        curve.append((right / positives, right / rank))
    if method == 'voc07':
        return np.mean(
            [max((p for r, p in curve if r >= t / 10 - 1e-9), default=0) for t in range(11)]
        )
    area, last = 0.0, 0.0
    for index, (recall, _) in enumerate(curve):
        area += (recall - last) * max(p for _, p in curve[index:])
        last = recall
    return area


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(['area', 'voc07']))
def test_weighed_images_give_what_a_slow_loop_over_repeated_images_gives(seed, method):
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(int(rng.integers(1, 5))):
        truth, n = rng.integers(0, 5), rng.integers(0, 8)
        boxes = [[*rng.uniform(0, 40, 2), 20, 10, rng.uniform(-1, 1)] for _ in range(truth)]
        guesses = [
            [*(np.array(boxes[rng.integers(truth)]) + rng.normal(0, 1.5, 5) * [1, 1, 1, 1, 0.1])]
            if truth and rng.random() < 0.7
            else [*rng.uniform(0, 40, 2), 20, 10, 0.0]
            for _ in range(n)
        ]
        known = objects(boxes, rng.integers(0, 2, truth), rng.random(truth) < 0.2)
        scores = rng.integers(1, 6, n) / 5
        images.append(detected(guesses, scores, known, rng.integers(0, 2, n), count=2))
    drawn = rng.integers(0, 3, len(images))
    found = Ranking(images).average_precision(drawn, method=method)
    expected = [slow_average_precision(images, label, drawn, method) for label in (0, 1)]
    assert found == pytest.approx(expected, nan_ok=True)


def slow_match(boxes, scores, classes, truth, iou):
    verdicts = [0] * len(scores)
    taken = set()
    for row in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        same = [i for i in range(len(truth.classes)) if truth.classes[i] == classes[row]]
        overlaps = [float(iou_pairs([boxes[row]], [truth.boxes[i]])[0]) for i in same]
        if overlaps and max(overlaps) > iou:
            best = same[overlaps.index(max(overlaps))]
            if truth.difficult[best]:
                verdicts[row] = -1
            elif best not in taken:
                verdicts[row] = 1
                taken.add(best)
    return verdicts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_matching_is_that_of_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    n, truth = rng.integers(0, 12), rng.integers(0, 6)
    boxes = rng.uniform([0, 0, 15, 8, -1], [30, 20, 25, 12, 1], (n, 5))
    known = objects(
        rng.uniform([0, 0, 15, 8, -1], [30, 20, 25, 12, 1], (truth, 5)),
        rng.integers(0, 2, truth),
        rng.random(truth) < 0.3,
    )
    scores, classes = rng.integers(1, 5, n) / 4, rng.integers(0, 2, n)
    found = match(boxes, scores, classes, known, 2, iou=0.3)
    assert found.verdicts.tolist() == slow_match(boxes, scores, classes, known, 0.3)
