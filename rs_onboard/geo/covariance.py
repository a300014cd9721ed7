# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Covariance matrices as sensors give them: which say something, and what lies between two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

# MAVROS writes a standard deviation of 1 rad where nobody gave it one. An attitude that were really
# so uncertain would place nothing.
MOST_ATTITUDE_RAD = 0.5
# A receiver that is this unsure has no fix, whatever its status says.
MOST_POSITION_M = 10_000.0


@dataclass(frozen=True)
class Accuracy:
    """Standard deviations that are assumed where no message gives one; None where nothing is.

    Attributes:
        position_m: East and north of a fix, each [m].
        altitude_m: Altitude of a fix [m].
        height_m: Height above the ground [m].
        tilt_rad: Turns of an attitude about east and north, each [rad].
        heading_rad: Its turn about up [rad].
        mount_rad: Camera against body or gimbal, about each axis [rad]; always added.
    """

    position_m: float | None = None
    altitude_m: float | None = None
    height_m: float | None = None
    tilt_rad: float | None = None
    heading_rad: float | None = None
    mount_rad: float = 0.0

    def of_position(self) -> Matrix | None:
        """Return the assumed (3, 3) covariance of a fix [m^2]."""
        if self.position_m is None or self.altitude_m is None:
            return None
        return np.diag([self.position_m**2, self.position_m**2, self.altitude_m**2])

    def of_attitude(self) -> Matrix | None:
        """Return the assumed (3, 3) covariance of an attitude [rad^2]."""
        if self.tilt_rad is None or self.heading_rad is None:
            return None
        return np.diag([self.tilt_rad**2, self.tilt_rad**2, self.heading_rad**2])


def usable(matrix: Matrix | None, most: float) -> Matrix | None:
    """Return a covariance if it is one, None otherwise.

    Zeros say nothing (REP-103 messages are born with them), nor do negative variances, NaN, or
    standard deviations of `most` and more.

    Args:
        matrix: (3, 3) float64.
        most: The standard deviation from which on none is believed.
    """
    if matrix is None or not np.isfinite(matrix).all():
        return None
    variances = np.diag(matrix)
    if not (variances > 0.0).all() or (variances >= most**2).any():
        return None
    even = (matrix + matrix.T) / 2.0
    lowest = float(np.linalg.eigvalsh(even)[0])
    return None if lowest < -1e-9 * float(variances.max()) else np.asarray(even)


def between(first: Matrix | None, second: Matrix | None, weight: float) -> Matrix | None:
    """Return the covariance between two samples, None unless both that count are known.

    Errors of a receiver and of a filter hardly change from one sample to the next, so that their
    mean is no better than they are.
    """
    if weight <= 0.0 or weight >= 1.0:
        return first if weight <= 0.0 else second
    if first is None or second is None:
        return None
    return np.asarray((1.0 - weight) * first + weight * second)


def largest_sigma(matrix: Matrix) -> float:
    """Return the standard deviation along the direction where it is largest."""
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(matrix)[-1])))
