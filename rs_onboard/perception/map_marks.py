# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""North arrow and scale bar of an overlay, from camera and pose; nothing where these are unknown.

An oblique view has neither one direction north nor one scale. Both are those at the image centre,
which the bar then says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.gsd import ground_scale
from rs_onboard.geo.rotation import rotation_matrix
from rs_onboard.perception.lettering import (
    Colour,
    Image,
    Rect,
    Style,
    draw_text,
    paint,
    rounded,
    text_width,
)

if TYPE_CHECKING:
    from rs_onboard.geo.pose import Pose
    from rs_onboard.perception.frame import Frame

WHITE: Colour = (255, 255, 255)
NORTH: Colour = (236, 84, 84)
GROUND: Colour = (14, 17, 20)
OPACITY = 175

# A bar is at most this part of the picture wide.
MOST_OF_WIDTH = 0.22
# Views tilted by more show ground of which the far half is a tenth coarser than the near one.
OBLIQUE_RAD = math.radians(6.0)
# Along the horizon, north is no direction of the image.
LEAST_NORTH = 0.05
SHIFT = 4


class ScaleBar(NamedTuple):
    """A round distance: its length [px of the frame] and how it is written."""

    length: float
    text: str


def north_in_image(pose: Pose | None) -> tuple[float, float] | None:
    """Return where north is at the image centre: a unit vector, x right, y down, or None.

    A point at the principal point that moves on the ground towards the unit vector n moves in the
    image along (n_x, n_y), its coordinates in the optical frame (the derivative of the projection).
    """
    if pose is None or pose.orientation is None:
        return None
    rotation = rotation_matrix(pose.orientation)
    if rotation[2, 2] >= -math.sin(math.radians(5.0)):
        # The centre shows no ground.
        return None
    x, y = rotation[1, 0], rotation[1, 1]
    length = math.hypot(x, y)
    return None if length < LEAST_NORTH else (x / length, y / length)


def scale_bar(frame: Frame | None, width: float) -> ScaleBar | None:
    """Return a bar for a frame of this width [px], None where its scale is unknown."""
    gsd_m = scale_across(frame)
    if frame is None or gsd_m is None:
        return None
    metres = round_distance(MOST_OF_WIDTH * width * gsd_m)
    text = f'{metres:g} m' if metres < 1000.0 else f'{metres / 1000.0:g} km'
    tilt = frame.pose.tilt_rad() if frame.pose is not None else None
    if tilt is not None and tilt > OBLIQUE_RAD:
        text += ' at the centre'
    return ScaleBar(metres / gsd_m, text)


def scale_across(frame: Frame | None) -> float | None:
    """Return the ground along a row of the image at its centre [m/px], None where unknown.

    It is not the ground sample distance of a frame, which is told across the tilt.
    """
    if frame is None or ground_scale(frame.camera, frame.pose).gsd_m is None:
        return None
    assert frame.camera is not None
    row = np.array([(frame.camera.cx + step, frame.camera.cy) for step in (-1.0, 1.0)])
    ground = locate(row, frame.camera, frame.pose).offsets
    if ground is None or np.isnan(ground).any():
        return None
    return float(np.linalg.norm(ground[1] - ground[0])) / 2.0


def round_distance(most: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above a value."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= most * 1.000001)


class MapMarks:
    """The marks of one picture: first where they stand, then, over all else, they are drawn.

    Args:
        frame: The frame, None where it is not at hand.
        scale: Canvas pixels per frame pixel.
        size: Width and height of the canvas [px].
        style: Of the letters.
    """

    def __init__(
        self, frame: Frame | None, scale: float, size: tuple[int, int], style: Style
    ) -> None:
        self._style = style
        self._north = north_in_image(frame.pose if frame else None)
        self._bar = scale_bar(frame, size[0] / scale)
        self._bar_px = 0 if self._bar is None else max(1, round(self._bar.length * scale))
        px, edge = style.px, max(4, style.px // 2)
        side = 4 * px
        self._compass = Rect(size[0] - edge - side, edge, side, side)
        if self._bar is not None:
            inner = max(self._bar_px, text_width(self._bar.text, style))
            height = style.line_height + round(1.1 * px)
            self._plate = Rect(edge, size[1] - edge - height, inner + 2 * px, height)

    def rects(self) -> list[Rect]:
        """Return the places that labels should leave free."""
        found = [self._compass] if self._north is not None else []
        return [*found, self._plate] if self._bar is not None else found

    def draw(self, canvas: Image) -> None:
        """Draw the marks into a canvas of the size given."""
        if self._north is not None and self._fits(self._compass, canvas):
            self._draw_north(canvas, self._north)
        if self._bar is not None and self._fits(self._plate, canvas):
            self._draw_bar(canvas, self._bar)

    @staticmethod
    def _fits(rect: Rect, canvas: Image) -> bool:
        return rect.within(canvas.shape[1], canvas.shape[0])

    def _draw_north(self, canvas: Image, north: tuple[float, float]) -> None:
        rect, px = self._compass, self._style.px
        paint(
            canvas,
            rect.left,
            rect.top,
            rounded(rect.width, rect.height, rect.width, OPACITY),
            GROUND,
        )
        centre = np.array([rect.left + rect.width / 2 - 0.5, rect.top + rect.height / 2 - 0.5])
        ahead = np.array(north)
        side = np.array([-ahead[1], ahead[0]])
        tip, tail = centre + 0.5 * px * ahead, centre - 1.7 * px * ahead
        waist = centre - 1.3 * px * ahead
        for sign, colour in ((1.0, WHITE), (-1.0, NORTH)):
            half = np.array([tip, tail + sign * 0.62 * px * side, waist])
            points = np.rint(half * (1 << SHIFT)).astype(np.int32)
            cv2.fillPoly(canvas, [points], colour, cv2.LINE_AA, SHIFT)
        letter = self._style._replace(bold=True, colour=WHITE)
        # The letter stands upright where the needle points.
        place = centre + 1.18 * px * ahead
        width = text_width('N', letter)
        left, top = round(place[0] - width / 2 + 1), round(place[1] - 0.72 * px)
        draw_text(canvas, left, top, 'N', letter)

    def _draw_bar(self, canvas: Image, bar: ScaleBar) -> None:
        rect, px = self._plate, self._style.px
        paint(
            canvas, rect.left, rect.top, rounded(rect.width, rect.height, px // 3, OPACITY), GROUND
        )
        left = rect.left + px
        draw_text(canvas, left, rect.top + px // 8, bar.text, self._style)
        thick, high = max(2, px // 7), round(0.5 * px)
        low = rect.top + rect.height - round(0.45 * px)
        right = left + self._bar_px
        for x0, y0, x1, y1 in (
            (left, low - thick, right, low),
            (left, low - high, left + thick, low),
            (right - thick, low - high, right, low),
        ):
            canvas[y0:y1, x0:x1] = WHITE
