# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Suppression keeps what a slow greedy loop keeps, in a fixed order, whatever comes in."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception import suppression
from rs_onboard.perception.boxes import circumscribed
from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.perception.suppression import suppress

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'orcnn_ops.npz'


def scene(seed, count, size=400.0):
    """Boxes in clusters, with scores and classes."""
    rng = np.random.default_rng(seed)
    seeds = np.column_stack(
        (
            rng.uniform(0, size, (count // 4 + 1, 2)),
            rng.uniform(20, 60, count // 4 + 1),
            rng.uniform(5, 30, count // 4 + 1),
            rng.uniform(-2, 2, count // 4 + 1),
        )
    )
    boxes = seeds[rng.integers(0, len(seeds), count)]
    boxes = boxes + rng.normal(0, 1, (count, 5)) * [3, 3, 1, 1, 0.1]
    return np.abs(boxes), rng.permutation(count) / count, rng.integers(0, 3, count)


def slow(boxes, scores, classes, threshold):
    """Decide box by box over the whole IoU matrix."""
    matrix = iou_matrix(boxes, boxes)
    kept = []
    for i in np.argsort(-scores, kind='stable'):
        rivals = [k for k in kept if classes[k] == classes[i]]
        if not (matrix[rivals, i] > threshold).any():
            kept.append(int(i))
    return kept


@pytest.mark.parametrize('threshold', [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize('blocks', [(128, 4096), (4, 16), (1, 1)])
def test_kept_boxes_are_those_of_the_slow_loop(monkeypatch, threshold, blocks):
    monkeypatch.setattr(suppression, 'FIRST_BLOCK', blocks[0])
    monkeypatch.setattr(suppression, 'LARGEST_BLOCK', blocks[1])
    boxes, scores, classes = scene(1, 300)
    expected = slow(boxes, scores, classes, threshold)
    assert 30 < len(expected) < 300
    assert suppress(boxes, scores, classes, threshold=threshold).tolist() == expected
    alone = slow(boxes, scores, np.zeros(300), threshold)
    assert suppress(boxes, scores, threshold=threshold).tolist() == alone


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(seed, random):
    boxes, scores, classes = scene(seed, 60)
    order = np.array(random.sample(range(60), 60))
    kept = suppress(boxes, scores, classes, threshold=0.1)
    shuffled = suppress(boxes[order], scores[order], classes[order], threshold=0.1)
    assert order[shuffled].tolist() == kept.tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(-4, 4), st.floats(-1e3, 1e3))
def test_moving_the_plane_does_not_matter(seed, turn, shift):
    boxes, scores, classes = scene(seed, 60)
    moved = boxes.copy()
    cos, sin = np.cos(turn), np.sin(turn)
    moved[:, :2] = boxes[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + shift
    moved[:, 4] += turn
    kept = suppress(boxes, scores, classes, threshold=0.1)
    assert suppress(moved, scores, classes, threshold=0.1).tolist() == kept.tolist()


def test_equal_scores_keep_the_first_row():
    boxes = np.tile([50.0, 50.0, 20.0, 10.0, 0.3], (4, 1))
    assert suppress(boxes, np.full(4, 0.5), threshold=0.5).tolist() == [0]
    assert suppress(boxes, np.full(4, 0.5), [2, 1, 2, 1], threshold=0.5).tolist() == [0, 1]


def test_a_suppressed_box_suppresses_nothing():
    row = [[x, 0, 10, 10, 0] for x in (0.0, 4.0, 8.0)]
    assert suppress(row, [0.9, 0.8, 0.7], threshold=0.3).tolist() == [0, 2]


def test_touching_boxes_stay_even_at_threshold_zero():
    row = [[10.0 * i, 0, 10, 10, 0] for i in range(5)]
    assert suppress(row, np.arange(5.0), threshold=0.0).tolist() == [4, 3, 2, 1, 0]


def test_the_limit_keeps_the_best():
    boxes, scores, classes = scene(2, 200)
    kept = suppress(boxes, scores, classes, threshold=0.1)
    assert suppress(boxes, scores, classes, threshold=0.1, limit=7).tolist() == kept[:7].tolist()
    assert suppress(boxes, scores, threshold=0.1, limit=0).tolist() == []


def test_bad_rows_are_dropped_and_suppress_nothing():
    plain = [50, 50, 20, 10, 0]
    boxes = [[np.nan, 50, 20, 10, 0], plain, [50, 50, np.inf, 10, 0], plain, plain, plain]
    scores = [0.99, np.nan, 0.98, 0.5, 0.6, np.inf]
    assert suppress(boxes, scores, threshold=0.1).tolist() == [4]


def test_nothing_gives_nothing():
    assert suppress(np.zeros((0, 5)), [], [], threshold=0.1).tolist() == []


def test_a_hundred_thousand_boxes_on_one_spot_need_little_memory():
    rng = np.random.default_rng(4)
    boxes = rng.normal(0, 1, (100_000, 5)) * [2, 2, 1, 1, 0.1] + [500, 500, 40, 20, 0]
    tracemalloc.start()
    kept = suppress(boxes, rng.random(100_000), threshold=0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) < 20
    assert peak < 150e6, f'{peak / 1e6:.0f} MB: pairs of suppressed boxes are listed again'


def test_different_lengths_and_thresholds_are_refused():
    with pytest.raises(ValueError, match='expected one score and one class a box'):
        suppress(np.ones((3, 5)), np.ones(2), threshold=0.1)
    with pytest.raises(ValueError, match='expected one score and one class a box'):
        suppress(np.ones((3, 5)), np.ones(3), np.ones(4), threshold=0.1)
    with pytest.raises(ValueError, match=r'IoU threshold 1.0 is refused; expected 0 <='):
        suppress(np.ones((3, 5)), np.ones(3), threshold=1.0)


def golden(npz, name):
    return npz[f'out_{name}_sample'].reshape(npz[f'out_{name}_shape'])


def test_suppression_agrees_with_the_golden_vectors():
    with np.load(GOLDEN) as npz:
        boxes, scores = golden(npz, 'nms_boxes'), golden(npz, 'nms_scores')
        kept = suppress(boxes, scores, threshold=0.1)
        assert kept.tolist() == golden(npz, 'nms_rotated_keep_0.1').tolist()
        around = circumscribed(boxes)
        flat = np.column_stack(
            ((around[:, :2] + around[:, 2:]) / 2, around[:, 2:] - around[:, :2], np.zeros(300))
        )
        for threshold in (0.3, 0.5):
            kept = suppress(flat, scores, golden(npz, 'nms_levels'), threshold=threshold)
            assert kept.tolist() == golden(npz, f'nms_horizontal_keep_{threshold}').tolist()
