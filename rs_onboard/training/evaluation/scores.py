# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is counted on one labelled image, by task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.results import (
    ChangeResult,
    DetectionResult,
    SceneResult,
    SegmentationResult,
)
from rs_onboard.training.average_precision import IGNORED, RIGHT, WRONG, match
from rs_onboard.training.metrics import Confusion, mean_of_known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from rs_onboard.perception.results import TaskResult
    from rs_onboard.training.average_precision import Detected
    from rs_onboard.training.data.sample import Sample

# A pixel is taken for changed at this probability, of 255.
CHANGED = 128


@dataclass(frozen=True)
class ImageScore:
    """What a model did on one image.

    Attributes:
        name: Name of the image.
        origin: Name of its set where there are several.
        confusion: Images (scene) or pixels by truth and prediction; None for detection.
        detected: Judged detections; None for the other tasks.
        badness: Orders images by how wrong the answer is; 0 where nothing is.
        text: What is wrong.
    """

    name: str
    origin: str
    confusion: Confusion | None
    detected: Detected | None
    badness: float
    text: str


def judge_scene(sample: Sample, result: SceneResult, classes: tuple[str, ...]) -> ImageScore:
    """Compare the most probable class with the label."""
    found = int(result.probabilities.argmax())
    sure = float(result.probabilities[found])
    wrong = found != sample.label
    return ImageScore(
        sample.name,
        sample.origin,
        Confusion.count([sample.label], [found], len(classes)),
        None,
        sure if wrong else 0.0,
        f'{classes[sample.label]} taken for {classes[found]} ({sure:.2f})' if wrong else '',
    )


def judge_segmentation(
    sample: Sample, result: SegmentationResult, classes: tuple[str, ...]
) -> ImageScore:
    """Compare the label of every pixel that has one."""
    assert sample.mask is not None
    confusion = Confusion.count(sample.mask, result.labels, len(classes))
    right = confusion.accuracy
    # An image without a labelled pixel can be neither right nor wrong.
    wrong = 1 - right if confusion.matrix.any() else 0.0
    return ImageScore(
        sample.name,
        sample.origin,
        confusion,
        None,
        wrong,
        f'{right:.1%} of the pixels right' if wrong else '',
    )


def judge_change(sample: Sample, result: ChangeResult, classes: tuple[str, ...]) -> ImageScore:
    """Compare changed with unchanged pixels."""
    assert sample.mask is not None
    found = (result.probability >= CHANGED).view(np.uint8)
    confusion = Confusion.count(sample.mask, found, len(classes))
    false, missed = int(confusion.matrix[0, 1]), int(confusion.matrix[1, 0])
    return ImageScore(
        sample.name,
        sample.origin,
        confusion,
        None,
        (false + missed) / max(1, int(confusion.matrix.sum())),
        f'{missed} changed px missed, {false} px false' if false or missed else '',
    )


def judge_detection(
    sample: Sample, result: DetectionResult, classes: tuple[str, ...]
) -> ImageScore:
    """Match boxes by overlap; the text counts those of at least even odds."""
    assert sample.objects is not None
    found = match(result.boxes, result.scores, result.class_ids, sample.objects, len(classes))
    sure = found.scores >= 0.5
    right = int((sure & (found.verdicts == RIGHT)).sum())
    false = int((sure & (found.verdicts == WRONG)).sum())
    missed = int(found.positives.sum()) - right
    doubtful = int((sure & (found.verdicts == IGNORED)).sum())
    text = f'{missed} of {found.positives.sum()} objects missed, {false} false'
    text += f', {doubtful} difficult' if doubtful else ''
    return ImageScore(
        sample.name,
        sample.origin,
        None,
        found,
        float(missed + false),
        text if missed + false else '',
    )


def judge(
    sample: Sample, result: TaskResult | ChangeResult, classes: tuple[str, ...]
) -> ImageScore:
    """Count what a result got right and wrong.

    Args:
        sample: The labelled image; class ids are positions in `classes`.
        result: What the flight code made of it.
        classes: The classes of the model, then those of the data that the model does not know.
    """
    if isinstance(result, SceneResult):
        return judge_scene(sample, result, classes)
    if isinstance(result, SegmentationResult):
        return judge_segmentation(sample, result, classes)
    if isinstance(result, DetectionResult):
        return judge_detection(sample, result, classes)
    return judge_change(sample, result, classes)


def scene_figures(confusion: Confusion) -> dict[str, float]:
    """Reduce to the figures of scene classification.

    The mean is over the classes that the images have: a set of ten classes shall not look worse to
    a model that knows forty.
    """
    present = confusion.matrix.sum(axis=1) > 0
    return {'accuracy': confusion.accuracy, 'mean_f1': mean_of_known(confusion.f1[present])}


def segmentation_figures(confusion: Confusion) -> dict[str, float]:
    """Reduce to the figures of segmentation."""
    return {
        'mean_iou': confusion.mean_iou,
        'mean_f1': confusion.mean_f1,
        'overall_accuracy': confusion.accuracy,
    }


def change_figures(confusion: Confusion) -> dict[str, float]:
    """Reduce to the figures of change: of the changed pixels, except the overall accuracy."""
    return {
        'f1': float(confusion.f1[1]),
        'precision': float(confusion.precision[1]),
        'recall': float(confusion.recall[1]),
        'iou': float(confusion.iou[1]),
        'overall_accuracy': confusion.accuracy,
    }


CONFUSION_FIGURES: Mapping[str, Callable[[Confusion], dict[str, float]]] = {
    'scene': scene_figures,
    'segmentation': segmentation_figures,
    'change': change_figures,
}


def stack(scores: list[Confusion]) -> NDArray[np.float64]:
    """Stack confusion matrices to (images, C * C), float64 for fast products; exact to 2^53."""
    return np.stack([score.matrix.ravel() for score in scores]).astype(np.float64)
