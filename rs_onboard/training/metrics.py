# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of merit from a confusion matrix; numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Mean of the values that are numbers; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix and what follows from it.

    A class that neither the truth nor the prediction holds has no figure (NaN) and is left out of
    means.

    Attributes:
        matrix: (classes, classes) int64; rows are the truth, columns the prediction.
    """

    matrix: NDArray[np.int64]

    @classmethod
    def empty(cls, classes: int) -> Confusion:
        """Make the matrix of nothing."""
        return cls(np.zeros((classes, classes), np.int64))

    @classmethod
    def count(cls, truth: ArrayLike, prediction: ArrayLike, classes: int) -> Confusion:
        """Count pairs of class ids; pairs whose truth is no class (255) are left out."""
        true = np.asarray(truth).ravel()
        found = np.asarray(prediction).ravel()
        known = true < classes
        index = true[known].astype(np.int64) * classes + found[known].astype(np.int64)
        counts = np.bincount(index, minlength=classes * classes)
        return cls(counts.reshape(classes, classes))

    def __add__(self, other: Confusion) -> Confusion:
        """Pool the counts of two."""
        return Confusion(self.matrix + other.matrix)

    def without(self, classes: Sequence[int]) -> Confusion:
        """Delete rows and columns of classes (the ISPRS figures leave out clutter so)."""
        keep = [i for i in range(len(self.matrix)) if i not in set(classes)]
        return Confusion(self.matrix[np.ix_(keep, keep)])

    @property
    def accuracy(self) -> float:
        """Share of right answers (overall accuracy)."""
        return float(np.trace(self.matrix) / max(self.matrix.sum(), 1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """(classes,) share of the predictions that are right."""
        return self._ratio(self.matrix.sum(0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """(classes,) share of the truth that is found."""
        return self._ratio(self.matrix.sum(1))

    @property
    def iou(self) -> NDArray[np.float64]:
        """(classes,) intersection over union."""
        return self._ratio(self.matrix.sum(0) + self.matrix.sum(1) - np.diag(self.matrix))

    @property
    def f1(self) -> NDArray[np.float64]:
        """(classes,) harmonic mean of precision and recall."""
        return self._ratio((self.matrix.sum(0) + self.matrix.sum(1)) / 2)

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that occur; NaN where none does."""
        return mean_of_known(self.iou)

    @property
    def mean_f1(self) -> float:
        """Mean F1 of the classes that occur; NaN where none does."""
        return mean_of_known(self.f1)

    def _ratio(self, total: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        hits = np.diag(self.matrix).astype(np.float64)
        ratio = np.full(len(hits), np.nan)
        np.divide(hits, total, out=ratio, where=total > 0)
        return ratio
