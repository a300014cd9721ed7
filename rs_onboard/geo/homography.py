# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Homographies between pictures, whose pixel centres are at whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def project(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a homography (3, 3) to points (N, 2)."""
    moved = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of a homography (3, 3)."""
    return np.asarray(np.linalg.inv(matrix), np.float64)


def rescaling(across: float, down: float | None = None) -> NDArray[np.float64]:
    """Return the homography (3, 3) from pixels of a picture to those of it rescaled.

    Args:
        across: Width of the rescaled picture by that of the other.
        down: Likewise of the heights; None for that of the widths.
    """
    down = across if down is None else down
    return np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5], [0, 0, 1.0]])
