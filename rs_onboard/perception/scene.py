# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Scene classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.results import SceneResult
from rs_onboard.perception.task import StageClock, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.inference.model import Model
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import TaskReport
    from rs_onboard.perception.tiler import TileSet
    from rs_onboard.perception.tiles import TileGrid

# What a softmax of int8 numbers may be off by.
ROUNDING = 0.02


class SceneTask(Task[SceneResult]):
    """Names the scene of every tile and, by visible area, of the frame."""

    def __init__(self, model: Model, *, batch: int = 4, overlap: int = 0) -> None:
        # Scene tiles are many and small: four at once save 5 % of the inference on a CPU, and a
        # third of the time around it.
        super().__init__(model, batch=batch, overlap=overlap)

    def _infer(self, tiles: TileSet, clock: StageClock) -> SceneResult:
        chosen, classes = list(tiles.selection.tiles), len(self.model.card.classes)
        parts = []
        for numbers, outputs in self._outputs(tiles, clock):
            found = self._checked(outputs, 'probabilities', (len(numbers), classes))
            parts.append(found.astype(np.float32, copy=False))
        probabilities = np.concatenate(parts)
        if not ((probabilities > -ROUNDING) & (probabilities < 1.0 + ROUNDING)).all():
            raise TaskError(
                f'{self.identity.name}: found probabilities from {probabilities.min():g} to '
                f'{probabilities.max():g}; expected finite numbers from 0 to 1. '
                'Verify the model on its own test images.'
            )
        weights = visible_areas(tiles.grid)[chosen]
        mean = weights @ probabilities / weights.sum()
        clock.lap('combine')
        return SceneResult(
            header=tiles.header,
            report=self._report(tiles, clock),
            classes=self.model.card.class_names,
            probabilities=mean.astype(np.float32),
            tile_classes=probabilities.argmax(axis=1).astype(np.uint8),
            tile_scores=probabilities.max(axis=1),
            boxes=np.array([tiles.grid.box(i) for i in chosen], np.float32),
        )

    def _empty(self, header: FrameHeader, report: TaskReport) -> SceneResult:
        return SceneResult.empty(header, report, self.model.card)


def visible_areas(grid: TileGrid) -> NDArray[np.float64]:
    """Return the pixels of the frame that are each tile's own, (N,) float64.

    Overlaps count once, so that a class is not preferred because it lies where tiles overlap.
    """
    return np.array(
        [
            (core.frame[0].stop - core.frame[0].start) * (core.frame[1].stop - core.frame[1].start)
            for core in grid.cores()
        ],
        np.float64,
    )
