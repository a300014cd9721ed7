# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The best affordable steps of all tasks, checked against looking at every combination."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.inference.budget.combination import (
    Conditions,
    best,
    evaluate,
    makespan,
    runs,
)
from rs_onboard.inference.budget.ladder import (
    CYCLE,
    OFF,
    STRIDES,
    Step,
    TaskLoad,
    VariantCost,
    ladder,
    ordinal,
)

times = st.floats(0.1, 60.0)


@st.composite
def loads(draw, most=3):
    names = ('detection', 'segmentation', 'scene')[: draw(st.integers(1, most))]
    found = []
    for rank, name in enumerate(names):
        variants = [VariantCost('fp32', draw(times), draw(times))]
        if draw(st.booleans()):
            agreement = draw(st.floats(0.8, 1.0))
            variants.append(VariantCost('int8', draw(times), draw(times), agreement))
        found.append(TaskLoad(name, 2.0**-rank, tuple(variants), draw(st.integers(1, 40))))
    return tuple(found)


conditions = st.builds(
    Conditions,
    slowdown=st.floats(0.5, 5.0),
    overhead_ms=st.floats(0.0, 50.0),
    other_ms=st.dictionaries(st.sampled_from(['detection', 'scene']), st.floats(0.0, 20.0)),
    lanes=st.integers(1, 3),
    period_ms=st.sampled_from([0.0, 33.0, 500.0]),
)


def brute_force(tasks, limit_ms, now):
    every = (evaluate(tasks, steps, now) for steps in itertools.product(*map(ladder, tasks)))
    fitting = [found for found in every if found.predicted_ms <= limit_ms]
    return max(fitting, key=lambda found: (found.worth, -found.predicted_ms), default=None)


@settings(max_examples=300, deadline=None)
@given(loads(), st.floats(1.0, 4000.0), conditions)
def test_the_best_affordable_combination_is_that_of_brute_force(tasks, limit_ms, now):
    found, expected = best(tasks, limit_ms, now), brute_force(tasks, limit_ms, now)
    if expected is None:
        assert found is None
    else:
        assert (found.worth, found.predicted_ms) == (expected.worth, expected.predicted_ms)
        assert found.predicted_ms <= limit_ms


@settings(max_examples=100, deadline=None)
@given(loads(), st.floats(1.0, 4000.0), conditions)
def test_what_is_asked_to_be_better_is_better_or_nothing(tasks, limit_ms, now):
    found = best(tasks, limit_ms, now)
    if found is not None:
        assert best(tasks, limit_ms, now, above=found.worth) is None
        assert best(tasks, 2 * limit_ms, now).worth >= found.worth


@given(loads())
def test_a_ladder_falls_from_the_best_to_off_and_every_step_saves_something(tasks):
    for load in tasks:
        steps = ladder(load)
        worths = [load.worth(step) for step in steps]
        assert steps[0] == Step(load.variants[0].variant)
        assert steps[-1] == OFF
        assert worths[0] == load.weight
        assert worths == sorted(worths, reverse=True)
        assert len(set(worths)) == len(worths)
        strain = [(load.work_ms(step) / step.every if step.every else 0.0) for step in steps]
        assert all(after < before for before, after in itertools.pairwise(strain))


def test_the_ladder_of_a_task_with_two_variants_is_the_one_documented():
    load = TaskLoad('scene', 1.0, (VariantCost('fp32', 0, 10), VariantCost('int8', 0, 6, 0.97)), 16)
    assert [str(step) for step in ladder(load)] == [
        'fp32',
        'int8',
        'int8, 75% of the tiles',
        'int8, 50% of the tiles',
        'int8, 25% of the tiles',
        'int8, 25% of the tiles, every 2nd frame',
        'int8, 25% of the tiles, every 4th frame',
        'off',
    ]
    assert [step.tiles(16) for step in ladder(load)] == [16, 16, 12, 8, 4, 4, 4, 0]


def test_a_faster_variant_that_always_agrees_is_a_step_all_the_same():
    load = TaskLoad('scene', 1.0, (VariantCost('fp32', 0, 10), VariantCost('int8', 0, 5)), 4)
    assert [str(step) for step in ladder(load)][:2] == ['fp32', 'int8']


def test_one_tile_is_not_made_less_by_steps():
    load = TaskLoad('scene', 1.0, (VariantCost('fp32', 0, 10),), 1)
    assert [str(step) for step in ladder(load)] == [
        'fp32',
        'fp32, 25% of the tiles, every 2nd frame',
        'fp32, 25% of the tiles, every 4th frame',
        'off',
    ]


def test_a_variant_that_is_no_faster_here_is_no_step():
    load = TaskLoad('scene', 1.0, (VariantCost('fp32', 0, 5), VariantCost('int8', 0, 6, 0.97)), 4)
    assert not any(step.variant == 'int8' for step in ladder(load))


def test_the_first_task_is_the_last_to_lose():
    same = (VariantCost('fp32', 0, 10),)
    tasks = (TaskLoad('detection', 2.0, same, 4), TaskLoad('scene', 1.0, same, 4))
    found = best(tasks, 55.0, Conditions())
    assert [str(step) for step in found.steps] == ['fp32', 'fp32, 25% of the tiles']


def test_tasks_that_run_seldom_take_turns():
    same = (VariantCost('fp32', 0, 40),)
    tasks = tuple(TaskLoad(name, 1.0, same, 1) for name in ('scene', 'detection'))
    seldom = Step('fp32', 0.25, 2)
    found = evaluate(tasks, (seldom, seldom), Conditions())
    assert found.predicted_ms == pytest.approx(40.0)
    for frame in range(CYCLE):
        assert sum(runs(seldom, phase, frame) for phase in found.phases) == 1


def test_a_frame_waits_for_one_that_takes_longer_than_frames_are_apart():
    load = TaskLoad('scene', 1.0, (VariantCost('fp32', 0, 60),), 1)
    now = Conditions(period_ms=40.0)
    assert evaluate([load], [Step('fp32')], now).predicted_ms == pytest.approx(100.0)
    assert evaluate([load], [Step('fp32', 0.25, 2)], now).predicted_ms == pytest.approx(60.0)


def test_lanes_share_the_work_but_no_lane_is_faster_than_its_longest():
    assert makespan([30.0, 20.0, 10.0], 1) == 60.0
    assert makespan([30.0, 20.0, 10.0], 2) == 30.0
    assert makespan([30.0, 20.0, 20.0], 2) == 35.0
    assert makespan([], 2) == 0.0


@given(st.sampled_from(STRIDES), st.integers(0, 3), st.integers(0, 1000))
def test_a_task_of_a_stride_runs_once_in_it(every, phase, first):
    step = Step('fp32', 0.25, every)
    assert sum(runs(step, phase, first + k) for k in range(every)) == 1


def test_numbers_are_written_as_people_say_them():
    assert [ordinal(n) for n in (1, 2, 3, 4)] == ['1st', '2nd', '3rd', '4th']
