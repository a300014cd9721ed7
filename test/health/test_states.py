# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""States rise at once, fall after the hold time, and every change is told once."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.health.states import MAX_CAUSES, Finding, HealthMonitor, State

COLD = Finding('no_image', 'image_raw: no image for 12 s', State.STALE)
BAD = Finding('bad_image', 'image_raw: too short')
WORSE = Finding('bad_image', 'image_raw: nothing but bad images', State.FAILED)

HOLD_S = 5.0
CAUSES = ('hot', 'no_image', 'bad_image')
STATES = (State.DEGRADED, State.STALE, State.FAILED)
TRACES = st.lists(
    st.tuples(
        st.floats(0.01, 4.0),
        st.dictionaries(st.sampled_from(CAUSES), st.sampled_from(STATES), max_size=3),
    ),
    max_size=60,
)


def told(changes):
    return [str(change) for change in changes]


def test_a_component_without_findings_is_ok_and_says_nothing():
    monitor = HealthMonitor(HOLD_S)
    assert monitor.update([], 0.0) == []
    assert monitor.state is State.OK
    assert monitor.causes() == []


def test_a_finding_counts_at_once_and_is_told_once_with_its_cause():
    monitor = HealthMonitor(HOLD_S)
    changes = monitor.update([COLD], 1.0)
    assert told(changes) == ['STALE (was OK): no_image: image_raw: no image for 12 s']
    assert monitor.state is State.STALE
    for second in range(2, 60):
        newer = Finding('no_image', f'image_raw: no image for {second} s', State.STALE)
        assert monitor.update([newer], float(second)) == []
    assert monitor.causes() == [newer]


def test_a_cause_is_over_only_when_it_was_gone_for_the_hold_time():
    monitor = HealthMonitor(HOLD_S)
    monitor.update([COLD], 0.0)
    assert monitor.update([], 4.9) == []
    assert monitor.state is State.STALE
    (change,) = monitor.update([], 5.0)
    assert str(change) == 'OK (was STALE): no_image is over after 5 s'
    assert monitor.state is State.OK
    assert monitor.update([], 6.0) == []


def test_an_event_between_two_looks_is_held_as_long():
    monitor = HealthMonitor(HOLD_S)
    (change,) = monitor.note(BAD, 1.0)
    assert (change.before, change.after) == (State.OK, State.DEGRADED)
    assert monitor.note(BAD, 3.0) == []
    assert monitor.update([], 7.9) == []
    (change,) = monitor.update([], 8.0)
    assert change.lasted_s == 7.0


def test_a_cause_may_become_worse_at_once_and_less_bad_after_the_hold_time():
    monitor = HealthMonitor(HOLD_S)
    monitor.update([BAD], 0.0)
    assert told(monitor.update([WORSE], 1.0)) == [
        'FAILED (was DEGRADED): bad_image: image_raw: nothing but bad images'
    ]
    assert monitor.update([BAD], 3.0) == []
    assert monitor.state is State.FAILED
    assert told(monitor.update([BAD], 6.0)) == [
        'DEGRADED (was FAILED): bad_image: image_raw: too short'
    ]
    assert monitor.update([], 7.0) == []
    assert monitor.update([], 10.9) == []
    assert len(monitor.update([], 11.0)) == 1


def test_the_worst_cause_gives_the_state_and_the_others_are_kept():
    monitor = HealthMonitor(HOLD_S)
    monitor.update([BAD, COLD], 0.0)
    assert monitor.state is State.STALE
    assert [item.cause for item in monitor.causes()] == ['no_image', 'bad_image']
    (change,) = monitor.update([BAD], 5.0)
    assert (change.before, change.after) == (State.STALE, State.DEGRADED)


def test_of_two_findings_of_one_cause_the_worse_one_counts():
    monitor = HealthMonitor(HOLD_S)
    monitor.update([BAD, WORSE, BAD], 0.0)
    assert monitor.causes() == [WORSE]


def test_without_a_hold_time_the_state_follows_the_findings():
    monitor = HealthMonitor(0.0)
    monitor.update([BAD], 0.0)
    assert monitor.state is State.DEGRADED
    assert monitor.update([BAD], 1.0) == []
    monitor.update([], 2.0)
    assert monitor.state is State.OK


def test_what_is_forgotten_is_not_told():
    monitor = HealthMonitor(HOLD_S)
    monitor.update([BAD, COLD], 0.0)
    monitor.forget()
    assert monitor.state is State.OK
    assert monitor.update([], 60.0) == []


def test_ever_new_causes_take_no_more_than_so_much_memory():
    monitor = HealthMonitor(HOLD_S)
    for number in range(3 * MAX_CAUSES):
        monitor.note(Finding(f'cause {number}', ''), 0.0)
    assert len(monitor.causes()) == MAX_CAUSES


@given(TRACES)
def test_the_state_is_never_better_than_what_is_found_and_falls_after_the_hold_time_only(trace):
    monitor, now_s, last_seen = HealthMonitor(HOLD_S), 0.0, {}
    for step_s, found in trace:
        now_s += step_s
        monitor.update([Finding(cause, '', state) for cause, state in found.items()], now_s)
        for cause, state in found.items():
            for lower in STATES[: STATES.index(state) + 1]:
                last_seen[cause, lower] = now_s
        held = {cause.cause: cause.state for cause in monitor.causes()}
        for cause, state in found.items():
            assert held[cause] >= state
        for (cause, state), seen_s in last_seen.items():
            if now_s - seen_s < HOLD_S:
                assert held.get(cause, State.OK) >= state
        assert monitor.state == max(held.values(), default=State.OK)


@given(TRACES)
def test_the_log_tells_the_states_without_a_gap_and_no_cause_flaps(trace):
    monitor, now_s, changes = HealthMonitor(HOLD_S), 0.0, []
    for step_s, found in trace:
        now_s += step_s
        findings = [Finding(cause, '', state) for cause, state in found.items()]
        changes += [(now_s, change) for change in monitor.update(findings, now_s)]
    state = State.OK
    for _, change in changes:
        assert change.before is state
        state = change.after
    assert state is monitor.state
    for cause in CAUSES:
        ends = [t for t, c in changes if c.finding.cause == cause and c.finding.state is State.OK]
        for first, second in itertools.pairwise(ends):
            assert second - first >= HOLD_S


@pytest.mark.parametrize('period_s', [0.1, 1.0, 4.0])
def test_findings_that_come_and_go_faster_than_the_hold_time_are_one_change(period_s):
    monitor = HealthMonitor(HOLD_S)
    changes = []
    for look in range(200):
        changes += monitor.update([BAD] if look % 2 else [], look * period_s / 2)
    assert len(changes) == 1
