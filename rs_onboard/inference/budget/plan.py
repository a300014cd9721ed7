# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A plan: the step of every task, and what it means for a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.inference.budget.combination import runs
from rs_onboard.inference.budget.ladder import ordinal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.budget.ladder import Step


class Switch(NamedTuple):
    """A change of plan.

    Attributes:
        at_s: Steady time [s].
        direction: `up` or `down`.
        reason: What it was for.
        plan: The new plan as text.
    """

    at_s: float
    direction: str
    reason: str
    plan: str


class Allowance(NamedTuple):
    """What a task may do on one frame.

    Attributes:
        tiles: How many tiles it infers; 0 where it does not run.
        variant: Variant it infers them with; empty for its own.
        doubt: Why its result is degraded; empty where it does its best.
        skip: Why it does not run; empty where it does.
    """

    tiles: int
    variant: str = ''
    doubt: str = ''
    skip: str = ''


@dataclass(frozen=True)
class Plan:
    """The step of every task.

    Attributes:
        budget_ms: The budget it was made for [ms]; 0 for no limit.
        steps: By task, most important first.
        phases: Number of the frame, modulo the stride, that a task runs on.
        own: The variant that the user chose for each task.
        predicted_ms: Time its slowest frame is predicted to take [ms].
        reason: Why it was made.
    """

    budget_ms: float
    steps: Mapping[str, Step]
    phases: Mapping[str, int]
    own: Mapping[str, str]
    predicted_ms: float
    reason: str

    def allowance(self, task: str, frame: int, tiles: int) -> Allowance:
        """Return what a task may do on a frame.

        Args:
            task: Its name; one that the plan does not know may do everything.
            frame: Number of the frame.
            tiles: Tiles there are.
        """
        step = self.steps.get(task)
        if step is None or self.budget_ms <= 0:
            return Allowance(tiles)
        limit = f'latency budget of {self.budget_ms:g} ms'
        if step.off:
            return Allowance(0, skip=f'{limit}: off')
        if not runs(step, self.phases[task], frame):
            return Allowance(0, skip=f'{limit}: every {ordinal(step.every)} frame only')
        count, own = step.tiles(tiles), self.own[task]
        doubts = []
        if step.variant != own:
            doubts.append(f'{step.variant} instead of {own}')
        if count < tiles:
            doubts.append(f'{count} of {tiles} tiles')
        if step.every > 1:
            doubts.append(f'every {ordinal(step.every)} frame only')
        doubt = f'{limit}: {", ".join(doubts)}' if doubts else ''
        return Allowance(count, '' if step.variant == own else step.variant, doubt)

    @property
    def degraded(self) -> bool:
        """Whether any task does less than its best."""
        return any(
            step.off or step.share < 1.0 or step.every > 1 or step.variant != self.own[task]
            for task, step in self.steps.items()
        )

    def __str__(self) -> str:
        """Name the steps, for logs and diagnostics."""
        return '; '.join(f'{task}: {step}' for task, step in self.steps.items())
