# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What all tasks share: a model, a tile plan, timing, and failures that stay inside."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from rs_onboard.inference.calls import CallWatch
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


def identity_of(model: Model) -> ModelIdentity:
    """Return what a result says of the model behind it."""
    return ModelIdentity(
        name=model.card.name,
        sha256=model.variant.sha256,
        variant=model.variant.name,
        provider=model.runtime.provider,
        trained=model.card.trained,
    )


class ModelTask(ABC, Generic[R_co]):
    """One perception task on one model, whatever it takes.

    Args:
        model: The verified model.
        batch: Tiles per inference. One is best on a CPU, where batches bring no speed.
        overlap: Least overlap of neighbouring tiles [px].

    Attributes:
        inputs: Names of the tile stacks that the graph takes.
        calls: Makes the calls of the model; tells others whether one hangs.
    """

    inputs: tuple[str, ...] = ('tiles',)

    def __init__(self, model: Model, *, batch: int = 1, overlap: int = 0) -> None:
        self.model = model
        self.name = model.card.task
        self.plan = plan_for(model.card, overlap=overlap)
        self.identity = identity_of(model)
        self._models: dict[str, Model] = {model.variant.name: model}
        self._own = model.variant.name
        self._batch = batch
        self.calls = CallWatch()

    def warm_up(self) -> None:
        """Run the model once on empty tiles: allocations and kernel choices are then made.

        Raises:
            ModelError: The model does not run.
        """
        self._run_empty(self.model)

    def _run_empty(self, model: Model) -> None:
        tiles = np.zeros((self._batch, self.plan.height, self.plan.width, 3), np.uint8)
        self.calls.run(model.runtime, dict.fromkeys(self.inputs, tiles))

    def take_over(self, other: ModelTask[Any]) -> None:
        """Go on with what another task of the same kind remembers of earlier frames."""

    def offer(self, model: Model) -> None:
        """Run another variant of the model once and keep it ready; `select` switches to it.

        Args:
            model: Another variant of the same card, verified.

        Raises:
            TaskError: It is of another card.
            ModelError: It does not run.
        """
        if model.card != self.model.card:
            raise TaskError(
                f'{self.name}: found variant {model.variant.name} of {model.card.name}; expected '
                f'one of {self.model.card.name}. Load both from one model folder.'
            )
        self._run_empty(model)
        self._models[model.variant.name] = model

    @property
    def models(self) -> tuple[Model, ...]:
        """The variants at hand, the one the task was made with first."""
        return tuple(self._models.values())

    def select(self, variant: str) -> None:
        """Infer with a variant from now on; empty for the one the task was made with.

        Where it is not at hand, that one stands in, and every result then says so.
        """
        model = self._models.get(variant or self._own, self._models[self._own])
        if model is not self.model:
            self.model, self.identity = model, identity_of(model)

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
            count: Tiles inferred; None for those selected.
            reason: Why to doubt the result, besides its scale and the selection of its tiles.
        """
        grid, scale, selection = tiles.grid, tiles.scale, tiles.selection
        inferred = len(selection.tiles) if count is None else count
        stands_in = ''
        if selection.variant not in {'', self.identity.variant}:
            stands_in = f'{selection.variant} is not loaded, {self.identity.variant} ran'
        doubts = '; '.join(filter(None, (scale.reason, selection.doubt, stands_in, reason)))
        return TaskReport(
            task=self.name,
            status='degraded' if doubts else 'ok',
            reason=doubts,
            model=self.identity,
            tiles=TileUse(
                count=inferred,
                height=grid.tile_height,
                width=grid.tile_width,
                scale=scale.scale,
                gsd_m=scale.gsd_m,
                left_out=dict(selection.left_out) or None,
            ),
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
        """Infer the tiles of a frame; whatever fails becomes a result with status `failed`."""
        if reason := tiles.selection.why_skipped:
            return self.without_result(tiles.header, 'skipped', reason)
        clock = StageClock()
        try:
            self.select(tiles.selection.variant)
            return self._infer(tiles, clock)
        except (ModelError, TaskError) as exc:
            return self.without_result(tiles.header, 'failed', str(exc))
        except Exception as exc:  # noqa: BLE001  (a frame without memory left, for instance)
            reason = f'unexpected {type(exc).__name__}: {exc}'
            return self.without_result(tiles.header, 'failed', reason)

    @abstractmethod
    def _infer(self, tiles: TileSet, clock: StageClock) -> R_co:
        """Infer the tiles of a frame."""

    def _outputs(
        self, tiles: TileSet, clock: StageClock
    ) -> Iterator[tuple[tuple[int, ...], dict[str, NDArray[np.generic]]]]:
        """Yield (numbers of the tiles, outputs) of every batch of selected tiles."""
        shape = (self._batch, tiles.grid.tile_height, tiles.grid.tile_width, 3)
        if self._buffer.shape != shape:
            self._buffer = np.empty(shape, np.uint8)
        for numbers, batch in tiles.batches(self._buffer):
            clock.lap('cut')
            outputs = self.calls.run(self.model.runtime, {'tiles': batch})
            clock.lap('infer')
            yield numbers, outputs
