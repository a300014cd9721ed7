# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""From what was counted on each image to figures with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.training.average_precision import Ranking
from rs_onboard.training.bootstrap import intervals
from rs_onboard.training.evaluation.scores import CONFUSION_FIGURES, stack
from rs_onboard.training.metrics import Confusion, mean_of_known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rs_onboard.training.evaluation.scores import ImageScore


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on labelled images.

    Attributes:
        task: Task of the model.
        classes: Classes of the model, then those of the data that the model does not know.
        scores: What was counted on each image, in the order they were measured.
        confusion: All images pooled; None for detection.
        figures: Metric name to value, 0 to 1; NaN where nothing was there to be measured.
        intervals: Metric name to (2.5 %, 97.5 %) of a bootstrap over images.
        by_class: Metric name to the values of the classes; NaN where a class does not occur.
    """

    task: str
    classes: tuple[str, ...]
    scores: tuple[ImageScore, ...]
    confusion: Confusion | None
    figures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    by_class: Mapping[str, NDArray[np.float64]]

    @property
    def worst(self) -> tuple[ImageScore, ...]:
        """Images with a wrong answer, worst first, equally bad ones by name."""
        wrong = [score for score in self.scores if score.badness > 0]
        return tuple(sorted(wrong, key=lambda score: (-score.badness, score.name)))

    def origins(self) -> dict[str, Evaluation]:
        """Summarise each set by itself; empty where there is one only."""
        names = sorted({score.origin for score in self.scores})
        if len(names) < 2:
            return {}
        return {
            name: summarise(self.task, self.classes, [s for s in self.scores if s.origin == name])
            for name in names
        }

    def quality(self) -> dict[str, float]:
        """List the figures with their bounds, those of the classes that matter, then of each set.

        These are the names that cards use.
        """
        listed = _bounded(self, '')
        for metric in CLASS_FIGURES[self.task]:
            for name, value in zip(self.classes, self.by_class[metric], strict=True):
                listed[f'{metric}_{name}'] = float(value)
        for name, part in self.origins().items():
            listed |= _bounded(part, f'_{name}')
        return {name: value for name, value in listed.items() if math.isfinite(value)}

    def confusions(self, most: int) -> list[str]:
        """Put the most frequent mistakes into words: what is taken for what, and how often."""
        if self.confusion is None or self.task == 'change':
            return []
        matrix = self.confusion.matrix.copy()
        np.fill_diagonal(matrix, 0)
        totals = self.confusion.matrix.sum(axis=1)
        lines = []
        for index in np.argsort(-matrix, axis=None, kind='stable')[:most]:
            true, found = divmod(int(index), len(self.classes))
            if count := int(matrix[true, found]):
                share = f'{count / int(totals[true]):.0%} of it'
                lines.append(f'{self.classes[true]} is taken for {self.classes[found]} ({share})')
        return lines


# Figures of single classes that a card lists.
CLASS_FIGURES: Mapping[str, tuple[str, ...]] = {
    'scene': (),
    'segmentation': ('iou',),
    'change': (),
    'detection': ('ap50',),
}


def _bounded(evaluation: Evaluation, suffix: str) -> dict[str, float]:
    listed: dict[str, float] = {}
    for name, value in evaluation.figures.items():
        low, high = evaluation.intervals[name]
        key = f'{name}{suffix}'
        listed |= {key: value, f'{key}_low': low, f'{key}_high': high}
    return listed


def summarise(
    task: str, classes: tuple[str, ...], scores: Sequence[ImageScore], *, seed: int = 0
) -> Evaluation:
    """Pool what was counted on images.

    Args:
        task: Task of the model.
        classes: Classes of the counts.
        scores: At least one image.
        seed: Seed of the bootstrap.
    """
    if task == 'detection':
        return _summarise_detection(classes, scores, seed)
    each = [score.confusion for score in scores if score.confusion is not None]
    counts, size = stack(each), len(classes)

    def figures(drawn: NDArray[np.int64]) -> dict[str, float]:
        pooled = (drawn.astype(np.float64) @ counts).reshape(size, size)
        return CONFUSION_FIGURES[task](Confusion(pooled.astype(np.int64)))

    once = np.ones(len(each), np.int64)
    total = Confusion(np.sum([confusion.matrix for confusion in each], axis=0))
    return Evaluation(
        task=task,
        classes=classes,
        scores=tuple(scores),
        confusion=total,
        figures=figures(once),
        intervals=intervals(len(each), figures, seed=seed),
        by_class={
            'truth': total.matrix.sum(axis=1).astype(np.float64),
            'precision': total.precision,
            'recall': total.recall,
            'f1': total.f1,
            **({} if task == 'scene' else {'iou': total.iou}),
        },
    )


def _summarise_detection(
    classes: tuple[str, ...], scores: Sequence[ImageScore], seed: int
) -> Evaluation:
    each = [score.detected for score in scores if score.detected is not None]
    ranking = Ranking(each)

    def figures(drawn: NDArray[np.int64] | None) -> dict[str, float]:
        return {
            'ap50': mean_of_known(ranking.average_precision(drawn)),
            'ap50_voc07': mean_of_known(ranking.average_precision(drawn, method='voc07')),
        }

    return Evaluation(
        task='detection',
        classes=classes,
        scores=tuple(scores),
        confusion=None,
        figures=figures(None),
        intervals=intervals(len(each), figures, seed=seed),
        by_class={
            'truth': np.sum([image.positives for image in each], axis=0).astype(np.float64),
            'ap50': ranking.average_precision(),
            'ap50_voc07': ranking.average_precision(method='voc07'),
        },
    )
