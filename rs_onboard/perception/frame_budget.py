# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The latency budget applied to frames: results come in, every frame gets its plan."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.inference.budget.ladder import TaskLoad, VariantCost
from rs_onboard.inference.budget.machine_state import MachineState
from rs_onboard.inference.budget.planner import Finished, Observation, PlannerState, Ran, plan
from rs_onboard.perception.tile_choice import TileMemory, shares_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from rs_onboard.geo.area import Area
    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.inference.budget.plan import Allowance
    from rs_onboard.inference.card import TaskName
    from rs_onboard.perception.results import TaskReport
    from rs_onboard.perception.tiler import CutTiles

# Frames under way that are remembered, and for how long [s]; results of older ones say nothing.
MAX_FRAMES = 64
FORGET_S = 10.0

# A task that gave no result for so long [s] is not waited for: it is dead, and not slow.
DEAD_S = 10.0

# Reason under which tiles are counted that there is no time for.
NO_TIME = 'latency budget'

# The task at a place of the list of priorities is worth twice as much as the next.
STEP_OF_PRIORITY = 2.0


class TaskCosts(NamedTuple):
    """What a task node says of its model.

    Attributes:
        offered: The variant the user chose, then those below it, with their costs.
        lanes: Tasks like it that infer at the same time without slowing each other.
    """

    offered: tuple[VariantCost, ...]
    lanes: int = 1


@dataclass
class _Flight:
    """A frame under way."""

    received_ns: int
    began_s: float
    running: frozenset[str]
    camera: CameraModel | None
    pose: Pose | None
    reports: dict[str, TaskReport] = field(default_factory=dict)


