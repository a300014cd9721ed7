# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How far the final outputs of a changed graph agree with those of the float graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.perception.variant_agreement import MEASURES, SAME_BOX, WEAKEST
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export import session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    Feed = Mapping[str, NDArray[np.uint8]]
    Outputs = Mapping[str, NDArray[np.generic]]


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
        """Give the share, 0 to 1, of all answers in which a graph agrees; see `MEASURES`."""
        return self.share(self.answers(model))

    def share(self, answers: Sequence[Outputs]) -> float:
        """Give the share, 0 to 1, of all in which answers on the feeds agree; see `MEASURES`."""
        pairs = zip(answers, self.expected, strict=True)
        counts = np.array([self._measure(found, expected) for found, expected in pairs])
        same, total = counts.sum(axis=0)
        return float(same / total) if total else 1.0

    def largest_difference(self, answers: Sequence[Outputs]) -> float:
        """Give the largest difference, 0 to 1, of a probability, confidence or score.

        Scores are those of the same box on both sides; boxes of one side alone lower the share.
        """
        pairs = zip(answers, self.expected, strict=True)
        return max((largest_difference(found, expected) for found, expected in pairs), default=0.0)


def largest_difference(found: Outputs, expected: Outputs) -> float:
    """Give the largest difference, 0 to 1, between the numbers of two answers."""
    if 'boxes' in expected:
        return score_difference(found, expected)
    parts = [0.0]
    for name in sorted({'probabilities', 'confidence', 'probability'} & set(expected)):
        one, two = (np.asarray(side[name], np.float64) for side in (found, expected))
        whole = 255.0 if expected[name].dtype == np.uint8 else 1.0
        parts.append(float(np.abs(one - two).max(initial=0)) / whole)
    return max(parts)


def score_difference(found: Outputs, expected: Outputs) -> float:
    """Give the largest difference between the score of a box and that of its nearest like it."""
    ours, theirs = (np.asarray(side['scores'], np.float64) for side in (found, expected))
    kept, others = ours >= WEAKEST, theirs >= WEAKEST
    if not kept.any() or not others.any():
        return 0.0
    overlap = iou_matrix(found['boxes'][kept], expected['boxes'][others])
    for key in ('classes', 'tile'):
        overlap *= np.equal.outer(found[key][kept], expected[key][others])
    apart = np.abs(ours[kept] - theirs[others][overlap.argmax(axis=1)])
    return float(apart[overlap.max(axis=1) >= SAME_BOX].max(initial=0))
