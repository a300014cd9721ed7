# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How far the final outputs of a changed graph agree with those of the float graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.variant_agreement import MEASURES
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
        pairs = zip(self.answers(model), self.expected, strict=True)
        counts = np.array([self._measure(found, expected) for found, expected in pairs])
        same, total = counts.sum(axis=0)
        return float(same / total) if total else 1.0
