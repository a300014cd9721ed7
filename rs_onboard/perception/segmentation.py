# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.mask_pool import MaskPool
from rs_onboard.perception.results import SegmentationResult, palette
from rs_onboard.perception.stitch import UNKNOWN_LABEL, MaskStitcher
from rs_onboard.perception.task import StageClock, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.inference.model import Model
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import TaskReport
    from rs_onboard.perception.tiler import TileSet


class SegmentationTask(Task[SegmentationResult]):
    """Names the class of every pixel of the frame."""

    def __init__(self, model: Model, *, batch: int = 1, overlap: int = 64) -> None:
        super().__init__(model, batch=batch, overlap=overlap)
        self.palette = palette(model.card)
        self._pool = MaskPool()

    def _infer(self, tiles: TileSet, clock: StageClock) -> SegmentationResult:
        grid = tiles.grid
        labels = MaskStitcher(grid, fill=UNKNOWN_LABEL, pool=self._pool)
        confidence = MaskStitcher(grid, fill=0, pool=self._pool)
        for numbers, outputs in self._outputs(tiles, clock):
            shape = (len(numbers), grid.tile_height, grid.tile_width)
            tile_labels = self._checked(outputs, 'labels', shape)
            tile_confidence = self._checked(outputs, 'confidence', shape)
            highest = _highest_id(tile_labels)
            if highest >= len(self.palette):
                raise TaskError(
                    f'{self.identity.name}: found class id {highest}; the card names '
                    f'{len(self.palette)} classes. The card is not of this model.'
                )
            labels.paste(numbers, tile_labels.astype(np.uint8, copy=False))
            confidence.paste(numbers, tile_confidence.astype(np.uint8, copy=False))
            clock.lap('stitch')
        mask, certainty = labels.mask(), confidence.mask()
        clock.lap('stitch')
        return SegmentationResult(
            header=tiles.header,
            report=self._report(tiles, clock),
            classes=self.model.card.class_names,
            palette=self.palette,
            labels=mask,
            confidence=certainty,
        )

    def _empty(self, header: FrameHeader, report: TaskReport) -> SegmentationResult:
        return SegmentationResult.empty(header, report, self.model.card)


def _highest_id(labels: NDArray[np.generic]) -> int:
    """Return the highest class id, -1 where all pixels are unknown."""
    highest = int(labels.max())
    if highest != UNKNOWN_LABEL:
        return highest
    known = labels[labels != UNKNOWN_LABEL]
    return int(known.max()) if known.size else -1
