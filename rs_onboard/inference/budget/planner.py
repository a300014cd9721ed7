# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Plan what every task does on the next frame, so that frames keep their budget.

Down at once when a frame breaks the budget or is predicted to, up after a hold time, and only to
what leaves room. A step up that had to be taken back makes the next one wait twice as long.
Deterministic: the same observations give the same plans.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rs_onboard.inference.budget.combination import (
    Combination,
    Conditions,
    best,
    evaluate,
    makespan,
    one_running,
    probe,
)
from rs_onboard.inference.budget.ladder import OFF, ladder
from rs_onboard.inference.budget.machine_state import MachineState
from rs_onboard.inference.budget.plan import Plan, Switch
from rs_onboard.inference.budget.track import AGE_FRAMES, AGE_S, Track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.budget.ladder import Step, TaskLoad
    from rs_onboard.inference.budget.machine_state import Heat

# A new plan may use this share of the budget; one that is in force may use all of it. Down again
# within a moment takes more off, so that a growing load is met in few steps.
MARGIN, STEEP_MARGIN = 0.8, 0.6
MOMENT_S = 1.0

# Time for which a better plan must be affordable [s]: at first, and at most after it failed.
HOLD_S, LONGEST_HOLD_S = 2.0, 32.0
# With everything off, something is tried after this time at most [s].
LONGEST_OFF_S = 8.0
# A step up that is taken back within this time [s] has failed.
PROBATION_S = 10.0

# A frame that is not done in time takes longer still; nothing says by how much.
UNDONE = 1.5

# A hot machine gets less to do, before its clocks are lowered for it.
HEAT_SHARE: Mapping[Heat, float] = {'hot': 0.75, 'critical': 0.5}

# Switches that are remembered.
HISTORY = 20


@dataclass(frozen=True)
class Ran:
    """What a task did on a frame.

    Attributes:
        variant: Variant that ran.
        tiles: Tiles inferred.
        infer_ms: Time in the runtime [ms].
        other_ms: Time of the task outside it, without waiting [ms].
        wait_ms: Time it waited for the frame before [ms].
    """

    variant: str
    tiles: int
    infer_ms: float
    other_ms: float = 0.0
    wait_ms: float = 0.0

    @property
    def work_ms(self) -> float:
        """Time of the task without waiting [ms]."""
        return self.infer_ms + self.other_ms


@dataclass(frozen=True)
class Finished:
    """A frame that is done.

    Attributes:
        latency_ms: From its arrival to its publication [ms].
        ran: What the tasks did, by name; those that passed it over are not there.
        began_s: When it was planned [s].
        held_up: Whether it waited for a frame of an earlier plan, so that its latency says nothing
            of its own.
    """

    latency_ms: float
    ran: Mapping[str, Ran]
    began_s: float = math.inf
    held_up: bool = False


@dataclass(frozen=True)
class Observation:
    """What the planner sees before a frame.

    Attributes:
        now_s: Steady time [s].
        budget_ms: What a frame may take [ms]; 0 for no limit.
        loads: The tasks, most important first, with what there is to do on this frame.
        lanes: Tasks that infer at the same time without slowing each other.
        finished: Frames done since the last observation.
        waiting_ms: Age of the oldest frame that was planned as now and is not done [ms].
        machine: Heat and power.
    """

    now_s: float
    budget_ms: float
    loads: tuple[TaskLoad, ...]
    lanes: int = 1
    finished: tuple[Finished, ...] = ()
    waiting_ms: float = 0.0
    machine: MachineState = field(default_factory=MachineState)


@dataclass(frozen=True)
class PlannerState:
    """What the planner remembers from frame to frame.

    Attributes:
        plan: The plan of the last frame, None before the first.
        slowdown: Time of inference in flight by that of the measured costs.
        overhead_ms: Time of frames outside their tasks [ms].
        other_ms: Time of tasks outside inference [ms].
        period_ms: Time from frame to frame [ms].
        seen_s: Time of the last observation [s].
        better_since_s: Since when a better plan has been affordable [s], None while none is.
        changed_s: When the plan changed last [s].
        raised_s: When it was raised last [s], None once that has proved sound or failed.
        hold_s: How long a better plan must be affordable [s].
        trying: Whether the plan is the least that was tried after everything was off.
        history: The last switches, oldest first.
        frames: Frames that are done.
        kept: Those of them within the budget.
    """

    plan: Plan | None = None
    slowdown: Track = field(default_factory=Track)
    overhead_ms: Track = field(default_factory=Track)
    other_ms: Mapping[str, Track] = field(default_factory=dict)
    period_ms: Track = field(default_factory=Track)
    seen_s: float | None = None
    better_since_s: float | None = None
    changed_s: float = 0.0
    raised_s: float | None = None
    hold_s: float = HOLD_S
    trying: bool = False
    history: tuple[Switch, ...] = ()
    frames: int = 0
    kept: int = 0


