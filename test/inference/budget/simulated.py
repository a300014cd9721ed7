# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A machine that slows down and recovers, flown by the planner in simulated time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rs_onboard.inference.budget.combination import makespan
from rs_onboard.inference.budget.ladder import TaskLoad, VariantCost
from rs_onboard.inference.budget.machine_state import MachineState
from rs_onboard.inference.budget.planner import Finished, Observation, PlannerState, Ran, plan

LOADS = (
    TaskLoad('detection', 4.0, (VariantCost('fp32', 2, 9), VariantCost('int8', 2, 5, 0.97)), 6),
    TaskLoad('segmentation', 2.0, (VariantCost('fp32', 0, 8), VariantCost('int8', 0, 5, 0.99)), 4),
    TaskLoad('scene', 1.0, (VariantCost('fp32', 1, 1), VariantCost('int8', 1, 0.8, 0.97)), 12),
)
# All of it at its best: 56 + 32 + 13 ms in one lane.
FULL_MS = 101.0
OVERHEAD_MS = 6.0


@dataclass(frozen=True)
class Flown:
    """A frame of a simulated flight."""

    at_s: float
    latency_ms: float
    planned: str
    degraded: bool


def fly(
    factor,
    *,
    budget_ms=150.0,
    seconds=30.0,
    rate_hz=10.0,
    loads=LOADS,
    lanes=1,
    machine=lambda _: MachineState(),
    spike=lambda _: 0.0,
):
    """Fly; returns the frames and the state of the planner at the end.

    Args:
        factor: Time of inference by its measured costs, by time [s].
        budget_ms: Budget, or a function of time.
        machine: Heat, by time [s].
        spike: Time added to the overhead, by number of the frame [ms].
    """
    limit = budget_ms if callable(budget_ms) else lambda _: budget_ms
    state, frames, under_way = PlannerState(), [], []
    for number in range(int(seconds * rate_hz)):
        now = number / rate_hz
        done = [item for item in under_way if item[0] <= now]
        under_way = [item for item in under_way if item[0] > now]
        waiting = [now - began for _, began, _, since in under_way if since >= state.changed_s]
        state = plan(
            state,
            Observation(
                now_s=now,
                budget_ms=limit(now),
                loads=loads,
                lanes=lanes,
                finished=tuple(finished for _, _, finished, _ in done),
                waiting_ms=1e3 * max(waiting, default=0.0),
                machine=machine(now),
            ),
        )
        finished = run(state.plan, number, factor(now), loads, lanes, spike(number), now)
        frames.append(Flown(now, finished.latency_ms, str(state.plan), state.plan.degraded))
        under_way.append((now + finished.latency_ms / 1e3, now, finished, now))
    return frames, state


def run(current, number, factor, loads=LOADS, lanes=1, spike_ms=0.0, began_s=0.0):
    """Return what becomes of a frame under a plan."""
    works, steps = [], []
    for load in loads:
        allowed = current.allowance(load.task, number, load.tiles)
        variant = allowed.variant or current.own[load.task]
        works.append(factor * load.cost(variant).frame_ms(allowed.tiles))
        steps.append((load.task, variant, allowed.tiles))
    total = makespan(works, lanes)
    # The longest is done last; where tasks share a lane, the others finish before it.
    ran = {
        task: Ran(variant, tiles, total if work == max(works) else work)
        for (task, variant, tiles), work in zip(steps, works, strict=True)
        if tiles
    }
    return Finished(OVERHEAD_MS + spike_ms + total, ran, began_s)


def within(frames, budget_ms, first_s=0.0, last_s=float('inf')):
    """Return the share of frames of a time that kept the budget."""
    chosen = [frame for frame in frames if first_s <= frame.at_s < last_s]
    return sum(frame.latency_ms <= budget_ms for frame in chosen) / len(chosen)


def with_tiles(count):
    """Return the tasks with another number of tiles."""
    return tuple(replace(load, tiles=count) for load in LOADS)
