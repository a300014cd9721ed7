# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Measure a model folder on a split, through the flight code: exported graph, tiles, stitching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.pipeline import TILE_TASKS, Pipeline
from rs_onboard.perception.results import SceneResult, SegmentationResult
from rs_onboard.training.errors import DataError
from rs_onboard.training.metrics import Confusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.inference.model import Model
    from rs_onboard.perception.results import TaskResult
    from rs_onboard.training.data.sample import Sample

BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on a split.

    Attributes:
        images: Number of images.
        confusion: All images pooled.
        figures: Metric name to value, 0 to 1.
        intervals: Metric name to (2.5 %, 97.5 %) of a bootstrap over images.
        wrong: Names of the images with the worst answers, worst first, with what went wrong.
    """

    images: int
    confusion: Confusion
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    wrong: tuple[tuple[str, str], ...]


def figures_of(task: str, confusion: Confusion) -> dict[str, float]:
    """Reduce a confusion matrix to the figures of a task."""
    if task == 'scene':
        return {'accuracy': confusion.accuracy, 'mean_f1': confusion.mean_f1}
    return {
        'mean_iou': confusion.mean_iou,
        'mean_f1': confusion.mean_f1,
        'overall_accuracy': confusion.accuracy,
    }


def infer(model: Model, images: Sequence[NDArray[np.uint8]]) -> list[TaskResult]:
    """Run the flight pipeline on images without pose, at image scale.

    Raises:
        DataError: The task failed on an image.
    """
    pipeline = Pipeline([TILE_TASKS[model.card.task](model)])
    results = []
    for index, image in enumerate(images):
        header = FrameHeader(index, '', index, image.shape[0], image.shape[1])
        result = pipeline.process(Frame(header, image)).results[model.card.task]
        if result.report.status == 'failed':
            raise DataError(model.card.name, [f'image {index}: {result.report.reason}'])
        results.append(result)
    return results


def evaluate(model: Model, samples: Sequence[Sample], *, seed: int = 0) -> Evaluation:
    """Measure a model on labelled images.

    Args:
        model: The loaded model folder.
        samples: Images whose class ids are those of the card.
        seed: Seed of the bootstrap.
    """
    names = model.card.class_names
    count = len(names)
    each: list[Confusion] = []
    wrong: list[tuple[float, str, str]] = []
    for sample, result in zip(samples, infer(model, [s.image for s in samples]), strict=True):
        if isinstance(result, SceneResult):
            found = int(result.probabilities.argmax())
            each.append(Confusion.count([sample.label], [found], count))
            if found != sample.label:
                sure = float(result.probabilities[found])
                text = f'{names[sample.label]} taken for {names[found]} ({sure:.2f})'
                wrong.append((-sure, sample.name, text))
        elif isinstance(result, SegmentationResult) and sample.mask is not None:
            each.append(Confusion.count(sample.mask, result.labels, count))
            accuracy = each[-1].accuracy
            wrong.append((accuracy, sample.name, f'{accuracy:.1%} of the pixels right'))
    stack = np.stack([confusion.matrix for confusion in each])
    pooled = Confusion(stack.sum(0))
    rng = np.random.default_rng(seed)
    draws = [
        figures_of(model.card.task, Confusion(stack[rng.integers(0, len(each), len(each))].sum(0)))
        for _ in range(BOOTSTRAPS)
    ]
    figures = figures_of(model.card.task, pooled)
    intervals = {}
    for name in figures:
        low, high = np.percentile([draw[name] for draw in draws], (2.5, 97.5))
        intervals[name] = (float(low), float(high))
    worst = tuple((name, text) for _, name, text in sorted(wrong))
    return Evaluation(len(each), pooled, figures, intervals, worst)
