# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Masks, tile labels and boxes land where they belong."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.draw import (
    BoxDrawing,
    TileLabels,
    blend_mask,
    class_borders,
    contrast,
    draw_tiles,
    label_boxes,
    outline_boxes,
    tile_cells,
)
from rs_onboard.perception.lettering import Rect, Style
from rs_onboard.perception.tiles import TilePlan, make_grid

STYLE = Style(14)
PALETTE = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)


def test_mask_tints_known_classes_fades_with_doubt_and_leaves_the_unknown():
    canvas = np.full((60, 90, 3), 100, np.uint8)
    labels = np.zeros((60, 90), np.uint8)
    labels[:, 30:60] = 1
    labels[:, 60:] = 255
    sure = np.full((60, 90), 255, np.uint8)
    sure[30:] = 0
    blend_mask(canvas, labels, PALETTE, sure)
    assert (canvas[:, 61:] == 100).all()
    red, blue, doubt = canvas[10, 10], canvas[10, 45], canvas[50, 10]
    assert red[0] > 160 > 2 * red[1]
    assert blue[2] > 160 > 2 * blue[0]
    assert 100 < doubt[0] < 130
    assert canvas[10, 29, 0] > red[0] + 20, 'borders are nearly solid'


def test_mask_of_another_size_covers_the_canvas():
    canvas = np.full((45, 80, 3), 100, np.uint8)
    labels = np.zeros((90, 160), np.uint8)
    labels[:, 80:] = 1
    blend_mask(canvas, labels, PALETTE)
    assert (canvas[:, :36].argmax(axis=2) == 0).all()
    assert (canvas[:, 44:].argmax(axis=2) == 2).all()


def test_borders_are_where_the_right_or_lower_neighbour_differs():
    ids = np.random.default_rng(5).integers(0, 3, (7, 9))
    expected = [
        [
            (x + 1 < 9 and ids[y, x] != ids[y, x + 1]) or (y + 1 < 7 and ids[y, x] != ids[y + 1, x])
            for x in range(9)
        ]
        for y in range(7)
    ]
    assert np.array_equal(class_borders(ids), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 300), st.integers(40, 300), st.integers(20, 90), st.floats(0, 0.6))
def test_cells_of_a_full_grid_cover_the_frame_exactly_once(height, width, tile, overlap):
    plan = TilePlan(height=tile, width=tile, overlap=int(overlap * tile))
    grid = make_grid(plan, height, width)
    boxes = np.array([tuple(box) for box in grid_boxes(grid)], np.float32)
    cells = tile_cells(boxes, width, height)
    area = (cells[:, 2] - cells[:, 0]) * (cells[:, 3] - cells[:, 1])
    assert area.sum() == pytest.approx(width * height)
    assert (area > 0).all()


def grid_boxes(grid):
    return [grid.box(index) for index in range(len(grid))]


def test_cells_of_tiles_with_one_left_out_do_not_grow_into_the_gap():
    boxes = np.array([[0, 0, 100, 100], [200, 0, 100, 100]], np.float32)
    assert tile_cells(boxes, 300, 100).tolist() == [[0, 0, 100, 100], [200, 0, 300, 100]]


def test_tile_labels_keep_to_their_cells_and_keep_the_score():
    canvas = np.full((200, 400, 3), 90, np.uint8)
    boxes = np.array([[0, 0, 220, 200], [180, 0, 220, 200]], np.float32)
    labels = TileLabels(boxes, ['agricultural land of the far north', 'sea'], [0.87, 1.0])
    left, right = draw_tiles(canvas, 1.0, labels, STYLE)
    assert left.left + left.width < 200 <= right.left
    assert (canvas[100, 200] > 90).all(), 'the cells meet in the middle of the overlap'
    assert (canvas[100, 100] == 90).all()


def test_tiles_scaled_to_nothing_are_drawn_as_nothing():
    canvas = np.zeros((1, 640, 3), np.uint8)
    boxes = np.array([[x, 0.0, 128.0, 2.0] for x in range(0, 70_000, 128)], np.float32)
    names, scores = ['field'] * len(boxes), [0.5] * len(boxes)
    assert draw_tiles(canvas, 640 / 70_000, TileLabels(boxes, names, scores), STYLE) == []


def test_tiles_too_small_for_a_label_show_only_the_grid():
    canvas = np.zeros((40, 40, 3), np.uint8)
    boxes = np.array([[x, y, 20, 20] for y in (0, 20) for x in (0, 20)], np.float32)
    assert draw_tiles(canvas, 1.0, TileLabels(boxes, ['sea'] * 4, [1.0] * 4), STYLE) == []
    assert canvas[20].any()


@pytest.mark.parametrize('theta', [-1.2, -0.5, 0.0, 0.5, 1.2])
@pytest.mark.parametrize('scale', [0.5, 1.0])
def test_positive_theta_turns_clockwise_on_the_screen(theta, scale):
    canvas = np.zeros((200, 200, 3), np.uint8)
    boxes = np.array([[100, 100, 120, 20, theta]], np.float32) / [scale, scale, scale, scale, 1]
    outline_boxes(canvas, scale, BoxDrawing(boxes, [''], PALETTE[:1]), STYLE)
    x, y = 100 + 60 * math.cos(theta), 100 + 60 * math.sin(theta)
    window = canvas[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4, 0]
    assert window.max() > 200, 'the right end of a box lies lower when theta is positive'
    angles = cv2.minAreaRect(np.argwhere(canvas[..., 0] > 100)[:, ::-1].astype(np.float32))
    assert angles[0] == pytest.approx((100, 100), abs=1)


def test_boxes_that_are_no_numbers_are_left_out_and_the_others_drawn():
    canvas = np.zeros((100, 100, 3), np.uint8)
    boxes = np.array([[np.nan, 5, 5, 5, 0], [50, 50, 40, 20, 0], [1e30, 0, 1, 1, 0]], np.float32)
    drawing = BoxDrawing(boxes, ['a', 'b', 'c'], np.repeat(PALETTE[:1], 3, axis=0))
    outline_boxes(canvas, 1.0, drawing, STYLE)
    label_boxes(canvas, 1.0, drawing, STYLE)
    assert canvas[40, 50].any()
    assert canvas[60, 50].any()


def test_labels_of_boxes_cover_neither_each_other_nor_what_is_taken(monkeypatch):
    rects = []
    monkeypatch.setattr(
        'rs_onboard.perception.draw.draw_label', lambda _canvas, rect, *_, **__: rects.append(rect)
    )
    rng = np.random.default_rng(6)
    boxes = np.column_stack([rng.uniform(0, 300, (200, 2)), np.full((200, 2), 20), np.zeros(200)])
    drawing = BoxDrawing(boxes, ['vehicle 90%'] * 200, np.repeat(PALETTE[:1], 200, axis=0))
    taken = Rect(0, 0, 300, 100)
    label_boxes(np.zeros((300, 300, 3), np.uint8), 1.0, drawing, STYLE, [taken])
    assert 3 < len(rects) < 80
    for i, rect in enumerate(rects):
        assert rect.within(300, 300)
        assert not any(rect.overlaps(other) for other in [taken, *rects[:i]])


def test_letters_are_dark_on_light_and_light_on_dark():
    assert contrast((255, 214, 64)) == (14, 17, 20)
    assert contrast((60, 16, 152)) == (255, 255, 255)
