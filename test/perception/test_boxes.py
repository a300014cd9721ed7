# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented boxes keep their shape through every convention."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.perception.boxes import (
    MAX_COORDINATE,
    areas,
    as_boxes,
    circumscribed,
    corners,
    from_axis_aligned,
    from_corners,
    from_opencv,
    normalise,
    to_opencv,
    valid_boxes,
    wrap_angle,
)

SIZES = st.floats(0.5, 300)
PLACES = st.floats(-500, 500)
BOXES = st.tuples(PLACES, PLACES, SIZES, SIZES, st.floats(-20, 20)).map(lambda row: np.array([row]))


def same_corners(one, two):
    """Compare the corner sets of two boxes, whatever corner comes first."""
    apart = np.linalg.norm(corners(one)[0][:, None] - corners(two)[0], axis=-1)
    return apart.min(axis=1).max() < 1e-6


def test_theta_turns_clockwise_on_screen():
    drawn = np.zeros((100, 100), np.uint8)
    quad = corners([[50, 50, 60, 6, np.pi / 4]])[0]
    cv2.fillConvexPoly(drawn, np.round(quad).astype(np.int32), 255)
    # y points down: a quarter of pi leads from the upper left to the lower right.
    assert drawn[30, 30] == drawn[70, 70] == 255
    assert drawn[30, 70] == drawn[70, 30] == 0


@given(BOXES)
def test_a_normalised_box_is_le90_and_the_same_rectangle(box):
    found = normalise(box)
    assert found[0, 2] >= found[0, 3]
    assert -np.pi / 2 <= found[0, 4] < np.pi / 2
    assert same_corners(box, found)
    assert np.isclose(areas(found), areas(box)).all()


@given(st.floats(-1e3, 1e3))
def test_wrapped_angles_differ_by_half_turns(theta):
    wrapped = wrap_angle(theta)
    assert -np.pi / 2 <= wrapped < np.pi / 2
    assert abs(np.sin(wrapped - theta)) < 1e-9


def test_an_angle_just_below_the_range_wraps_into_it():
    assert wrap_angle(-np.pi / 2 - 1e-17) == -np.pi / 2
    assert wrap_angle(np.nextafter(-np.pi / 2, -2)) < np.pi / 2


@given(BOXES)
def test_boxes_survive_their_corners_in_both_directions(box):
    quad = corners(box)
    for points in (quad, quad[:, ::-1], np.roll(quad, 1, axis=1)):
        assert same_corners(from_corners(points), box)
    assert same_corners(from_corners(quad.reshape(1, 8)), box)


@given(BOXES)
def test_the_circumscribed_box_touches_the_outermost_corners(box):
    quad = corners(box)[0]
    expected = np.concatenate((quad.min(axis=0), quad.max(axis=0)))
    assert np.allclose(circumscribed(box)[0], expected, atol=1e-9)


def test_axis_aligned_boxes_become_oriented_ones():
    found = from_axis_aligned([[10, 20, 14, 40]])
    assert np.allclose(circumscribed(found), [[10, 20, 14, 40]])
    assert np.allclose(found, [[12, 30, 20, 4, -np.pi / 2]])


@given(BOXES, st.booleans())
def test_opencv_rows_come_back_as_the_same_box(box, old):
    rows = to_opencv(box, old=old)
    assert same_corners(from_opencv(rows), box)
    angle = rows[0, 4]
    assert -90 <= angle < 0 if old else 0 < angle <= 90


@given(BOXES)
def test_opencv_rows_draw_the_same_corners_in_opencv(box):
    rows = to_opencv(box)[0]
    drawn = cv2.boxPoints((tuple(rows[:2]), tuple(rows[2:4]), float(rows[4])))
    apart = np.linalg.norm(corners(box)[0][:, None] - drawn, axis=-1)
    assert apart.min(axis=1).max() < 1e-2


def test_opencv_minarearect_is_read():
    box = np.array([[120.0, 80.0, 60.0, 20.0, 0.6]])
    (cx, cy), (w, h), angle = cv2.minAreaRect(corners(box)[0].astype(np.float32))
    assert np.allclose(from_opencv([[cx, cy, w, h, angle]]), box, atol=1e-3)


def test_unusable_boxes_are_told_apart():
    rows = np.array(
        [
            [0, 0, 4, 2, 0],
            [np.nan, 0, 4, 2, 0],
            [0, np.inf, 4, 2, 0],
            [0, 0, -4, 2, 0],
            [0, 0, 0, 0, 0],
            [10 * MAX_COORDINATE, 0, 4, 2, 0],
            [0, 0, 4, 2, np.nan],
        ]
    )
    assert valid_boxes(rows).tolist() == [True, False, False, False, True, False, False]


def test_no_boxes_are_fine_everywhere():
    for function in (normalise, from_opencv, to_opencv, as_boxes):
        assert function(np.zeros((0, 5))).shape == (0, 5)
    assert corners([]).shape == (0, 4, 2)
    assert circumscribed([]).shape == (0, 4)
    assert from_corners(np.zeros((0, 4, 2))).shape == (0, 5)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r'shape \(5,\) are refused; expected \(N, 5\)'):
        as_boxes(np.zeros(5))
    with pytest.raises(ValueError, match=r'shape \(2, 4\)'):
        corners(np.zeros((2, 4)))
