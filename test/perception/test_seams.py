# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Objects at the seams of tiles are found exactly once, wherever the seams run."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rs_onboard.perception.boxes import corners, from_opencv
from rs_onboard.perception.overlap import iou_pairs
from rs_onboard.perception.seams import cut_boxes, enclosing, join_tiles
from rs_onboard.perception.suppression import suppress
from rs_onboard.perception.tiles import TilePlan, make_grid

FRAME = 448
TILE = 256
GRID = make_grid(TilePlan(TILE, TILE, overlap=64), FRAME, FRAME)
SLIVER = 6.0  # square pixels of an object that a detector may still see


def tiles_see(objects, score):
    """Give each tile the box of the visible part of each object, as a perfect detector would."""
    boxes, scores, classes, tile = [], [], [], []
    for index in range(len(GRID)):
        y, x = GRID.origin(index)
        view = np.float32([[x, y], [x + TILE, y], [x + TILE, y + TILE], [x, y + TILE]])
        for label, quad in enumerate(corners(objects).astype(np.float32)):
            area, part = cv2.intersectConvexConvex(quad, view)
            if area < SLIVER:
                continue
            (cx, cy), size, angle = cv2.minAreaRect(part)
            boxes.append(from_opencv([[cx - x, cy - y, *size, angle]])[0])
            scores.append(score(area))
            classes.append(label % 2)
            tile.append(index)
    return boxes, scores, classes, tile


@pytest.mark.parametrize('size', [(14, 6), (40, 22), (60, 60), (170, 30), (230, 12)])
@pytest.mark.parametrize('angle', [0.0, 0.4, 0.8, 1.57, -0.7])
def test_an_object_that_slides_over_every_seam_is_found_exactly_once(size, angle):
    counts, worst, cut = [], 1.0, 0
    # Parts score higher the smaller they are: the most misleading detector there is.
    for x in range(120, 330, 11):
        for y in (130, 193, 224, 256, 290):
            truth = np.array([[x, y, *size, angle]], dtype=float)
            seen = tiles_see(truth, lambda area: 1 / (1 + area))
            cut += len(seen[0]) > 1
            found = join_tiles(*seen, GRID, threshold=0.1)
            counts.append(len(found.boxes))
            if len(found.boxes) == 1:
                worst = min(worst, float(iou_pairs(found.boxes, truth)[0]))
    assert cut > 15
    assert set(counts) == {1}
    assert worst > 0.8


def test_greedy_suppression_alone_finds_it_more_than_once():
    truth = np.array([[224.0, 130.0, 230.0, 12.0, 0.0]])
    boxes, scores, classes, tile = tiles_see(truth, lambda area: 1 / (1 + area))
    shifted = np.array(boxes)
    shifted[:, :2] += [GRID.origin(index)[::-1] for index in tile]
    assert len(suppress(shifted, scores, classes, threshold=0.3)) == 2
    assert len(join_tiles(boxes, scores, classes, tile, GRID, threshold=0.3).boxes) == 1


def test_neighbours_in_a_row_across_a_seam_stay_apart():
    row = np.array([[100.0 + 16 * k, 224.0, 36.0, 12.0, 1.57] for k in range(16)])
    found = join_tiles(*tiles_see(row, lambda area: area / 1000), GRID, threshold=0.1)
    assert len(found.boxes) == 16
    order = np.argsort(found.boxes[:, 0])
    assert iou_pairs(found.boxes[order], row).min() > 0.8


def test_objects_of_different_class_are_not_joined():
    truth = np.array([[224.0, 130.0, 170.0, 30.0, 0.0], [230.0, 132.0, 170.0, 30.0, 0.0]])
    found = join_tiles(*tiles_see(truth, lambda _: 0.5), GRID, threshold=0.1)
    assert sorted(found.classes.tolist()) == [0, 1]
    assert found.joined.all()


def test_only_sides_within_the_frame_cut():
    at_left, at_right = [1.0, 100.0, 20.0, 10.0, 0.0], [254.0, 100.0, 20.0, 10.0, 0.0]
    boxes = np.array([at_left, at_right, at_left, at_right])
    assert cut_boxes(boxes, np.array([0, 0, 1, 1]), GRID).tolist() == [False, True, True, False]


def test_joined_boxes_keep_the_direction_of_the_largest():
    halves = np.array([[50.0, 50.0, 60.0, 10.0, 0.5], [85.1, 69.2, 20.0, 10.0, 0.5]])
    assert np.allclose(enclosing(halves)[2:], [80, 10, 0.5], atol=0.1)


def test_the_result_does_not_depend_on_the_order_of_the_boxes():
    rng = np.random.default_rng(1)
    truth = np.column_stack(
        (
            rng.uniform(30, 420, (40, 2)),
            rng.uniform(20, 90, 40),
            rng.uniform(8, 20, 40),
            rng.uniform(-1.5, 1.5, 40),
        )
    )
    boxes, _, classes, tile = (np.array(part) for part in tiles_see(truth, lambda _: 0.5))
    scores = rng.permutation(len(boxes)) / len(boxes)
    found = join_tiles(boxes, scores, classes, tile, GRID, threshold=0.1)
    order = rng.permutation(len(boxes))
    again = join_tiles(
        boxes[order], scores[order], classes[order], tile[order], GRID, threshold=0.1
    )
    assert np.allclose(again.boxes, found.boxes)
    assert np.array_equal(again.scores, found.scores)
    assert (np.diff(found.scores) <= 0).all()


def test_nothing_and_bad_boxes_give_nothing():
    assert join_tiles([], [], [], [], GRID, threshold=0.1).boxes.shape == (0, 5)
    bad = [[np.nan, 5, 10, 5, 0], [5, 5, -1, 5, 0]]
    assert join_tiles(bad, [0.5, 0.5], [0, 0], [0, 1], GRID, threshold=0.1).boxes.shape == (0, 5)
