# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Legible text and labels for pictures, from what every OpenCV has.

OpenCV's strokes are drawn several times too large and averaged down, which turns them into smooth
letters at 11 to 24 px. Masks are cached: most words of an overlay are the same in every frame.
Text is ASCII, as the strokes are; other characters become question marks.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

FONT = cv2.FONT_HERSHEY_SIMPLEX
# Three is as smooth to the eye as four, in two thirds of the time (0.2 ms a label, once).
OVERSAMPLING = 3
# OpenCV 5 draws the same fonts from outlines: smaller, and with a thickness of 1 or bold.
HAS_OUTLINES = int(cv2.__version__.split('.')[0]) >= 5
# Pixels of a letter that OpenCV draws at scale 1, ascenders and descenders included.
FONT_PX = 27.0 if HAS_OUTLINES else 30.0
LINE_HEIGHT = 1.5
BASELINE = 1.06
STROKE, BOLD_STROKE = 0.085, 0.125


class Rect(NamedTuple):
    """A rectangle [px]: left, top, width, height."""

    left: int
    top: int
    width: int
    height: int

    def overlaps(self, other: Rect) -> bool:
        """Whether the two share a pixel."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )

    def within(self, width: int, height: int) -> bool:
        """Whether it lies inside an image of this size."""
        return (
            min(self.left, self.top) >= 0
            and self.left + self.width <= width
            and self.top + self.height <= height
        )


class Style(NamedTuple):
    """How text looks: height of the letters [px], RGB, weight."""

    px: int
    colour: Colour = (236, 239, 242)
    bold: bool = False

    @property
    def line_height(self) -> int:
        """Height of a line [px]."""
        return math.ceil(self.px * LINE_HEIGHT)


@functools.lru_cache(maxsize=1024)
def text_mask(text: str, px: int, *, bold: bool = False) -> Image:
    """Draw a line of text: (line height, width) uint8 coverage, read-only."""
    size = px * OVERSAMPLING
    scale = size / FONT_PX
    stroke = max(1, round(size * (BOLD_STROKE if bold else STROKE)))
    if HAS_OUTLINES:
        stroke = 2 if bold else 1
    plain = text.encode('ascii', 'replace').decode()
    (width, _), _ = cv2.getTextSize(plain, FONT, scale, stroke)
    columns, rows = width // OVERSAMPLING + 1, Style(px).line_height
    large = np.zeros((rows * OVERSAMPLING, columns * OVERSAMPLING), np.uint8)
    cv2.putText(large, plain, (0, round(size * BASELINE)), FONT, scale, 255, stroke, cv2.LINE_AA)
    mask = cv2.resize(large, (columns, rows), interpolation=cv2.INTER_AREA)
    mask.flags.writeable = False
    return np.asarray(mask, np.uint8)


def text_width(text: str, style: Style) -> int:
    """Width of a line of text [px]."""
    return int(text_mask(text, style.px, bold=style.bold).shape[1]) if text else 0


def elide(text: str, style: Style, width: int, tail: str = '') -> str:
    """Shorten text, marked by two dots, so that it and its tail fit; empty if they cannot."""
    if text_width(text + tail, style) <= width:
        return text + tail
    for length in range(len(text) - 1, 0, -1):
        shorter = f'{text[:length].rstrip()}..{tail}'
        if text_width(shorter, style) <= width:
            return shorter
    return ''


def wrap(text: str, style: Style, width: int) -> list[str]:
    """Break text between words into lines that fit; a word that is too long is shortened."""
    lines: list[str] = []
    for word in text.split():
        longer = f'{lines[-1]} {word}' if lines else word
        if lines and text_width(longer, style) <= width:
            lines[-1] = longer
        else:
            lines.append(elide(word, style, width))
    return lines


def join_fitting(parts: Sequence[str], separator: str, style: Style, width: int) -> str:
    """Join as many of the first parts as fit; shorten the first where not even that does."""
    for count in range(len(parts), 1, -1):
        text = separator.join(parts[:count])
        if text_width(text, style) <= width:
            return text
    return elide(parts[0], style, width) if parts else ''


def draw_text(canvas: Image, left: int, top: int, text: str, style: Style) -> int:
    """Draw a line of text with its line box at (left, top); return the x behind it."""
    if text:
        paint(canvas, left, top, text_mask(text, style.px, bold=style.bold), style.colour)
    return left + text_width(text, style)


def paint(canvas: Image, left: int, top: int, mask: Image, colour: Colour) -> None:
    """Blend a colour into the canvas through a coverage mask, clipped at the edges."""
    height, width = canvas.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    region = canvas[y0:y1, x0:x1]
    blend(region, mask[y0 - top : y1 - top, x0 - left : x1 - left], (*colour, 0))


def blend(region: Image, cover: Image, colour: Image | tuple[int, int, int, int]) -> None:
    """Blend a colour, or an image as large as the region, into it in place.

    OpenCV's multiplication is five times as fast as its blendLinear and within 1 of it.

    Args:
        region: (H, W, 3) uint8 RGB, a view of a canvas.
        cover: (H, W) uint8, 255 replaces.
        colour: RGB and a fourth value that OpenCV wants, or (H, W, 3) uint8 RGB.
    """
    ink = cv2.merge([cover, cover, cover])
    ground = cv2.multiply(region, cv2.bitwise_not(ink), scale=1 / 255)
    tint = cv2.multiply(ink, cast('Image', colour), scale=1 / 255)
    region[...] = cv2.add(ground, tint)


@functools.lru_cache(maxsize=256)
def rounded(width: int, height: int, radius: int, opacity: int) -> Image:
    """Draw a filled rectangle with round corners: (height, width) uint8 coverage, read-only."""
    k = OVERSAMPLING
    r = min(radius, width // 2, height // 2)
    large = np.zeros((height * k, width * k), np.uint8)
    right, bottom = (width - r) * k - 1, (height - r) * k - 1
    cv2.rectangle(large, (r * k, 0), (right, height * k), opacity, cv2.FILLED)
    cv2.rectangle(large, (0, r * k), (width * k, bottom), opacity, cv2.FILLED)
    for centre in ((r * k, r * k), (right, r * k), (r * k, bottom), (right, bottom)):
        cv2.circle(large, centre, r * k, opacity, cv2.FILLED)
    mask = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    mask.flags.writeable = False
    return np.asarray(mask, np.uint8)


def label_size(text: str, style: Style) -> tuple[int, int]:
    """Width and height of a label [px]."""
    return text_width(text, style) + style.px, style.line_height


def draw_label(
    canvas: Image,
    rect: Rect,
    text: str,
    style: Style,
    *,
    ground: Colour = (14, 17, 20),
    opacity: int = 190,
) -> None:
    """Draw text on a rounded ground that is `label_size` large."""
    mask = rounded(rect.width, rect.height, max(2, style.px // 4), opacity)
    paint(canvas, rect.left, rect.top, mask, ground)
    draw_text(canvas, rect.left + style.px // 2, rect.top, text, style)
