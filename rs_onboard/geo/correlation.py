# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Match a frame and a predicted view by their gradients, when another sensor made the map.

Corners and blobs of a sharp photograph have no partners in a blurred satellite image of another
year, but the directions of its edges do. The whole pictures are correlated first, over a few
rotations and scales, then patches around the places that this predicts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Gray = NDArray[np.uint8]

# Long side at which whole pictures are correlated.
COARSE_SIDE = 320
TURNS_DEG = (-6.0, -3.0, 0.0, 3.0, 6.0)
SCALES = (0.8, 0.9, 1.0, 1.11, 1.25)
# Smoothing of both before gradients are taken [px]: the sharper one must become as blurred.
SMOOTH = 1.5
# Patches a row, their side and how far they are searched, in shares of the long side.
PATCHES = 14
PATCH = 0.09
REACH = (0.03, 0.012)
# A patch whose best place does not stand out from the next best has none.
LEAST_PEAK = 0.25
LEAST_TEXTURE = 2.0


@dataclass(frozen=True)
class Coarse:
    """The best placement of a view over a frame.

    Attributes:
        matrix: (3, 3) float64, pixels of the view to pixels of the frame.
        peak: Height of the best correlation over all others, in their standard deviations.
    """

    matrix: NDArray[np.float64]
    peak: float


def place(frame: Gray, view: Gray, mask: Gray) -> Coarse:
    """Correlate whole pictures over rotations, scales and all shifts.

    Args:
        frame: (H, W) uint8.
        view: (H, W) uint8, of the same size.
        mask: (H, W) uint8, above 127 where the view shows ground.
    """
    shrink = min(1.0, COARSE_SIDE / max(frame.shape))
    size = tuple(max(8, round(side * shrink)) for side in frame.shape[::-1])
    here, there, seen = (
        np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        for image in (frame, view, mask)
    )
    wanted = np.conj(np.fft.fft2(edges(here), _padded(here.shape)))
    best = Coarse(np.eye(3), -math.inf)
    centre = (size[0] - 1) / 2, (size[1] - 1) / 2
    for scale in SCALES:
        for turn in TURNS_DEG:
            matrix = np.vstack([cv2.getRotationMatrix2D(centre, turn, scale), (0.0, 0.0, 1.0)])
            moved = cv2.warpAffine(there, matrix[:2], size, borderMode=cv2.BORDER_REPLICATE)
            known = cv2.warpAffine(seen, matrix[:2], size) > 127
            field = edges(np.asarray(moved, np.uint8)) * cv2.erode(
                known.astype(np.uint8), np.ones((7, 7), np.uint8)
            )
            found = np.fft.ifft2(np.fft.fft2(field, _padded(here.shape)) * wanted).real
            peak = (float(found.max()) - float(found.mean())) / (float(found.std()) + 1e-9)
            if peak > best.peak:
                row, column = np.unravel_index(int(found.argmax()), found.shape)
                # A shift of the view by minus its place in the correlation, wrapped.
                x = -(int(column) - found.shape[1] * (column > found.shape[1] // 2))
                y = -(int(row) - found.shape[0] * (row > found.shape[0] // 2))
                shift = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
                best = Coarse(shift @ matrix, peak)
    return Coarse(_at_scale(best.matrix, size[0] / frame.shape[1]), best.peak)


def patches(
    frame: Gray, view: Gray, mask: Gray, start: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find patches of the view in the frame, around where `start` puts them.

    Args:
        frame: (H, W) uint8.
        view: (H, W) uint8.
        mask: (H, W) uint8, above 127 where the view shows ground.
        start: (3, 3), pixels of the view to pixels of the frame.
        reach: How far to search, as a share of the long side.

    Returns:
        Places in the view and in the frame, (N, 2) float64 each.
    """
    height, width = frame.shape
    long = max(height, width)
    half, far = round(long * PATCH / 2), max(2, round(long * reach))
    moved = cv2.warpPerspective(view, start, (width, height), flags=cv2.INTER_LINEAR)
    known = cv2.warpPerspective(mask, start, (width, height), flags=cv2.INTER_NEAREST) > 127
    ours, theirs = (magnitude(np.asarray(image, np.uint8)) for image in (frame, moved))
    back = np.linalg.inv(start)
    source, target = [], []
    margin = half + far
    step = (long - 2 * margin) / max(1, PATCHES - 1)
    for y in np.arange(margin, height - margin, step):
        for x in np.arange(margin, width - margin, step):
            row, column = round(float(y)), round(float(x))
            inner = np.s_[row - half : row + half, column - half : column + half]
            if not known[inner].all() or theirs[inner].std() < LEAST_TEXTURE:
                continue
            outer = ours[row - margin : row + margin, column - margin : column + margin]
            found = cv2.matchTemplate(outer, theirs[inner], cv2.TM_CCOEFF_NORMED)
            _, peak, _, (dx, dy) = cv2.minMaxLoc(found)
            if peak < LEAST_PEAK or not 0 < dx < 2 * far or not 0 < dy < 2 * far:
                continue
            fine = (
                dx + _vertex(found[dy, dx - 1 : dx + 2]),
                dy + _vertex(found[dy - 1 : dy + 2, dx]),
            )
            source.append((column, row))
            target.append((column + fine[0] - far, row + fine[1] - far))
    if not source:
        return np.zeros((0, 2)), np.zeros((0, 2))
    return project(back.astype(np.float64), np.array(source, np.float64)), np.array(target)


def project(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a homography (3, 3) to points (N, 2)."""
    moved = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def edges(image: Gray) -> NDArray[np.complex128]:
    """Return the directions of edges, doubled, weighed by the root of their strength.

    Doubled, because a roof brighter than the street in one year and darker in the next has the same
    edge.
    """
    x, y = _gradients(image)
    strength = np.hypot(x, y)
    field = np.where(strength > 1e-3, (x + 1j * y) ** 2 / (strength**1.5 + 1e-6), 0.0)
    found: NDArray[np.complex128] = field - field.mean()
    return found


def magnitude(image: Gray) -> NDArray[np.float32]:
    """Return the root of the gradient magnitude, (H, W) float32: strong edges must not decide."""
    x, y = _gradients(image)
    return np.asarray(np.sqrt(np.hypot(x, y)), np.float32)


def _gradients(image: Gray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    smooth = cv2.GaussianBlur(image, (0, 0), SMOOTH).astype(np.float32)
    x, y = (cv2.Scharr(smooth, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def _vertex(values: NDArray[np.generic]) -> float:
    """Return where a parabola through three values has its top, -0.5 to 0.5 from the middle one."""
    low, middle, high = (float(value) for value in np.asarray(values, np.float64))
    curve = low - 2 * middle + high
    return float(np.clip((low - high) / (2 * curve), -0.5, 0.5)) if curve < 0 else 0.0


def _padded(shape: Sequence[int]) -> tuple[int, int]:
    """Return a size for transforms: half as large again, against wrapping, and quick."""
    height, width = (cv2.getOptimalDFTSize(side + side // 2) for side in shape[:2])
    return height, width


def _at_scale(matrix: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Bring a matrix from pictures shrunk by `scale` to those of full size."""
    shrink = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5], [0, 0, 1.0]])
    return np.asarray(np.linalg.inv(shrink) @ matrix @ shrink)
