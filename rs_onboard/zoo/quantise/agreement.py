# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How far the final outputs of a changed graph agree with those of the float graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export import session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    Feed = Mapping[str, NDArray[np.uint8]]
    Outputs = Mapping[str, NDArray[np.generic]]

# Detections of two graphs are the same if they have one class and overlap by this much.
SAME_BOX = 0.5
# Weaker detections have no say: hardly any of them is ever published.
WEAKEST = 0.25


class Reference:
    """The answers of the float graph on some feeds.

    Args:
        model: The float graph.
        feeds: Named inputs of one call each.

    Raises:
        ExportError: The outputs are those of no task.
    """

    def __init__(self, model: onnx.ModelProto, feeds: Sequence[Feed]) -> None:
        self.names = [value.name for value in model.graph.output]
        known = [name for name in MEASURES if name in self.names]
        if not known:
            raise ExportError(
                f'the graph has the outputs {", ".join(self.names)}; expected one of '
                f'{", ".join(MEASURES)}. Give the fp32 graph of a model folder.'
            )
        self._measure = MEASURES[known[0]]
        self.feeds = feeds
        self.expected = self.answers(model)

    def answers(self, model: onnx.ModelProto) -> list[Outputs]:
        """Run a graph on the feeds."""
        runner = session(model)
        return [
            dict(zip(self.names, runner.run(self.names, dict(feed)), strict=True))
            for feed in self.feeds
        ]

    def agreement(self, model: onnx.ModelProto) -> float:
        """Give the share, 0 to 1, of all answers in which a graph agrees.

        Scene: of the probability. Segmentation: of the pixels. Change: of the probability mass of
        change (Dice), since almost all pixels are unchanged. Detection: of the boxes.
        """
        pairs = zip(self.answers(model), self.expected, strict=True)
        counts = np.array([self._measure(found, expected) for found, expected in pairs])
        same, total = counts.sum(axis=0)
        return float(same / total) if total else 1.0


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


MEASURES: Mapping[str, Callable[[Outputs, Outputs], tuple[float, float]]] = {
    'probabilities': probabilities,
    'labels': labels,
    'probability': change,
    'boxes': boxes,
}
