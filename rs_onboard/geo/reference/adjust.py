# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Adjust the shots of a flight to one another: what several of them show must lie at one place.

Every shot may shift, turn, grow and tilt a little against its pose. On the ground plane this is, to
first order, linear in six numbers a shot, so the best of all is found by one sparse least squares
problem, repeated with less weight for matches that do not fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# East and north [m], growth and turn, tilt to the east and north [rad].
NUMBERS = 6
ROUNDS = 4
# Residuals beyond so many standard deviations count by their size, not its square (Huber 1964).
HUBER = 1.5
MOST_STEPS = 2000
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Looseness:
    """How far shots may leave their poses, as standard deviations.

    Attributes:
        shift_m: East and north [m].
        growth: Share of the size.
        turn_rad: Heading [rad].
        tilt_rad: Roll and pitch [rad].
        match_m: Distance between two sights of one place [m].
    """

    shift_m: float = 3.0
    growth: float = 0.05
    turn_rad: float = math.radians(5)
    tilt_rad: float = math.radians(1.5)
    match_m: float = 0.3


@dataclass(frozen=True)
class Link:
    """Places that two shots have in common.

    Attributes:
        first: Number of one shot.
        second: Number of the other.
        here: (N, 2) float64 east and north [m] where the first has them.
        there: (N, 2) float64 where the second has them.
    """

    first: int
    second: int
    here: NDArray[np.float64]
    there: NDArray[np.float64]


@dataclass(frozen=True)
class Stand:
    """Where a shot stands by its pose.

    Attributes:
        centre: (2,) float64 east and north below the camera [m].
        height_m: Its height above the ground [m].
    """

    centre: NDArray[np.float64]
    height_m: float


@dataclass(frozen=True)
class Adjusted:
    """Shots in agreement.

    Attributes:
        numbers: (shots, 6) float64, what `moved` takes.
        before_m: Root of the mean squared distance of matches by the poses [m].
        after_m: The same once adjusted, matches that do not fit weighed down [m].
    """

    numbers: NDArray[np.float64]
    before_m: float
    after_m: float


def moved(
    points: NDArray[np.float64], stand: Stand, numbers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where a shot has points (N, 2) east, north [m] once adjusted."""
    return np.asarray(points + np.einsum('nij,j->ni', _design(points, stand), numbers))


def adjust(stands: Sequence[Stand], links: Sequence[Link], loose: Looseness) -> Adjusted:
    """Find the numbers of all shots that bring their common places together."""
    count = NUMBERS * len(stands)
    prior = np.tile(
        1
        / np.array(
            (
                loose.shift_m,
                loose.shift_m,
                loose.growth,
                loose.turn_rad,
                loose.tilt_rad,
                loose.tilt_rad,
            )
        )
        ** 2,
        len(stands),
    )
    if not links:
        return Adjusted(np.zeros((len(stands), NUMBERS)), 0.0, 0.0)
    rows, columns, values, gaps = _equations(stands, links)
    weight: NDArray[np.float64] = np.full(len(gaps), 1 / loose.match_m**2)
    found: NDArray[np.float64] = np.zeros(count)
    for _ in range(ROUNDS):
        found = solve((rows, columns, values), -gaps, weight, prior, found)
        left = np.bincount(rows, values * found[columns], len(gaps)) + gaps
        sizes = np.repeat(np.linalg.norm(left.reshape(-1, 2), axis=1), 2) / loose.match_m
        weight = np.minimum(1.0, HUBER / np.maximum(sizes, 1e-12)) / loose.match_m**2
    share = weight * loose.match_m**2
    after = math.sqrt(2 * float((share * left**2).sum() / share.sum()))
    before = math.sqrt(2 * float((gaps**2).mean()))
    return Adjusted(found.reshape(-1, NUMBERS), before, after)


def solve(
    matrix: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]],
    wanted: NDArray[np.float64],
    weight: NDArray[np.float64],
    prior: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Minimise |A x - b|^2 by weight, plus x^2 by prior, by conjugate gradients.

    Args:
        matrix: A as rows, columns and values of its entries.
        wanted: (M,) b.
        weight: (M,) of its equations.
        prior: (N,) of the unknowns.
        start: (N,) first guess.
    """
    rows, columns, values = matrix

    def normal(x: NDArray[np.float64]) -> NDArray[np.float64]:
        ahead = np.bincount(rows, values * x[columns], len(wanted)) * weight
        return np.asarray(np.bincount(columns, values * ahead[rows], len(prior)) + prior * x)

    # Preconditioned by the diagonal (Jacobi).
    scale = np.bincount(columns, values**2 * weight[rows], len(prior)) + prior
    target = np.bincount(columns, values * (weight * wanted)[rows], len(prior))
    x = start.copy()
    left = target - normal(x)
    step = left / scale
    size = float(left @ step)
    limit = TOLERANCE**2 * max(float(target @ (target / scale)), 1e-30)
    for _ in range(MOST_STEPS):
        if size <= limit:
            break
        ahead = normal(step)
        length = size / float(step @ ahead)
        x += length * step
        left -= length * ahead
        size, last = float(left @ (left / scale)), size
        step = left / scale + size / last * step
    return x


def _design(points: NDArray[np.float64], stand: Stand) -> NDArray[np.float64]:
    """Return the derivatives of places by the numbers of their shot, (N, 2, 6)."""
    offset = points - stand.centre
    slopes = np.zeros((len(points), 2, NUMBERS))
    slopes[:, 0, 0] = slopes[:, 1, 1] = 1.0
    slopes[:, :, 2] = offset
    slopes[:, 0, 3], slopes[:, 1, 3] = -offset[:, 1], offset[:, 0]
    slopes[:, :, 4:] = offset[:, :, np.newaxis] * offset[:, np.newaxis, :] / stand.height_m
    return slopes


def _equations(
    stands: Sequence[Stand], links: Sequence[Link]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return rows, columns and values of the equations, and the gaps that they shall close."""
    rows, columns, values, gaps = [], [], [], []
    start = 0
    for link in links:
        count = 2 * len(link.here)
        row = np.repeat(start + np.arange(count), NUMBERS)
        for number, points, sign in ((link.first, link.here, 1), (link.second, link.there, -1)):
            rows.append(row)
            columns.append(np.tile(NUMBERS * number + np.arange(NUMBERS), count))
            values.append(sign * _design(points, stands[number]).reshape(-1))
        gaps.append((link.here - link.there).reshape(-1))
        start += count
    return (
        np.concatenate(rows),
        np.concatenate(columns),
        np.concatenate(values),
        np.concatenate(gaps),
    )
