# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The overlap of oriented boxes equals slow polygon clipping, however awkward the boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception import overlap
from rs_onboard.perception.boxes import corners
from rs_onboard.perception.overlap import Geometry, iou_matrix, iou_pairs, overlapping

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'orcnn_ops.npz'
PLACES = st.floats(-60, 60)
SIZES = st.floats(0.01, 120)
BOXES = st.tuples(PLACES, PLACES, SIZES, SIZES, st.floats(-7, 7)).map(lambda row: np.array([row]))


def polygon_area(points):
    """Sum the cross products of a polygon's corners."""
    total = 0.0
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        total += x0 * y1 - x1 * y0
    return abs(total) / 2


def clip(points, begin, end):
    """Keep the part of a polygon to the right of the line (y down: inside of our corner order)."""
    (ax, ay), (bx, by) = begin, end
    side = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in points]
    kept = []
    for k, (x1, y1) in enumerate(points):
        (x0, y0), s0, s1 = points[k - 1], side[k - 1], side[k]
        if (s0 < 0) != (s1 < 0):
            t = s0 / (s0 - s1)
            kept.append((x0 + t * (x1 - x0), y0 + t * (y1 - y0)))
        if s1 >= 0:
            kept.append((x1, y1))
    return kept


def slow_iou(one, two):
    """Clip one rectangle by the sides of the other (Sutherland and Hodgman), corner by corner."""
    middle = (one[:2] + two[:2]) / 2
    first, second = (
        [tuple(p) for p in corners([[*(box[:2] - middle), *box[2:]]])[0]] for box in (one, two)
    )
    polygon = first
    for begin, end in zip(second, second[1:] + second[:1], strict=True):
        polygon = clip(polygon, begin, end)
    shared = polygon_area(polygon) if len(polygon) > 2 else 0.0
    return shared / (one[2] * one[3] + two[2] * two[3] - shared)


def iou(one, two):
    return float(iou_pairs(one, two)[0])


@settings(max_examples=300)
@given(BOXES, BOXES)
def test_any_two_boxes_overlap_as_polygon_clipping_says(one, two):
    assert iou(one, two) == pytest.approx(slow_iou(one[0], two[0]), abs=1e-9)


@given(BOXES, BOXES)
def test_overlap_does_not_depend_on_the_order(one, two):
    assert iou(one, two) == pytest.approx(iou(two, one), abs=1e-9)


@given(BOXES, BOXES, st.floats(-4, 4), PLACES, PLACES)
def test_overlap_survives_rotation_and_translation_of_the_plane(one, two, turn, dx, dy):
    cos, sin = np.cos(turn), np.sin(turn)
    moved = []
    for box in (one, two):
        x, y = box[0, :2]
        place = (x * cos - y * sin + dx, x * sin + y * cos + dy)
        moved.append(np.array([[*place, *box[0, 2:4], box[0, 4] + turn]]))
    assert iou(*moved) == pytest.approx(iou(one, two), abs=1e-9)


@given(BOXES, BOXES, st.integers(-3, 3))
def test_overlap_ignores_how_a_rectangle_is_written(one, two, turns):
    other = two.copy()
    other[0, 4] += turns * np.pi / 2
    if turns % 2:
        other[0, 2:4] = other[0, 3:1:-1]
    assert iou(one, other) == pytest.approx(iou(one, two), abs=1e-9)


@given(BOXES)
def test_a_box_covers_itself_whole(box):
    assert iou(box, box) == pytest.approx(1.0, abs=1e-9)


@given(st.floats(-4, 4), st.floats(-1e-12, 1e-12))
def test_boxes_that_share_a_side_do_not_overlap(theta, noise):
    one = np.array([[500.0, 300.0, 40.0, 10.0, theta]])
    step = 10 * np.array([-np.sin(theta), np.cos(theta)])
    two = one.copy()
    two[0, :2] += step
    two[0, 4] += noise
    assert iou(one, two) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(-4, 4), st.floats(-1e-9, 1e-9), st.floats(-1e-9, 1e-9))
def test_duplicates_up_to_rounding_overlap_whole(theta, shift, turn):
    one = np.array([[500.0, 300.0, 40.0, 10.0, theta]])
    two = one + np.array([shift, -shift, 0, 0, turn])
    assert iou(one, two) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize('thickness', [1e-3, 1e-2, 1.0])
