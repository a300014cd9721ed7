# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""After a provider hung: the next one that the policy allows, the better one again later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.inference.failover import SOUND_S, Failover
from rs_onboard.inference.runtime_settings import PROVIDERS, RuntimeSettings

ALL = [PROVIDERS[name] for name in ('tensorrt', 'cuda', 'cpu')]
CPU = [PROVIDERS['cpu']]


def failover(policy='warn', preferred='cuda', available=ALL):
    settings = RuntimeSettings(provider='auto', policy=policy)
    return Failover(settings, preferred, available, backoff_s=(10.0, 80.0))


def test_what_ran_first_is_chosen_while_it_is_sound():
    assert failover().choose(0.0) == 'cuda'
    assert failover().better('cuda', 0.0) is None
    assert failover().describe(0.0) == ''


def test_the_next_in_speed_takes_over_and_the_better_one_is_tried_again_later():
    watch = failover(preferred='tensorrt')
    watch.hung('tensorrt', 0.0)
    assert watch.choose(0.0) == 'cuda'
    watch.hung('cuda', 5.0)
    assert watch.choose(5.0) == 'cpu'
    assert watch.describe(5.0) == (
        'tensorrt: hung 1 times, tried again in 5 s; cuda: hung 1 times, tried again in 10 s'
    )
    assert watch.better('cpu', 9.9) is None
    assert watch.better('cpu', 10.0) == 'tensorrt'
    assert watch.better('cuda', 10.0) == 'tensorrt'


@pytest.mark.parametrize('policy', ['warn', 'allow'])
def test_a_policy_that_lets_us_falls_back_to_the_cpu(policy):
    watch = failover(policy)
    watch.hung('cuda', 0.0)
    assert watch.choose(0.0) == 'cpu'


def test_while_nothing_runs_the_one_that_hung_least_is_tried_first():
    watch = failover(preferred='tensorrt')
    for now_s in (0.0, 10.0):
        watch.hung('tensorrt', now_s)
    watch.hung('cuda', 10.0)
    assert watch.choose(60.0) == 'cpu'
    for now_s in (60.0, 70.0, 90.0):
        watch.hung('cpu', now_s)
    assert watch.choose(90.0) == 'cuda'


def test_under_refuse_nothing_else_runs_and_the_same_is_tried_again():
    watch = failover('refuse')
    watch.hung('cuda', 0.0)
    assert watch.choose(0.0) is None
    assert watch.again_in_s(4.0) == 6.0
    assert watch.choose(10.0) == 'cuda'
    assert watch.again_in_s(10.0) == 0.0
    assert watch.refused


def test_the_cpu_has_only_itself():
    watch = failover(preferred='cpu', available=CPU)
    watch.hung('cpu', 0.0)
    assert watch.choose(0.0) is None
    assert watch.choose(10.0) == 'cpu'
    assert not watch.refused


def test_a_provider_that_is_not_in_the_order_of_speed_falls_back_to_the_cpu():
    watch = failover(preferred='xnnpack')
    watch.hung('xnnpack', 0.0)
    assert watch.choose(0.0) == 'cpu'


def test_it_is_left_alone_twice_as_long_each_time_up_to_a_limit():
    watch, waits = failover('refuse'), []
    for _ in range(5):
        watch.hung('cuda', 0.0)
        waits.append(watch.again_in_s(0.0))
    assert waits == [10.0, 20.0, 40.0, 80.0, 80.0]


def test_one_that_ran_long_enough_starts_anew():
    watch = failover()
    watch.hung('cuda', 0.0)
    watch.hung('cuda', 20.0)
    watch.answered('cuda', 50.0)
    watch.answered('cpu', 60.0)
    watch.answered('cuda', 50.0 + SOUND_S)
    watch.hung('cuda', 200.0)
    assert watch.choose(200.0) == 'cpu'
    assert watch.better('cpu', 210.0) == 'cuda'


@given(
    st.sampled_from(['refuse', 'warn', 'allow']),
    st.sampled_from(['tensorrt', 'cuda', 'cpu', 'xnnpack']),
    st.lists(st.tuples(st.floats(0, 50), st.booleans()), max_size=40),
)
def test_never_runs_what_was_just_marked_bad_or_what_the_policy_forbids(policy, preferred, steps):
    watch, now_s = failover(policy, preferred), 0.0
    for step_s, hangs in steps:
        now_s += step_s
        provider = watch.choose(now_s)
        if provider is None:
            assert watch.again_in_s(now_s) > 0
            continue
        if policy == 'refuse':
            assert provider == preferred
        if hangs:
            watch.hung(provider, now_s)
            assert watch.choose(now_s) != provider
        else:
            watch.answered(provider, now_s)
