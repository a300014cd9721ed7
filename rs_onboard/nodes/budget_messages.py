# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the latency budget publishes: measured costs, the plan, its history."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from rs_onboard.inference.budget.ladder import VariantCost
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.frame_budget import TaskCosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builtin_interfaces.msg import Time

    from rs_onboard.inference.budget.planner import PlannerState

COST = 'cost.'

# Switches shown in diagnostics, the last ones.
SHOWN = 8


def costs_message(
    task: str, costs: TaskCosts, notes: tuple[str, ...], now: Time
) -> DiagnosticArray:
    """Write what the variants offered by a task cost, the one that the user chose first."""
    values = {
        f'{COST}{cost.variant}': json.dumps([cost.fixed_ms, cost.tile_ms, cost.agreement])
        for cost in costs.offered
    }
    status = DiagnosticStatus(
        level=DiagnosticStatus.OK,
        name=task,
        message='; '.join(notes),
        hardware_id='rs_onboard',
        values=_pairs({'lanes': str(costs.lanes), **values}),
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = now
    return array


def costs_from_message(message: DiagnosticArray) -> tuple[str, TaskCosts]:
    """Read (task, costs).

    Raises:
        TaskError: They are not those of an rs_onboard task node.
    """
    try:
        (status,) = message.status
        values = {item.key: item.value for item in status.values}
        offered = tuple(
            _cost(key.removeprefix(COST), json.loads(value))
            for key, value in values.items()
            if key.startswith(COST)
        )
        lanes = max(1, int(values['lanes']))
        # The one that the user chose comes first, and is always there.
        _ = offered[0]
    except (IndexError, KeyError, TypeError, ValueError) as exc:
        raise TaskError(
            f'costs of a task: {exc!r}; expected those of an rs_onboard task node. Run nodes of '
            'one release together.'
        ) from None
    return str(status.name), TaskCosts(offered, lanes)


def plan_message(state: PlannerState, now_s: float, stamp: Time) -> DiagnosticArray:
    """Write the plan as a message of its own."""
    array = DiagnosticArray(status=[plan_status(state, now_s, 'latency budget')])
    array.header.stamp = stamp
    return array


def plan_status(state: PlannerState, now_s: float, name: str) -> DiagnosticStatus:
    """Write the plan, what it goes by, and its last switches.

    Args:
        state: What the planner knows.
        now_s: Steady time [s].
        name: Name of the entry.
    """
    current = state.plan
    if current is None or current.budget_ms <= 0:
        return DiagnosticStatus(
            level=DiagnosticStatus.OK,
            name=name,
            message='no limit',
            hardware_id='rs_onboard',
            values=_pairs({'frame_budget_ms': '0'}),
        )
    values = {
        'frame_budget_ms': f'{current.budget_ms:g}',
        'predicted_ms': f'{current.predicted_ms:.1f}',
        'reason': current.reason,
        'slowdown': f'{state.slowdown.level(1.0):.2f}',
        'overhead_ms': f'{state.overhead_ms.level(0.0):.1f}',
        'hold_s': f'{state.hold_s:g}',
        'frames': str(state.frames),
        'frames_within': str(state.kept),
        **{f'step.{task}': str(step) for task, step in current.steps.items()},
    }
    for number, switch in enumerate(reversed(state.history[-SHOWN:])):
        ago = f'{now_s - switch.at_s:.1f} s ago'
        values[f'switch.{number}'] = f'{ago}, {switch.direction}: {switch.reason} -> {switch.plan}'
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if current.degraded else DiagnosticStatus.OK,
        name=name,
        message=str(current) if current.degraded else 'everything at its best',
        hardware_id='rs_onboard',
        values=_pairs(values),
    )


def _cost(variant: str, numbers: list[float]) -> VariantCost:
    fixed_ms, tile_ms, agreement = (float(number) for number in numbers)
    if not all(math.isfinite(n) and n >= 0 for n in (fixed_ms, tile_ms, agreement)):
        raise ValueError(numbers)
    return VariantCost(variant, fixed_ms, tile_ms, agreement)


def _pairs(values: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, value in values.items()]