def test_thin_crossing_boxes_share_their_crossing(thickness):
    one = np.array([[1000.0, 1000.0, 1000.0, thickness, 0.3]])
    two = np.array([[1000.0, 1000.0, 1000.0, thickness, 0.3 + np.pi / 2]])
    both = 2 * 1000 * thickness - thickness**2
    assert iou(one, two) == pytest.approx(thickness**2 / both, rel=1e-6)


def test_one_box_within_another_gives_the_ratio_of_areas():
    assert iou([[0, 0, 100, 100, 0.2]], [[5, -7, 10, 4, 1.1]]) == pytest.approx(0.004)


@pytest.mark.parametrize(
    'odd',
    [
        [0, 0, 0, 0, 0],
        [0, 0, 10, 0, 0.4],
        [np.nan, 0, 10, 10, 0],
        [0, 0, np.inf, 10, 0],
        [0, 0, 10, 10, np.nan],
        [0, 0, -10, 10, 0],
    ],
)
def test_degenerate_boxes_overlap_nothing_without_a_warning(odd):
    plain = [0, 0, 10, 10, 0]
    with np.errstate(all='raise'):
        assert iou([odd], [plain]) == iou([plain], [odd]) == iou([odd], [odd]) == 0.0
        assert iou_matrix([odd, plain], [plain, odd]).tolist() == [[0, 0], [1, 0]]


def scene(rng, count, size=300.0):
    """Boxes of a town: clusters of near duplicates, some large, some thin."""
    seeds = np.column_stack(
        (
            rng.uniform(0, size, (count // 3 + 1, 2)),
            rng.uniform(2, 80, (count // 3 + 1, 2)),
            rng.uniform(-2, 2, count // 3 + 1),
        )
    )
    boxes = seeds[rng.integers(0, len(seeds), count)]
    return boxes + rng.normal(0, 1, (count, 5)) * [3, 3, 0.2, 0.2, 0.1]


def test_the_matrix_equals_the_pairs_whatever_the_chunks(monkeypatch):
    rng = np.random.default_rng(3)
    one, two = np.abs(scene(rng, 40)), np.abs(scene(rng, 60))
    expected = [[slow_iou(a, b) for b in two] for a in one]
    assert np.allclose(iou_matrix(one, two), expected, atol=1e-9)
    assert np.count_nonzero(expected) > 150
    monkeypatch.setattr(overlap, 'CHUNK_PAIRS', 7)
    monkeypatch.setattr(overlap, 'CLIP_PAIRS', 5)
    assert np.allclose(iou_matrix(one, two), expected, atol=1e-9)
    assert np.allclose(iou_matrix(two, one), np.transpose(expected), atol=1e-9)


@pytest.mark.parametrize('threshold', [0.0, 0.1, 0.5, 0.8])
def test_the_bound_drops_no_pair_above_the_threshold(threshold):
    boxes = np.abs(scene(np.random.default_rng(5), 150))
    i, j = overlapping(Geometry.of(boxes), None, threshold)
    matrix = np.triu(iou_matrix(boxes, boxes), 1)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == set(
        zip(*(rows.tolist() for rows in np.nonzero(matrix > threshold)), strict=True)
    )
    halves = Geometry.of(boxes[:70]), Geometry.of(boxes[70:])
    i, j = overlapping(*halves, threshold)
    assert len(i) == np.count_nonzero(matrix[:70, 70:] > threshold)


def test_groups_never_meet():
    boxes = np.abs(scene(np.random.default_rng(6), 120))
    groups = np.arange(120) % 5 - 2
    i, j = overlapping(Geometry.of(boxes, groups), None, 0.05)
    matrix = np.triu(iou_matrix(boxes, boxes), 1) * (groups[:, None] == groups)
    assert len(i) == np.count_nonzero(matrix > 0.05) > 0
    assert (groups[i] == groups[j]).all()


def test_iou_agrees_with_the_golden_matrix():
    with np.load(GOLDEN) as npz:
        one, two, expected = (
            npz[f'out_iou_{name}_sample'].reshape(npz[f'out_iou_{name}_shape'])
            for name in ('a', 'b', 'matrix')
        )
    assert np.abs(iou_matrix(one, two) - expected).max() < 1e-6


def test_pairs_of_different_counts_are_refused():
    with pytest.raises(ValueError, match='2 boxes cannot be paired with 3'):
        iou_pairs(np.ones((2, 5)), np.ones((3, 5)))
