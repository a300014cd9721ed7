# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Costs and plans as messages."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message

from rs_onboard.inference.budget.ladder import TaskLoad, VariantCost
from rs_onboard.inference.budget.planner import Observation, PlannerState, plan
from rs_onboard.nodes.budget_messages import (
    costs_from_message,
    costs_message,
    plan_message,
    plan_status,
)
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.frame_budget import TaskCosts

times = st.floats(0.0, 1e6)
costs = st.builds(
    TaskCosts,
    st.tuples(
        st.builds(VariantCost, st.just('fp32'), times, times, st.just(1.0)),
        st.builds(VariantCost, st.just('int8'), times, times, st.floats(0.0, 1.0)),
    ),
    st.integers(1, 64),
)


@given(costs)
def test_costs_survive_the_topic_to_the_last_digit(found):
    message = costs_message('scene', found, ('a note',), Time(sec=5))
    again = deserialize_message(serialize_message(message), DiagnosticArray)
    assert costs_from_message(again) == ('scene', found)
    assert again.status[0].message == 'a note'


@pytest.mark.parametrize(
    'values',
    [
        {},
        {'lanes': '1'},
        {'lanes': 'x', 'cost.fp32': '[1, 2, 1]'},
        {'lanes': '1', 'cost.fp32': '[1, 2]'},
        {'lanes': '1', 'cost.fp32': '[1, NaN, 1]'},
        {'lanes': '1', 'cost.fp32': '{"a": 1}'},
        {'lanes': '1', 'cost.fp32': ''},
    ],
)
def test_costs_that_are_none_are_refused(values):
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    with pytest.raises(TaskError, match='Run nodes of one release together'):
        costs_from_message(DiagnosticArray(status=[DiagnosticStatus(name='scene', values=pairs)]))
    with pytest.raises(TaskError):
        costs_from_message(DiagnosticArray())


def test_a_plan_says_its_steps_and_what_led_to_it():
    load = TaskLoad('scene', 1.0, (VariantCost('fp32', 0, 10), VariantCost('int8', 0, 6, 0.9)), 10)
    state = plan(PlannerState(), Observation(0.0, 200.0, (load,)))
    best = plan_status(state, 1.0, 'latency budget')
    assert (best.level, best.message) == (DiagnosticStatus.OK, 'everything at its best')
    state = plan(state, Observation(1.0, 50.0, (load,)))
    status = plan_message(state, 3.5, Time(sec=3)).status[0]
    values = {item.key: item.value for item in status.values}
    assert status.level == DiagnosticStatus.WARN
    assert status.message == 'scene: int8, 50% of the tiles'
    assert values['frame_budget_ms'] == '50'
    assert values['step.scene'] == 'int8, 50% of the tiles'
    assert values['switch.0'].startswith('2.5 s ago, down: budget lowered from 200 ms')
    unlimited = plan_status(plan(state, Observation(2.0, 0.0, (load,))), 4.0, 'latency budget')
    assert (unlimited.level, unlimited.message) == (DiagnosticStatus.OK, 'no limit')
    assert plan_status(PlannerState(), 0.0, 'latency budget').message == 'no limit'
