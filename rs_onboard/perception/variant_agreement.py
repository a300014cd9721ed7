# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How far the answers of one variant of a model agree with those of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.overlap import iou_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Outputs = Mapping[str, NDArray[np.generic]]

# Detections of two graphs are the same if they have one class and overlap by this much.
SAME_BOX = 0.5
# Weaker detections have no say: hardly any of them is ever published.
WEAKEST = 0.25


def probabilities(found: Outputs, expected: Outputs) -> tuple[float, float]:
    """Count the probability that has stayed with its class, and all of it."""
    one, two = (np.asarray(side['probabilities'], np.float64) for side in (found, expected))
    return float(np.minimum(one, two).sum()), float(two.sum())


def labels(found: Outputs, expected: Outputs) -> tuple[float, float]:
    """Count the pixels of the same label, and all."""
    return float(np.sum(found['labels'] == expected['labels'])), float(expected['labels'].size)


def change(found: Outputs, expected: Outputs) -> tuple[float, float]:
    """Count twice the common probability of change, and that of both."""
    one, two = (np.asarray(side['probability'], np.float64) for side in (found, expected))
    return float(2 * np.minimum(one, two).sum()), float(one.sum() + two.sum())


def boxes(found: Outputs, expected: Outputs) -> tuple[float, float]:
    """Count the detections of either side that the other has, too, and all."""
    same = total = 0
    for one, two in ((found, expected), (expected, found)):
        kept, others = (np.asarray(side['scores'], np.float32) >= WEAKEST for side in (one, two))
        total += int(kept.sum())
        if kept.any() and others.any():
            close = iou_matrix(one['boxes'][kept], two['boxes'][others]) >= SAME_BOX
            for key in ('classes', 'tile'):
                close &= np.equal.outer(one[key][kept], two[key][others])
            same += int(close.any(axis=1).sum())
    return float(same), float(total)


# By an output that only the graphs of one task have. Scene: the share of the probability.
# Segmentation: of the pixels. Change: of the probability mass of change (Dice), since almost all
# pixels are unchanged. Detection: of the boxes.
MEASURES: Mapping[str, Callable[[Outputs, Outputs], tuple[float, float]]] = {
    'probabilities': probabilities,
    'labels': labels,
    'probability': change,
    'boxes': boxes,
}