class FrameBudget:
    """Plans every frame and learns from its results. May be called from several threads.

    Args:
        priorities: Tasks, the most important first; others come after them.
        area: What is of interest and looked at more often; None for everything alike.
    """

    def __init__(self, priorities: Sequence[str], area: Area | None = None) -> None:
        self._priorities = tuple(priorities)
        self._area = area
        self._lock = threading.Lock()
        self._costs: dict[str, TaskCosts] = {}
        self._learned: dict[str, VariantCost] = {}
        self._flights: dict[int, _Flight] = {}
        self._finished: list[Finished] = []
        self._heard_s: dict[str, float] = {}
        self._memories: dict[str, TileMemory] = {}
        self._frame = 0
        # When the last frame of an earlier plan was answered; those after it waited for it.
        self._settled_s = 0.0
        self.state = PlannerState()

    def set_costs(self, task: str, costs: TaskCosts) -> None:
        """Take what a task node has measured."""
        with self._lock:
            self._costs[task] = costs

    def apply(
        self,
        tiles: Mapping[TaskName, CutTiles],
        budget_ms: float,
        machine: MachineState | None = None,
        now_ns: int | None = None,
    ) -> dict[TaskName, CutTiles]:
        """Plan a frame; returns its tiles with what each task is to do with them.

        Args:
            tiles: Tiles of one frame by task.
            budget_ms: What the frame may take [ms]; 0 for no limit.
            machine: Heat and power.
            now_ns: Time on the steady clock [ns].
        """
        now_s = (time.perf_counter_ns() if now_ns is None else now_ns) / 1e9
        with self._lock:
            if budget_ms <= 0:
                self.state = plan(self.state, Observation(now_s, 0.0, ()))
                self._flights.clear()
                self._finished.clear()
                return dict(tiles)
            loads = self._loads(tiles)
            seen = Observation(
                now_s=now_s,
                budget_ms=budget_ms,
                loads=loads,
                lanes=min([self._costs[t].lanes for t in tiles if t in self._costs], default=1),
                finished=tuple(self._finished),
                waiting_ms=self._waiting_ms(now_s),
                machine=machine or MachineState(),
            )
            self._finished.clear()
            self.state = plan(self.state, seen)
            planned = {task: self._narrowed(task, cut) for task, cut in tiles.items()}
            self._frame += 1
            self._note(planned, now_s)
            return planned

    def result(
        self, task: str, stamp_ns: int, report: TaskReport, now_ns: int | None = None
    ) -> None:
        """Take what a task says of a frame."""
        now_s = (time.perf_counter_ns() if now_ns is None else now_ns) / 1e9
        with self._lock:
            self._heard_s[task] = now_s
            flight = self._flights.get(stamp_ns)
            if flight is None:
                return
            if flight.began_s < self.state.changed_s:
                self._settled_s = now_s
            flight.reports[task] = report
            self._learn(task, report)

    def found(self, stamp_ns: int, pixels: ArrayLike) -> None:
        """Take where objects were found: their places are looked at more often.

        Args:
            stamp_ns: Stamp of the frame [ns].
            pixels: (M, 2) their centres [px of the frame].
        """
        centres = np.asarray(pixels, np.float64).reshape(-1, 2)
        with self._lock:
            flight = self._flights.get(stamp_ns)
            if flight is None or not len(centres):
                return
            for memory in self._memories.values():
                memory.found(centres, stamp_ns, flight.camera, flight.pose)

    def done(self, stamp_ns: int, latency_ms: float) -> None:
        """Take note that all results of a frame are published.

        Args:
            stamp_ns: Stamp of the frame [ns].
            latency_ms: From its arrival to its publication [ms].
        """
        with self._lock:
            flight = self._flights.pop(stamp_ns, None)
            # A frame that a task gave nothing for was waited for in vain, which tells no costs.
            if flight is None or not flight.running <= set(flight.reports):
                return
            ran = {t: r for t, r in ((t, _ran(r)) for t, r in flight.reports.items()) if r}
            held_up = flight.began_s < self._settled_s
            self._finished.append(Finished(latency_ms, ran, flight.began_s, held_up))

    def results_are_in(self, stamp_ns: int, now_ns: int) -> float | None:
        """Return the age of a frame that all its tasks have reported on [ms], None otherwise."""
        with self._lock:
            flight = self._flights.get(stamp_ns)
            if flight is None or not flight.running <= set(flight.reports):
                return None
            return (now_ns - flight.received_ns) / 1e6

    def dropped(self, stamp_ns: int) -> None:
        """Take note that a task left a frame out for a newer one."""
        with self._lock:
            self._flights.pop(stamp_ns, None)

    def _loads(self, tiles: Mapping[TaskName, CutTiles]) -> tuple[TaskLoad, ...]:
        known = [task for task in self._priorities if task in tiles]
        order = [*known, *(task for task in tiles if task not in known)]
        return tuple(
            TaskLoad(
                task=task,
                weight=STEP_OF_PRIORITY**-rank,
                variants=self._variants(task),
                tiles=len(tiles[task].selection.tiles),  # type: ignore[index]
            )
            for rank, task in enumerate(order)
        )

    def _variants(self, task: str) -> tuple[VariantCost, ...]:
        if task in self._costs:
            return self._costs[task].offered
        # Until something is known, a task costs nothing, and so it is left as it is.
        return (self._learned.get(task, VariantCost('', 0.0, 0.0)),)

    def _learn(self, task: str, report: TaskReport) -> None:
        """Take the first result of a task that was not measured for its costs."""
        ran = _ran(report)
        if task in self._costs or task in self._learned or ran is None or not ran.tiles:
            return
        self._learned[task] = VariantCost(ran.variant, 0.0, max(1e-3, ran.infer_ms / ran.tiles))

    def _narrowed(self, task: str, tiles: CutTiles) -> CutTiles:
        assert self.state.plan is not None
        selection = tiles.selection
        allowed: Allowance = self.state.plan.allowance(task, self._frame, len(selection.tiles))
        if allowed.skip:
            return tiles.selecting(selection.skipped(allowed.skip))
        kept = selection
        if allowed.tiles < len(selection.tiles):
            memory = self._memories.setdefault(task, TileMemory())
            interest = None if self._area is None else shares_within(self._area, tiles)
            kept = selection.keep(memory.select(tiles, allowed.tiles, interest), NO_TIME)
        doubt = '; '.join(filter(None, (selection.doubt, allowed.doubt)))
        return tiles.selecting(replace(kept, variant=allowed.variant, doubt=doubt))

    def _note(self, planned: Mapping[TaskName, CutTiles], now_s: float) -> None:
        first = next(iter(planned.values()), None)
        if first is None:
            return
        header = first.header
        self._flights = {
            stamp_ns: flight
            for stamp_ns, flight in self._flights.items()
            if now_s - flight.began_s < FORGET_S
        }
        while len(self._flights) >= MAX_FRAMES:
            del self._flights[next(iter(self._flights))]
        self._flights[header.stamp_ns] = _Flight(
            received_ns=header.received_ns or int(now_s * 1e9),
            began_s=now_s,
            running=frozenset(t for t, cut in planned.items() if not cut.selection.why_skipped),
            camera=first.camera,
            pose=first.pose,
        )

    def _waiting_ms(self, now_s: float) -> float:
        """Age of the oldest frame of this plan that a task which is alive has not answered.

        While frames of an earlier plan are under way, those of this one wait for them: 0.
        """
        oldest = 0.0
        for flight in self._flights.values():
            missing = flight.running - set(flight.reports)
            if any(now_s - self._heard_s.get(task, -DEAD_S) < DEAD_S for task in missing):
                if flight.began_s < self.state.changed_s:
                    return 0.0
                since_s = max(flight.received_ns / 1e9, self._settled_s)
                oldest = max(oldest, (now_s - since_s) * 1e3)
        return oldest


def _ran(report: TaskReport) -> Ran | None:
    """Return what a task did on a frame, None where it did nothing."""
    if report.model is None or report.tiles is None or not report.latency_ms:
        return None
    spent = dict(report.latency_ms)
    wait_ms, infer_ms = spent.pop('wait', 0.0), spent.pop('infer', 0.0)
    return Ran(report.model.variant, report.tiles.count, infer_ms, sum(spent.values()), wait_ms)
