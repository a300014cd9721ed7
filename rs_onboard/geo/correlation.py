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
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.homography import inverse, project, rescaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Gray = NDArray[np.uint8]

# Long sides at which whole pictures are correlated, and how many of the first go on to the second.
COARSE_SIDES = (160, 320)
FINALISTS = 4
TURNS_DEG = (-6.0, -3.0, 0.0, 3.0, 6.0)
SCALES = (0.8, 0.9, 1.0, 1.11, 1.25)
# Smoothing of both before gradients are taken [px]: the sharper one must become as blurred.
SMOOTH = 1.5
PATCHES_A_ROW = 14
# A patch whose best place does not stand out from the next best has none.
LEAST_PEAK = 0.25
# What a place is rounded to.
PARTS_A_PIXEL = 64
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

    All rotations and scales are tried on small pictures, the best few again on larger ones.

    Args:
        frame: (H, W) uint8.
        view: (H, W) uint8, of the same size.
        mask: (H, W) uint8, above 127 where the view shows ground.
    """
    motions = [(turn, scale) for scale in SCALES for turn in TURNS_DEG]
    for side in COARSE_SIDES:
        shrink = min(1.0, side / max(frame.shape))
        size = tuple(max(8, round(length * shrink)) for length in frame.shape[::-1])
        small = [
            np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            for image in (frame, view, mask)
        ]
        found = _whole(small[0], small[1], small[2], motions)
        found.sort(key=lambda item: -item[0].peak)
        motions = [motion for _, motion in found[:FINALISTS]]
    best = found[0][0]
    return Coarse(_at_scale(best.matrix, size[0] / frame.shape[1]), best.peak)


def _whole(
    frame: Gray, view: Gray, mask: Gray, motions: Sequence[tuple[float, float]]
) -> list[tuple[Coarse, tuple[float, float]]]:
    """Find the best shift for each rotation [deg] and scale."""
    height, width = frame.shape
    inner = cv2.erode((mask > 127).astype(np.float32), np.ones((7, 7), np.uint8))
    field = edges(view) * np.asarray(inner, np.float32)[:, :, np.newaxis]
    padded = np.zeros((*_padded(frame.shape), 2), np.float32)
    window = padded[:height, :width]
    window[:] = edges(frame)
    wanted = cv2.dft(padded)
    rows, columns = padded.shape[:2]
    placed = []
    for turn, scale in motions:
        centre = (width - 1) / 2, (height - 1) / 2
        matrix = np.vstack([cv2.getRotationMatrix2D(centre, turn, scale), (0.0, 0.0, 1.0)])
        window[:] = cv2.warpAffine(field, np.asarray(matrix[:2], np.float64), (width, height))
        product = cv2.mulSpectrums(cv2.dft(padded), wanted, 0, conjB=True)
        found = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)
        # Turning a picture turns its directions, of which the field has the doubled angles.
        angle = 2 * math.radians(turn)
        real = cv2.transform(found, np.array([[math.cos(angle), math.sin(angle)]]))
        mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(real))
        _, highest, _, (column, row) = cv2.minMaxLoc(real)
        # A shift of the view by minus its place in the correlation, wrapped.
        x = -(column - columns * (column > columns // 2))
        y = -(row - rows * (row > rows // 2))
        shift = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
        peak = (highest - mean) / (deviation + 1e-9)
        placed.append((Coarse(shift @ matrix, peak), (turn, scale)))
    return placed


class Pass(NamedTuple):
    """A search for patches.

    Attributes:
        scale: Of the pictures it is made on.
        reach: How far patches are searched, as a share of the long side.
        side: Side of a patch, likewise.
    """

    scale: float
    reach: float
    side: float


# Far on small pictures, since the whole is placed within steps of the turn and the scale only, then
# near on the larger ones. Over 48 frames and a satellite map this registered 39, both on the larger
# pictures 34.
PASSES = (Pass(0.5, 0.06, 0.12), Pass(1.0, 0.02, 0.09))


def search(
    frame: Gray, view: Gray, mask: Gray, start: NDArray[np.float64], one: Pass
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find patches of the view in the frame as `patches` does, on pictures of the pass's scale."""
    size = tuple(max(8, round(side * one.scale)) for side in frame.shape[::-1])
    if one.scale == 1.0:
        return patches(magnitude(frame), view, mask, start, one)
    small = [
        np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        for image in (frame, view, mask)
    ]
    shrink = rescaling(size[0] / frame.shape[1])
    back = inverse(shrink)
    begin = np.asarray(shrink @ start @ back, np.float64)
    source, target = patches(magnitude(small[0]), small[1], small[2], begin, one)
    return project(back, source), project(back, target)