def plan(state: PlannerState, seen: Observation) -> PlannerState:
    """Plan the next frame; the plan is that of the state returned."""
    if seen.budget_ms <= 0 or not seen.loads:
        free = evaluate(seen.loads, [ladder(load)[0] for load in seen.loads], Conditions())
        unlimited = _as_plan(seen, free, 'no limit')
        return PlannerState(plan=unlimited, history=state.history)
    state = _remember(state, seen)
    budget = seen.budget_ms * HEAT_SHARE.get(seen.machine.heat, 1.0)
    usual = _conditions(state, seen)
    former = state.plan
    if former is None or former.budget_ms <= 0 or not _fits(former, seen.loads):
        found = best(seen.loads, MARGIN * budget, usual)
        reason = 'first plan' if former is None else 'limit set or tasks changed'
        return _switch(state, seen, found or _least(seen, usual), reason, None)
    steps = [former.steps[load.task] for load in seen.loads]
    now, cause = _at_worst(state, seen, steps, usual)
    current = evaluate(seen.loads, steps, now)
    if current.predicted_ms > budget:
        return _down(state, seen, budget, (current, now), cause)
    state = _on_probation(state, seen.now_s)
    state = replace(state, plan=_as_plan(seen, current, former.reason))
    return _up(state, seen, budget, evaluate(seen.loads, steps, usual), usual)


def _remember(state: PlannerState, seen: Observation) -> PlannerState:
    now = seen.now_s
    gap_s = 0.0 if state.seen_s is None else now - state.seen_s
    age_s = max(AGE_S, AGE_FRAMES * gap_s)
    slowdown, overhead = state.slowdown.recent(now, age_s), state.overhead_ms.recent(now, age_s)
    other = {task: track.recent(now, age_s) for task, track in state.other_ms.items()}
    for frame in seen.finished:
        at_s = min(now, frame.began_s)
        if now - at_s > age_s:
            # It tells what the machine was like when it began.
            continue
        sample = _slowdown(frame, seen)
        slowdown = slowdown if sample is None else slowdown.add(at_s, sample)
        overhead = overhead.add(at_s, _overhead(frame))
        for task, ran in frame.ran.items():
            other[task] = other.get(task, Track()).add(at_s, ran.other_ms)
    period = state.period_ms.recent(now, age_s)
    if gap_s > 0.0:
        period = period.add(now, gap_s * 1e3)
    kept = sum(frame.latency_ms <= seen.budget_ms for frame in seen.finished)
    return replace(
        state,
        slowdown=slowdown,
        overhead_ms=overhead,
        other_ms=other,
        period_ms=period,
        seen_s=now,
        frames=state.frames + len(seen.finished),
        kept=state.kept + kept,
    )


def _slowdown(frame: Finished, seen: Observation) -> float | None:
    """Compare the inference of a frame with its measured costs; None where nothing ran."""
    costs = [
        (load.cost(ran.variant), ran)
        for load in seen.loads
        if (ran := frame.ran.get(load.task)) is not None
    ]
    expected = makespan([cost.frame_ms(ran.tiles) for cost, ran in costs if cost], seen.lanes)
    if expected <= 0.0:
        return None
    return max(ran.infer_ms for ran in frame.ran.values()) / expected


def _overhead(frame: Finished) -> float:
    ran = frame.ran.values()
    return max(0.0, frame.latency_ms - max((r.wait_ms + r.work_ms for r in ran), default=0.0))


def _conditions(state: PlannerState, seen: Observation) -> Conditions:
    return Conditions(
        slowdown=state.slowdown.level(1.0),
        overhead_ms=state.overhead_ms.level(0.0),
        other_ms={task: track.level(0.0) for task, track in state.other_ms.items()},
        lanes=seen.lanes,
        period_ms=state.period_ms.middle(0.0),
    )


def _at_worst(
    state: PlannerState, seen: Observation, steps: Sequence[Step], usual: Conditions
) -> tuple[Conditions, str]:
    """Judge by the worst of what has just happened; returns it and what it was."""
    assert state.plan is not None
    worst, cause = usual, 'predicted to take {predicted:.0f} ms'
    if seen.machine.heat in HEAT_SHARE:
        cause = f'machine {seen.machine.heat}'
    for frame in seen.finished:
        # Frames planned before the last change say nothing against what it led to.
        judges = frame.began_s >= state.changed_s and not frame.held_up
        if frame.latency_ms > seen.budget_ms and judges:
            # What it waited for is counted as it was, and not as it may be.
            works = [ran.work_ms for ran in frame.ran.values()]
            overhead = frame.latency_ms - max(works, default=0.0)
            worst = replace(
                worst,
                slowdown=max(worst.slowdown, _slowdown(frame, seen) or 0.0),
                overhead_ms=max(worst.overhead_ms, overhead),
                period_ms=0.0,
            )
            cause = f'a frame took {frame.latency_ms:.0f} ms'
    expected = evaluate(seen.loads, steps, worst).predicted_ms
    if seen.waiting_ms > seen.budget_ms and seen.waiting_ms > expected > 0:
        longer = UNDONE * seen.waiting_ms / expected
        worst = replace(worst, slowdown=worst.slowdown * longer)
        cause = f'a frame is not done after {seen.waiting_ms:.0f} ms'
    if seen.budget_ms < state.plan.budget_ms:
        cause = f'budget lowered from {state.plan.budget_ms:g} ms'
    return worst, cause


