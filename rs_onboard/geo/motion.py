# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The motion between two views of the ground from few and doubtful matches.

An error of a pose shifts, turns, grows and tilts what a camera sees: six numbers. A homography has
eight, and few matches in a part of the frame leave its other corners to chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.homography import project

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Matches within this of a motion without tilt are looked at, then within the second [px].
FIRST_PX = 6.0
AGREE_PX = 4.0
ROUNDS = 5
# Matches count less the further they lie from the motion.
TYPICAL_PX = 1.5
# Tilt against the pose as a standard deviation [rad], and the focal length, in long sides.
TILT_SIGMA = 0.025
FOCAL = 0.8
LEAST = 4
# Motions that shrink or grow a frame by more than this have no inverse worth its digits.
LEAST_SIZE = 0.01
# Agreeing matches from which on a homography is sure enough.
PLENTY = 40


def fit_motion(
    source: NDArray[np.float64], target: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Fit the motion of a camera to most matches.

    Args:
        source: (N, 2) float64 pixels of the view.
        target: (N, 2) float64 pixels of the frame.
        shape: Rows and columns of both.

    Returns:
        The homography (3, 3) and which matches agree, (N,) bool; None without a motion.
    """
    if len(source) < LEAST:
        return None
    # OpenCV's stubs do not say that there may be none.
    start: NDArray[np.generic] | None = cv2.estimateAffinePartial2D(
        source,
        target,
        method=cv2.RANSAC,
        ransacReprojThreshold=FIRST_PX,
        maxIters=3000,
        confidence=0.999,
    )[0]
    if start is None:
        return None
    matrix = np.vstack((start, (0.0, 0.0, 1.0)))
    if not is_sound(matrix):
        return None
    reach = FIRST_PX
    for step in range(ROUNDS):
        gaps = np.linalg.norm(project(matrix, source) - target, axis=1)
        near = gaps < reach
        if int(near.sum()) < LEAST:
            return None
        weights = 1 / (1 + (gaps[near] / TYPICAL_PX) ** 2)
        matrix = solve_motion(source[near], target[near], weights, shape)
        if not is_sound(matrix):
            return None
        reach = AGREE_PX if step else FIRST_PX
    agree = np.linalg.norm(project(matrix, source) - target, axis=1) < AGREE_PX
    if int(agree.sum()) >= PLENTY:
        # Ground that slopes, and lenses, move pictures in ways that six numbers have not.
        whole, _ = cv2.findHomography(source[agree], target[agree])
        if whole is not None and is_sound(np.asarray(whole, np.float64)):
            matrix = np.asarray(whole, np.float64)
            agree = np.linalg.norm(project(matrix, source) - target, axis=1) < AGREE_PX
    return matrix, np.asarray(agree, np.bool_)


def is_sound(matrix: NDArray[np.float64]) -> bool:
    """Say whether a motion (3, 3) neither mirrors nor folds a frame, so that it has an inverse."""
    return LEAST_SIZE < float(np.linalg.det(matrix)) < 1 / LEAST_SIZE


def solve_motion(
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """Return the motion (3, 3) that fits matches best, by weighted least squares.

    With places d and e from the middle of view and frame: e (1 - g.d) = t + (1 + a, b) d, which is
    linear in the shift t, the growth a, the turn b and the tilt g.
    """
    middle = np.array((shape[1] - 1, shape[0] - 1)) / 2
    here, there = source - middle, target - middle
    design = np.zeros((len(here), 2, 6))
    design[:, 0, 0] = design[:, 1, 1] = 1.0
    design[:, :, 2] = here
    design[:, 0, 3], design[:, 1, 3] = -here[:, 1], here[:, 0]
    design[:, :, 4:] = there[:, :, np.newaxis] * here[:, np.newaxis, :]
    rows = design.reshape(-1, 6)
    wanted = (there - here).reshape(-1)
    each = np.repeat(weights, 2) / TYPICAL_PX**2
    prior = np.zeros(6)
    prior[4:] = (FOCAL * max(shape[:2]) / TILT_SIGMA) ** 2
    normal = rows.T @ (each[:, np.newaxis] * rows) + np.diag(prior)
    # Matches in one place leave the turn open: a hair holds it.
    normal += np.diag(np.full(6, 1e-9))
    x, y, growth, turn, across, down = np.linalg.solve(normal, rows.T @ (each * wanted))
    core = np.array([[1 + growth, -turn, x], [turn, 1 + growth, y], [-across, -down, 1.0]])
    centre = np.array([[1, 0, middle[0]], [0, 1, middle[1]], [0, 0, 1.0]])
    found = centre @ core @ np.linalg.inv(centre)
    return np.asarray(found / found[2, 2], np.float64)
