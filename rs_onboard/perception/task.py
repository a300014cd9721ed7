# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What all tasks share: a model, a tile plan, timing, and failures that stay inside."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from rs_onboard.inference.errors import ModelError
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.results import ModelIdentity, TaskReport, TileUse
from rs_onboard.perception.tiles import TilePlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rs_onboard.inference.card import ModelCard
    from rs_onboard.inference.model import Model
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import Status
    from rs_onboard.perception.tiler import TileSet

R_co = TypeVar('R_co', covariant=True)


def plan_for(card: ModelCard, *, overlap: int = 0) -> TilePlan:
    """Return the tiles a model wants.

    Args:
        card: Its card.
        overlap: Least overlap of neighbouring tiles [px].
    """
    return TilePlan(
        height=card.input.height,
        width=card.input.width,
        overlap=overlap,
        gsd_m=card.gsd.trained_m,
        dynamic=card.input.dynamic,
        multiple=card.input.multiple,
        minimum=card.input.minimum,
    )


class StageClock:
    """Milliseconds by stage of one frame; stages may be entered many times."""

    def __init__(self) -> None:
        self.spent_ms: dict[str, float] = {}
        self._last = time.perf_counter_ns()

    def lap(self, stage: str) -> None:
        """Book the time since the last call to a stage."""
        now = time.perf_counter_ns()
        self.spent_ms[stage] = self.spent_ms.get(stage, 0.0) + (now - self._last) / 1e6
        self._last = now


class ModelTask(ABC, Generic[R_co]):
    """One perception task on one model, whatever it takes.

    Args:
        model: The verified model.
        batch: Tiles per inference. One is best on a CPU, where batches bring no speed.
        overlap: Least overlap of neighbouring tiles [px].

    Attributes:
        inputs: Names of the tile stacks that the graph takes.
    """

    inputs: tuple[str, ...] = ('tiles',)

    def __init__(self, model: Model, *, batch: int = 1, overlap: int = 0) -> None:
        self.model = model
        self.name = model.card.task
        self.plan = plan_for(model.card, overlap=overlap)
        self.identity = ModelIdentity(
            name=model.card.name,
            sha256=model.variant.sha256,
            variant=model.variant.name,
            provider=model.runtime.provider,
            trained=model.card.trained,
        )
        self._batch = batch

    def warm_up(self) -> None:
        """Run the model once on empty tiles: allocations and kernel choices are then made.

        Raises:
            ModelError: The model does not run.
        """
        tiles = np.zeros((self._batch, self.plan.height, self.plan.width, 3), np.uint8)
        self.model.runtime.run(dict.fromkeys(self.inputs, tiles))

    @abstractmethod
    def _empty(self, header: FrameHeader, report: TaskReport) -> R_co:
        """Build a result that says only why there is none."""

    def without_result(self, header: FrameHeader, status: Status, reason: str) -> R_co:
        """Build the result of a frame that was skipped or failed."""
        return self._empty(header, TaskReport(self.name, status, reason, self.identity))

    def _report(
        self, tiles: TileSet, clock: StageClock, *, count: int | None = None, reason: str = ''
    ) -> TaskReport:
        """Report a finished frame.

        Args:
            tiles: Its tiles.
            clock: What was spent on it.
            count: Tiles inferred; None for all.
            reason: Why to doubt the result, besides its scale.
        """
        grid, scale = tiles.grid, tiles.scale
        inferred = len(grid) if count is None else count
        doubts = '; '.join(filter(None, (scale.reason, reason)))
        return TaskReport(
            task=self.name,
            status='degraded' if doubts else 'ok',
            reason=doubts,
            model=self.identity,
            tiles=TileUse(inferred, grid.tile_height, grid.tile_width, scale.scale, scale.gsd_m),
            latency_ms=dict(clock.spent_ms),
        )

    def _checked(
        self, outputs: dict[str, NDArray[np.generic]], name: str, shape: tuple[int, ...]
    ) -> NDArray[np.generic]:
        """Return an output of the expected shape.

        Raises:
            TaskError: It has another one: the graph is wrong at this tile size.
        """
        found = outputs[name]
        if found.shape != shape:
            raise TaskError(
                f'{self.identity.name}: output {name!r} has shape {found.shape}; expected {shape}. '
                'The graph is wrong at this tile size: export the model again.'
            )
        return found


class Task(ModelTask[R_co]):
    """One perception task on the tiles of one frame."""

    def __init__(self, model: Model, *, batch: int = 1, overlap: int = 0) -> None:
        super().__init__(model, batch=batch, overlap=overlap)
        self._buffer = np.empty((batch, 0, 0, 3), np.uint8)

    def run(self, tiles: TileSet) -> R_co:
        """Infer the tiles of a frame; a failure becomes a result with status `failed`."""
        clock = StageClock()
        try:
            return self._infer(tiles, clock)
        except (ModelError, TaskError) as exc:
            return self.without_result(tiles.header, 'failed', str(exc))

    @abstractmethod
    def _infer(self, tiles: TileSet, clock: StageClock) -> R_co:
        """Infer the tiles of a frame."""

    def _outputs(
        self, tiles: TileSet, clock: StageClock
    ) -> Iterator[tuple[int, dict[str, NDArray[np.generic]]]]:
        """Yield (index of the first tile, outputs) of every batch of tiles."""
        shape = (self._batch, tiles.grid.tile_height, tiles.grid.tile_width, 3)
        if self._buffer.shape != shape:
            self._buffer = np.empty(shape, np.uint8)
        for first, batch in tiles.batches(self._buffer):
            clock.lap('cut')
            outputs = self.model.runtime.run({'tiles': batch})
            clock.lap('infer')
            yield first, outputs