def _down(
    state: PlannerState,
    seen: Observation,
    budget: float,
    now: tuple[Combination, Conditions],
    cause: str,
) -> PlannerState:
    current, conditions = now
    steep = seen.now_s - state.changed_s < MOMENT_S and state.raised_s is None
    margin = STEEP_MARGIN if steep else MARGIN
    found = best(seen.loads, margin * budget, conditions) or best(seen.loads, budget, conditions)
    target = found or _least(seen, conditions)
    reason = f'{cause.format(predicted=current.predicted_ms)}, {budget:.0f} ms allowed'
    if found is None:
        reason += f'; {conditions.overhead_ms:.0f} ms pass outside the tasks'
    state = replace(state, better_since_s=None)
    if target.steps == current.steps:
        assert state.plan is not None
        return replace(state, plan=_as_plan(seen, current, reason))
    hold = state.hold_s
    if state.raised_s is not None:
        hold = min(LONGEST_HOLD_S, 2 * hold)
    state = replace(state, hold_s=hold, raised_s=None, trying=False)
    return _switch(state, seen, target, reason, 'down')


def _up(
    state: PlannerState, seen: Observation, budget: float, current: Combination, usual: Conditions
) -> PlannerState:
    blocked = seen.machine.heat in {'warm', *HEAT_SHARE} or seen.machine.throttled
    better = None
    if not blocked:
        better = best(seen.loads, MARGIN * budget, usual, above=current.worth)
    blind = all(step.off for step in current.steps)
    if not blocked and blind:
        # Nothing tells of the machine while nothing runs: the least that does goes first, whatever
        # was known before.
        better = probe(seen.loads, replace(usual, slowdown=1.0))
    if better is None:
        return replace(state, better_since_s=None)
    since = seen.now_s if state.better_since_s is None else state.better_since_s
    state = replace(state, better_since_s=since)
    hold_s = min(state.hold_s, LONGEST_OFF_S) if blind else state.hold_s
    if state.trying:
        # What was tried has shown what the machine can do now.
        hold_s = HOLD_S
    if seen.now_s - max(since, state.changed_s) < hold_s:
        return state
    state = replace(state, better_since_s=None, raised_s=seen.now_s, trying=blind)
    if blind:
        state = replace(state, slowdown=Track())
        return _switch(state, seen, better, f'tried after {hold_s:.0f} s', 'up')
    reason = f'{better.predicted_ms:.0f} ms predicted for {hold_s:.0f} s'
    return _switch(state, seen, better, reason, 'up')


def _on_probation(state: PlannerState, now_s: float) -> PlannerState:
    """Trust a step up that has lasted."""
    if state.raised_s is None or now_s - state.raised_s < PROBATION_S:
        return state
    return replace(state, raised_s=None, hold_s=max(HOLD_S, state.hold_s / 2))


def _least(seen: Observation, conditions: Conditions) -> Combination:
    """Return what to do when even nothing does not fit: tasks are not what takes the time.

    The first task goes on, as long as it would fit by itself.
    """
    one = one_running(seen.loads, 0, conditions)
    if one.predicted_ms - conditions.overhead_ms <= seen.budget_ms:
        return one
    return evaluate(seen.loads, [OFF for _ in seen.loads], conditions)


def _fits(current: Plan, loads: Sequence[TaskLoad]) -> bool:
    """Return whether a plan is one for these tasks and the variants at hand."""
    if set(current.steps) != {load.task for load in loads}:
        return False
    steps = [(load, current.steps[load.task]) for load in loads]
    return all(step.off or load.cost(step.variant) is not None for load, step in steps)


def _as_plan(seen: Observation, chosen: Combination, reason: str) -> Plan:
    tasks = [load.task for load in seen.loads]
    return Plan(
        budget_ms=seen.budget_ms,
        steps=dict(zip(tasks, chosen.steps, strict=True)),
        phases=dict(zip(tasks, chosen.phases, strict=True)),
        own={load.task: load.variants[0].variant for load in seen.loads},
        predicted_ms=chosen.predicted_ms,
        reason=reason,
    )


def _switch(
    state: PlannerState,
    seen: Observation,
    chosen: Combination,
    reason: str,
    direction: str | None,
) -> PlannerState:
    made = _as_plan(seen, chosen, reason)
    history = state.history
    if direction is not None:
        history = (*history, Switch(seen.now_s, direction, reason, str(made)))[-HISTORY:]
    return replace(state, plan=made, changed_s=seen.now_s, better_since_s=None, history=history)
