# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The best steps of all tasks together that fit a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.inference.budget.ladder import CYCLE, OFF, Step, TaskLoad, ladder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Conditions:
    """What is known of the machine at the moment.

    Attributes:
        slowdown: Time of inference in flight by that of the measured costs.
        overhead_ms: Time of a frame outside its tasks [ms]: decoding, waiting, joining.
        other_ms: Time of a task outside inference [ms], by task.
        lanes: Tasks that infer at the same time without slowing each other.
        period_ms: Time from frame to frame [ms]; 0 where it is not known.
    """

    slowdown: float = 1.0
    overhead_ms: float = 0.0
    other_ms: Mapping[str, float] | None = None
    lanes: int = 1
    period_ms: float = 0.0


class Combination(NamedTuple):
    """Steps of all tasks.

    Attributes:
        steps: In the order of the tasks.
        phases: Number of the frame, modulo the stride, that each task runs on.
        worth: What they are worth together.
        predicted_ms: Time of the slowest frame [ms].
    """

    steps: tuple[Step, ...]
    phases: tuple[int, ...]
    worth: float
    predicted_ms: float


def makespan(works: Sequence[float], lanes: int) -> float:
    """Return the time in which independent works are done on some lanes, at best."""
    return max(max(works, default=0.0), sum(works) / lanes)


def evaluate(
    loads: Sequence[TaskLoad], steps: Sequence[Step], conditions: Conditions
) -> Combination:
    """Predict the slowest frame of some steps; tasks that do not run on every one take turns."""
    works = [load.work_ms(step) for load, step in zip(loads, steps, strict=True)]
    phases = _take_turns(works, steps)
    other = conditions.other_ms or {}
    slowest = 0.0
    for frame in range(CYCLE):
        running = [k for k, step in enumerate(steps) if runs(step, phases[k], frame)]
        work = conditions.slowdown * makespan([works[k] for k in running], conditions.lanes)
        slowest = max(
            slowest, work + max((other.get(loads[k].task, 0.0) for k in running), default=0.0)
        )
    predicted = conditions.overhead_ms + slowest + _wait(works, steps, conditions)
    worth = sum(load.worth(step) for load, step in zip(loads, steps, strict=True))
    return Combination(tuple(steps), phases, worth, predicted)


def runs(step: Step, phase: int, frame: int) -> bool:
    """Return whether a task runs on a frame of a number."""
    return not step.off and frame % step.every == phase % step.every


def best(
    loads: Sequence[TaskLoad],
    limit_ms: float,
    conditions: Conditions,
    *,
    above: float = -1.0,
) -> Combination | None:
    """Return the combination worth most that is predicted to fit; of equal ones the fastest.

    Args:
        loads: The tasks.
        limit_ms: Longest time of a frame [ms].
        conditions: What is known of the machine.
        above: Only what is worth more than this.

    Returns:
        None where nothing fits.
    """
    ladders = [ladder(load) for load in loads]
    worths = [
        [load.worth(step) for step in steps] for load, steps in zip(loads, ladders, strict=True)
    ]
    # What the tasks after each one can add at best.
    rest = [0.0] * (len(loads) + 1)
    for k in reversed(range(len(loads))):
        rest[k] = rest[k + 1] + max(worths[k], default=0.0)
    found: Combination | None = None
    room = limit_ms - conditions.overhead_ms
    stack: list[tuple[tuple[Step, ...], float, float, float]] = [((), 0.0, 0.0, 0.0)]
    while stack:
        chosen, worth, largest, mean = stack.pop()
        least = above if found is None else found.worth
        k = len(chosen)
        hopeless = worth + rest[k] < least or (found is None and worth + rest[k] <= above)
        if hopeless or conditions.slowdown * max(largest, mean) > room:
            continue
        if k == len(loads):
            candidate = evaluate(loads, chosen, conditions)
            if candidate.predicted_ms <= limit_ms and _better(candidate, found, above):
                found = candidate
            continue
        # The last one pushed, the best step, is looked at first.
        for step, value in reversed(list(zip(ladders[k], worths[k], strict=True))):
            work = loads[k].work_ms(step)
            load = work / step.every / conditions.lanes if step.every else 0.0
            stack.append(((*chosen, step), worth + value, max(largest, work), mean + load))
    return found


def one_running(loads: Sequence[TaskLoad], number: int, conditions: Conditions) -> Combination:
    """Return what is least while one task, of a number, runs at all."""
    steps = [ladder(load)[-2] if k == number else OFF for k, load in enumerate(loads)]
    return evaluate(loads, steps, conditions)


def probe(loads: Sequence[TaskLoad], conditions: Conditions) -> Combination:
    """Return the least that tells what the machine can do: the cheapest task at its last step."""
    works = [load.work_ms(ladder(load)[-2]) for load in loads]
    return one_running(loads, works.index(min(works)), conditions)


def _better(candidate: Combination, found: Combination | None, above: float) -> bool:
    if found is None:
        return candidate.worth > above
    return (candidate.worth, -candidate.predicted_ms) > (found.worth, -found.predicted_ms)


def _take_turns(works: Sequence[float], steps: Sequence[Step]) -> tuple[int, ...]:
    """Spread tasks that do not run on every frame, the longest first, over the frames."""
    phases, busy = [0] * len(steps), [0.0] * CYCLE
    seldom = [k for k, step in enumerate(steps) if step.every > 1]
    for k in sorted(seldom, key=lambda k: (-works[k], k)):
        every = steps[k].every
        phases[k] = min(range(every), key=lambda phase: (max(busy[phase::every]), phase))
        for frame in range(phases[k], CYCLE, every):
            busy[frame] += works[k]
    return tuple(phases)


def _wait(works: Sequence[float], steps: Sequence[Step], conditions: Conditions) -> float:
    """Return how long a frame waits for the one before, at most [ms].

    A task that takes longer than its frames are apart finds the newest of them at most one period
    old.
    """
    period = conditions.period_ms
    late = any(
        conditions.slowdown * work > period * step.every
        for work, step in zip(works, steps, strict=True)
        if not step.off
    )
    return period if period and late else 0.0
