# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Average precision of oriented boxes, as the DOTA and VOC programs count; numpy only.

In descending order of score a detection is right if the object of its class that it overlaps most,
by more than the threshold, was not found before. A second detection of one object is wrong, one of
an object marked difficult counts neither way. Objects are matched within their image, so that what
was counted on each image is enough to draw images again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rs_onboard.perception.overlap import iou_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Method = Literal['area', 'voc07']

RIGHT, WRONG, IGNORED = 1, 0, -1
VOC07_RECALLS = np.arange(11) / 10


@dataclass(frozen=True)
class Objects:
    """The objects of an image.

    Attributes:
        boxes: (N, 5) float64 oriented boxes.
        classes: (N,) int64.
        difficult: (N,) bool; these count neither found nor missed.
    """

    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]
    difficult: NDArray[np.bool_]


@dataclass(frozen=True)
class Detected:
    """What was found on an image and which of it is right.

    Attributes:
        scores: (M,) float64.
        classes: (M,) int64.
        verdicts: (M,) int64, 1 right, 0 wrong, -1 neither.
        positives: (C,) int64, objects of each class that are not difficult.
    """

    scores: NDArray[np.float64]
    classes: NDArray[np.int64]
    verdicts: NDArray[np.int64]
    positives: NDArray[np.int64]


def match(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    classes: NDArray[np.integer],
    objects: Objects,
    count: int,
    *,
    iou: float = 0.5,
) -> Detected:
    """Decide which detections of an image are right.

    Args:
        boxes: (M, 5) oriented boxes.
        scores: (M,) scores.
        classes: (M,) class ids.
        objects: The objects of the image.
        count: Number of classes.
        iou: Overlap above which an object is found.
    """
    verdicts = np.full(len(scores), WRONG, np.int64)
    for label in np.unique(classes):
        rows = np.flatnonzero(classes == label)
        rows = rows[np.argsort(-scores[rows], kind='stable')]
        ours = np.flatnonzero(objects.classes == label)
        if not len(ours):
            continue
        overlap = iou_matrix(boxes[rows], objects.boxes[ours])
        best = overlap.argmax(axis=1)
        taken = np.zeros(len(ours), np.bool_)
        for row, index, value in zip(rows, best, overlap.max(axis=1), strict=True):
            if value <= iou:
                continue
            if objects.difficult[ours[index]]:
                verdicts[row] = IGNORED
            elif not taken[index]:
                verdicts[row], taken[index] = RIGHT, True
    positives = np.bincount(objects.classes[~objects.difficult], minlength=count)
    return Detected(
        np.asarray(scores, np.float64), np.asarray(classes, np.int64), verdicts, positives
    )


class Ranking:
    """The detections of all images in descending order of score, to be weighed by image.

    Equal scores keep the order of images and rows.

    Args:
        images: What was found on each image.
    """

    def __init__(self, images: Sequence[Detected]) -> None:
        self._positives = np.stack([image.positives for image in images])
        scores = np.concatenate([image.scores for image in images])
        classes = np.concatenate([image.classes for image in images])
        verdicts = np.concatenate([image.verdicts for image in images])
        owner = np.repeat(np.arange(len(images)), [len(image.scores) for image in images])
        order = np.argsort(-scores, kind='stable')
        self._rows = [
            (owner[rows], verdicts[rows])
            for rows in (
                order[(classes[order] == label) & (verdicts[order] != IGNORED)]
                for label in range(self._positives.shape[1])
            )
        ]

    def average_precision(
        self, drawn: NDArray[np.int64] | None = None, *, method: Method = 'area'
    ) -> NDArray[np.float64]:
        """Return the average precision of every class, (C,) float64; NaN without an object.

        Args:
            drawn: (images,) how often each image counts; once if None.
            method: `area` under the precision made falling with recall (VOC from 2010 on), or the
                mean of that precision at eleven recalls (`voc07`).
        """
        weights = np.ones(len(self._positives), np.int64) if drawn is None else drawn
        totals = weights @ self._positives
        found = np.full(len(self._rows), np.nan)
        for label, (owner, verdicts) in enumerate(self._rows):
            if totals[label]:
                right = np.cumsum(weights[owner] * verdicts)
                every = np.cumsum(weights[owner])
                kept = every > 0
                found[label] = area_or_points(
                    right[kept] / totals[label], right[kept] / every[kept], method
                )
        return found


def area_or_points(
    recall: NDArray[np.float64], precision: NDArray[np.float64], method: Method
) -> float:
    """Reduce a curve, by falling score, to its average precision."""
    if not len(recall):
        return 0.0
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    if method == 'area':
        return float(np.diff(recall, prepend=0.0) @ falling)
    # A recall of 3/10 computed as a quotient may lie a rounding below 0.3.
    first = np.searchsorted(recall, VOC07_RECALLS - 1e-12)
    return float(np.append(falling, 0.0)[first].mean())
