# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How far an output is from its golden sample, and what rounding alone may exchange in it."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Rows whose scores are closer than this come in an order that rounding decides. Of 2000 proposals
# 8 change places between float32 and float64, all of them within 2e-6.
TIED_SCORES = 1e-5
TIED_ROWS = 6


@dataclass(frozen=True)
class GoldenOutput:
    """Samples of one output.

    Attributes:
        shape: Shape of the whole array.
        step: The sample is `flat[::step]` of the C-order array.
        sample: (n,) float32.
    """

    shape: tuple[int, ...]
    step: int
    sample: NDArray[np.float32]


@dataclass(frozen=True)
class RowRule:
    """What the rows of an output are: boxes sorted by score, or something of each such box.

    Attributes:
        scores: Output that has the scores of these rows in a column.
        column: That column.
        angle: Column of this output with angles of boxes, equal modulo half a turn.
    """

    scores: str
    column: int
    angle: int | None = None


@dataclass(frozen=True)
class Rows:
    """The rows of an output at hand.

    Attributes:
        scores: (rows,) scores in the order of the rows.
        angle: As in `RowRule`.
    """

    scores: NDArray[np.float32]
    angle: int | None = None


def rows_of(
    name: str, outputs: Mapping[str, NDArray[np.float32]], rules: Mapping[str, RowRule]
) -> Rows | None:
    """Find the rule of an output; outputs of several images end in the number of the image."""
    stem = name.rstrip(string.digits)
    if (rule := rules.get(stem)) is None:
        return None
    number = name[len(stem) :]
    return Rows(outputs[rule.scores + number][:, rule.column], rule.angle)


def deviation(ours: NDArray[np.float32], golden: GoldenOutput, rows: Rows | None = None) -> float:
    """Compute max |ours - golden| / max(1, max |golden|) of arrays of the same shape.

    Args:
        ours: Our array.
        golden: Samples of theirs.
        rows: Rows may change places while their scores are within `TIED_SCORES`.
    """
    scale = max(1.0, float(np.abs(golden.sample).max(initial=0.0)))
    if not golden.sample.size:
        return 0.0
    if rows is None:
        sample = np.ascontiguousarray(ours).ravel()[:: golden.step]
        return float(np.abs(sample.astype(np.float64) - golden.sample).max() / scale)
    table = ours.reshape(len(ours), -1).astype(np.float64)
    row, column = np.divmod(np.arange(0, table.size, golden.step), table.shape[1])
    best = np.full(len(table), np.inf)
    for shift in range(-TIED_ROWS, TIED_ROWS + 1):
        other = np.clip(np.arange(len(table)) + shift, 0, len(table) - 1)
        tied = np.abs(rows.scores[other] - rows.scores) <= TIED_SCORES
        apart = np.abs(table[other[row], column] - golden.sample)
        if rows.angle is not None:
            turned = np.minimum(apart, np.abs(apart - np.pi))
            apart = np.where(column == rows.angle, turned, apart)
        worst = np.zeros(len(table))
        np.maximum.at(worst, row, apart)
        best = np.minimum(best, np.where(tied, worst, np.inf))
    return float(best.max() / scale)
