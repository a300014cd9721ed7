# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented boxes: conventions, conversions and checks.

A box is a row (cx, cy, w, h, theta): centre and size in pixels, theta in radians from +x (right)
towards +y (down), which is clockwise as seen on screen. Every function takes arrays of shape
(N, 5) of any float type and computes in float64; the order of the rows is kept. Results are "le90"
where the name says normalised: w >= h and theta in [-pi/2, pi/2).

Other conventions and how they are read here:

- OpenCV since 4.5.1: angle in degrees, in (0, 90], of the side called width.
- OpenCV before 4.5.1: the same with an angle in [-90, 0).
- Ultralytics and vision_msgs as published by this package: the same theta, no sign change.
- Mathematical textbooks (y up): theta with the opposite sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Far beyond any image; products of two such numbers still have an absolute error below a pixel.
MAX_COORDINATE = 1e7

# Corner signs in the box frame: top left, top right, bottom right, bottom left at theta = 0.
CORNER_SIGNS = np.array(((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)))


def as_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return `boxes` as float64 of shape (N, 5).

    Raises:
        ValueError: The last dimension is not 5.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 5))
    if array.ndim != 2 or array.shape[1] != 5:
        raise ValueError(
            f'oriented boxes of shape {array.shape} are refused; expected (N, 5): '
            'cx, cy, w, h, theta. Reshape one box to (1, 5).'
        )
    return array


def valid_boxes(boxes: ArrayLike) -> NDArray[np.bool_]:
    """Say which rows can be used, shape (N,).

    A usable row is finite, has sizes of zero or more and lies within `MAX_COORDINATE` pixels.
    """
    array = as_boxes(boxes)
    with np.errstate(invalid='ignore'):
        inside = (np.abs(array) <= MAX_COORDINATE).all(axis=1)
        sized = (array[:, 2] >= 0) & (array[:, 3] >= 0)
    return np.asarray(inside & sized)


def wrap_angle(theta: ArrayLike) -> NDArray[np.float64]:
    """Bring angles into [-pi/2, pi/2), radians: a box does not change with half a turn."""
    angle = np.asarray(theta, dtype=np.float64)
    turned = np.mod(angle + np.pi / 2, np.pi)
    # The remainder of a tiny negative number rounds to pi itself.
    return np.where(turned >= np.pi, 0.0, turned) - np.pi / 2


def normalise(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the same boxes in le90: w >= h, theta in [-pi/2, pi/2)."""
    array = as_boxes(boxes)
    width, height = array[:, 2], array[:, 3]
    swap = height > width
    return np.stack(
        (
            array[:, 0],
            array[:, 1],
            np.where(swap, height, width),
            np.where(swap, width, height),
            wrap_angle(array[:, 4] + np.where(swap, np.pi / 2, 0.0)),
        ),
        axis=1,
    )


def corners(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the corners in pixels, shape (N, 4, 2), in the order of `CORNER_SIGNS`."""
    array = as_boxes(boxes)
    half = array[:, None, 2:4] / 2 * CORNER_SIGNS
    cos, sin = np.cos(array[:, 4, None]), np.sin(array[:, 4, None])
    x = array[:, 0, None] + half[..., 0] * cos - half[..., 1] * sin
    y = array[:, 1, None] + half[..., 0] * sin + half[..., 1] * cos
    return np.stack((x, y), axis=-1)


def from_corners(points: ArrayLike) -> NDArray[np.float64]:
    """Return normalised boxes from the corners of rectangles, shape (N, 4, 2) or (N, 8).

    Exact for rectangles, walked in either direction. Of other quadrilaterals the centre is the
    middle of the first diagonal and the angle is that of the longer of the two first sides.
    """
    quads = np.asarray(points, dtype=np.float64).reshape(-1, 4, 2)
    first, second = quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 1]
    length_first, length_second = np.hypot(*first.T), np.hypot(*second.T)
    across = quads[:, 3] - quads[:, 0]
    along = np.where((length_first > length_second)[:, None], first, across)
    centre = (quads[:, 0] + quads[:, 2]) / 2
    return np.column_stack(
        (
            centre,
            np.maximum(length_first, length_second),
            np.minimum(length_first, length_second),
            wrap_angle(np.arctan2(along[:, 1], along[:, 0])),
        )
    )


def circumscribed(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the axis-aligned boxes around, shape (N, 4): x1, y1, x2, y2 in pixels."""
    array = as_boxes(boxes)
    cos, sin = np.abs(np.cos(array[:, 4])), np.abs(np.sin(array[:, 4]))
    half_w, half_h = array[:, 2] / 2, array[:, 3] / 2
    half = np.stack((half_w * cos + half_h * sin, half_w * sin + half_h * cos), axis=1)
    return np.concatenate((array[:, :2] - half, array[:, :2] + half), axis=1)


def from_axis_aligned(rectangles: ArrayLike) -> NDArray[np.float64]:
    """Return normalised boxes from rows x1, y1, x2, y2, shape (N, 4)."""
    rows = np.asarray(rectangles, dtype=np.float64).reshape(-1, 4)
    low, high = rows[:, :2], rows[:, 2:]
    flat = np.concatenate(((low + high) / 2, high - low, np.zeros((len(rows), 1))), axis=1)
    return normalise(flat)


def from_opencv(rectangles: ArrayLike) -> NDArray[np.float64]:
    """Return normalised boxes from OpenCV's rotated rectangles of any version.

    Args:
        rectangles: (N, 5) rows cx, cy, w, h, angle in degrees, as `minAreaRect` gives them. The
            versions differ in the side they call width, which normalisation takes out.
    """
    rows = as_boxes(rectangles).copy()
    rows[:, 4] = np.deg2rad(rows[:, 4])
    return normalise(rows)


def to_opencv(boxes: ArrayLike, *, old: bool = False) -> NDArray[np.float64]:
    """Return OpenCV's rows cx, cy, w, h, angle in degrees, shape (N, 5).

    Args:
        boxes: (N, 5) oriented boxes.
        old: Angles in [-90, 0) as before OpenCV 4.5.1, else in (0, 90].
    """
    rows = normalise(boxes)
    angle = np.rad2deg(rows[:, 4])
    if not old:
        angle = np.where(angle == -90.0, 90.0, angle)
    turn = angle >= 0 if old else angle <= 0
    rows[:, 4] = np.where(turn, angle + (-90.0 if old else 90.0), angle)
    rows[:, 2:4] = np.where(turn[:, None], rows[:, 3:1:-1], rows[:, 2:4])
    return rows


def areas(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the areas in square pixels, shape (N,)."""
    array = as_boxes(boxes)
    return array[:, 2] * array[:, 3]