def patches(
    frame: NDArray[np.float32], view: Gray, mask: Gray, start: NDArray[np.float64], one: Pass
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find patches of the view in the frame, around where `start` puts them.

    Args:
        frame: (H, W) float32, `magnitude` of the frame.
        view: (H, W) uint8.
        mask: (H, W) uint8, above 127 where the view shows ground.
        start: (3, 3), pixels of the view to pixels of the frame.
        one: How far to search, and for what.

    Returns:
        Places in the view and in the frame, (N, 2) float64 each.
    """
    height, width = frame.shape
    long = max(height, width)
    half, far = round(long * one.side / 2), max(2, round(long * one.reach))
    moved = cv2.warpPerspective(view, start, (width, height), flags=cv2.INTER_LINEAR)
    known = cv2.warpPerspective(mask, start, (width, height), flags=cv2.INTER_NEAREST) > 127
    whole = cv2.erode(known.astype(np.uint8), np.ones((2 * half + 1, 2 * half + 1), np.uint8)) > 0
    theirs = magnitude(np.asarray(moved, np.uint8))
    search = PatchSearch(frame, half, far)
    back = np.linalg.inv(start)
    source, target = [], []
    margin = half + far
    step = (long - 2 * margin) / max(1, PATCHES_A_ROW - 1)
    for y in np.arange(margin, height - margin, step):
        for x in np.arange(margin, width - margin, step):
            row, column = round(float(y)), round(float(x))
            if not whole[row, column]:
                continue
            patch = theirs[row - half : row + half, column - half : column + half]
            mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(patch))
            if deviation < LEAST_TEXTURE:
                continue
            found = search.correlate(patch - mean, 2 * half * deviation, row, column)
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
    # Rounded: transforms differ in their last digits with where in memory their arrays lie, and one
    # frame is to give one result.
    places = np.rint(np.array(target) * PARTS_A_PIXEL) / PARTS_A_PIXEL
    return project(back.astype(np.float64), np.array(source, np.float64)), places


class PatchSearch:
    """Correlates square patches with the ground around their place, by Fourier transforms.

    A tenth of the time of OpenCV's matchTemplate, which plans each call anew, for the same values
    (a test compares them).

    Args:
        image: (H, W) float32 to be searched.
        half: Half the side of a patch [px].
        far: How far to search in each direction [px].
    """

    def __init__(self, image: NDArray[np.float32], half: int, far: int) -> None:
        self._image = image
        self._half, self._far = half, far
        side = cv2.getOptimalDFTSize(2 * (half + far))
        self._window = np.zeros((side, side), np.float32)
        self._patch = np.zeros((side, side), np.float32)
        self._sums, self._squares = cv2.integral2(image, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F)

    def correlate(
        self, patch: NDArray[np.float32], strength: float, row: int, column: int
    ) -> NDArray[np.float32]:
        """Return the correlations, -1 to 1, with a patch moved around its middle.

        Args:
            patch: (2 half, 2 half) float32 of mean 0.
            strength: Root of the sum of its squares.
            row: Row of its middle.
            column: Column of its middle.

        Returns:
            (2 far + 1, 2 far + 1) float32, by rows and columns moved down and right from -far.
        """
        half, far = self._half, self._far
        top, left = row - half - far, column - half - far
        side, steps = 2 * (half + far), 2 * far + 1
        around = self._image[top : top + side, left : left + side]
        # Correlated with a patch of mean 0, its own mean does not count but for the digits.
        self._window[:side, :side] = around - np.float32(around.mean())
        self._patch[: 2 * half, : 2 * half] = patch
        spectrum = cv2.mulSpectrums(cv2.dft(self._window), cv2.dft(self._patch), 0, conjB=True)
        product = cv2.dft(spectrum, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
        reach = np.s_[top : top + side + 1, left : left + side + 1]
        sums, squares = (_boxes(table[reach], 2 * half) for table in (self._sums, self._squares))
        spread = np.sqrt(np.maximum(squares - sums**2 / (2 * half) ** 2, 1e-6))
        return np.asarray(product[:steps, :steps] / (spread * max(strength, 1e-3)), np.float32)


def _boxes(table: NDArray[np.generic], side: int) -> NDArray[np.float64]:
    """Return the sums over all squares of a side, from an integral image."""
    ahead, behind = (np.asarray(part, np.float64) for part in (table[side:], table[:-side]))
    return np.asarray(ahead[:, side:] - ahead[:, :-side] - behind[:, side:] + behind[:, :-side])


def edges(image: Gray) -> NDArray[np.float32]:
    """Return the directions of edges, doubled, weighed by the root of their strength.

    Doubled, because a roof brighter than the street in one year and darker in the next has the same
    edge.

    Returns:
        (H, W, 2) float32, real and imaginary part, their mean taken off.
    """
    x, y = _gradients(image)
    strength = cv2.magnitude(x, y)
    weight = np.where(strength > 1e-3, 1 / (strength * cv2.sqrt(strength) + 1e-6), np.float32(0))
    field = np.stack(((x * x - y * y) * weight, 2 * x * y * weight), axis=2)
    return np.asarray(field - field.mean(axis=(0, 1)), np.float32)


def magnitude(image: Gray) -> NDArray[np.float32]:
    """Return the root of the gradient magnitude, (H, W) float32: strong edges must not decide."""
    return np.asarray(cv2.sqrt(cv2.magnitude(*_gradients(image))), np.float32)


def _gradients(image: Gray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    smooth = cv2.GaussianBlur(image, (0, 0), SMOOTH)
    x, y = (cv2.Scharr(smooth, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


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
    shrink = rescaling(scale)
    return np.asarray(np.linalg.inv(shrink) @ matrix @ shrink)
