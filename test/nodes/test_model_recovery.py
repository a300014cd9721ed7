# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""After a model hung: loads in threads of their own, one at a time, and not without end."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.health.states import State
from rs_onboard.inference.failover import Failover
from rs_onboard.inference.runtime_settings import PROVIDERS, RuntimeSettings
from rs_onboard.nodes.model_recovery import LOAD_TIMEOUT_S, MAX_HANGING, Recovery

PATIENCE_S = 20.0
AVAILABLE = [PROVIDERS['cuda'], PROVIDERS['cpu']]


class Loader:
    """Loads what it is told to, and waits while it is told to."""

    def __init__(self):
        self.go_on = threading.Event()
        self.go_on.set()
        self.fault = None
        self.loads = []

    def __call__(self, provider):
        self.loads.append(provider)
        assert self.go_on.wait(PATIENCE_S)
        if self.fault is not None:
            raise self.fault
        return f'task on {provider}'


@pytest.fixture
def loader():
    loader = Loader()
    yield loader
    loader.go_on.set()


def recovery(loader, policy='warn'):
    settings = RuntimeSettings(policy=policy)
    return Recovery(Failover(settings, 'cuda', AVAILABLE, backoff_s=(10.0, 80.0)), loader)


def step_until_loaded(recovering, running, now_s, hanging=1):
    """Step at one time until the load that runs is over."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        task = recovering.step(running, hanging, now_s)
        if task is not None or recovering._loading is None:
            return task
        time.sleep(0.001)
    raise AssertionError('the load does not end')


def test_while_nothing_hung_nothing_is_loaded(loader):
    recovering = recovery(loader)
    assert recovering.step('cuda', 0, 0.0) is None
    assert recovering.finding('cuda', 0, 0.0) is None
    assert loader.loads == []


def test_the_next_provider_takes_over_and_the_better_one_comes_back(loader):
    recovering = recovery(loader)
    recovering.hung('cuda', 'inference on cuda was given up', 0.0)
    finding = recovering.finding('cuda', 1, 0.0)
    assert (finding.cause, finding.state) == ('inference_hung', State.FAILED)
    assert finding.text == 'inference on cuda was given up; tried again in 0 s'
    assert step_until_loaded(recovering, 'cuda', 0.0) == 'task on cpu'
    finding = recovering.finding('cpu', 1, 4.0)
    assert (finding.cause, finding.state) == ('provider_fallback', State.DEGRADED)
    assert finding.text == 'running on cpu; cuda: hung 1 times, tried again in 6 s'
    assert recovering.step('cpu', 1, 9.0) is None
    assert step_until_loaded(recovering, 'cpu', 10.0) == 'task on cuda'
    assert recovering.finding('cuda', 0, 11.0) is None


def test_under_refuse_it_says_what_would_help(loader):
    recovering = recovery(loader, 'refuse')
    recovering.hung('cuda', 'given up', 0.0)
    assert recovering.step('cuda', 1, 5.0) is None
    text = recovering.finding('cuda', 1, 5.0).text
    assert text.startswith("given up; tried again in 5 s; provider_policy 'warn' would let another")
    assert step_until_loaded(recovering, 'cuda', 10.0) == 'task on cuda'


def test_one_load_runs_at_a_time_and_its_failure_is_told(loader):
    recovering = recovery(loader)
    recovering.hung('cuda', 'given up', 0.0)
    loader.go_on.clear()
    loader.fault = RuntimeError('out of memory')
    for _ in range(5):
        assert recovering.step('cuda', 1, 1.0) is None
    assert loader.loads == ['cpu']
    assert 'the model is loaded on cpu' in recovering.finding('cuda', 1, 1.0).text
    loader.go_on.set()
    assert step_until_loaded(recovering, 'cuda', 1.0) is None
    assert 'cpu: RuntimeError: out of memory' in recovering.finding('cuda', 1, 1.0).text
    loader.fault = None
    assert recovering.step('cuda', 1, 9.0) is None
    assert step_until_loaded(recovering, 'cuda', 10.0) == 'task on cuda'


def test_a_better_provider_that_fails_leaves_the_one_that_runs_alone(loader):
    recovering = recovery(loader)
    recovering.hung('cuda', 'given up', 0.0)
    assert step_until_loaded(recovering, 'cuda', 0.0) == 'task on cpu'
    loader.fault = RuntimeError('no device')
    assert step_until_loaded(recovering, 'cpu', 10.0) is None
    assert not recovering.down
    assert 'hung 2 times, tried again in 20 s' in recovering.finding('cpu', 1, 10.0).text


def test_a_load_that_hangs_is_left_behind_and_counted(loader):
    recovering = recovery(loader)
    recovering.hung('cuda', 'given up', 0.0)
    loader.go_on.clear()
    recovering.step('cuda', 1, 0.0)
    recovering.step('cuda', 1, LOAD_TIMEOUT_S + 1)
    assert recovering.hanging(1) == 2
    assert 'loading took longer' in recovering.finding('cuda', 1, LOAD_TIMEOUT_S + 1).text


def test_a_fall_back_that_works_is_not_ended_for_what_hangs_beside_it(loader):
    recovering = recovery(loader)
    recovering.hung('cuda', 'given up', 0.0)
    assert step_until_loaded(recovering, 'cuda', 0.0) == 'task on cpu'
    assert recovering.must_restart(MAX_HANGING) == ''
    assert recovering.step('cpu', MAX_HANGING, 1000.0) is None
    assert loader.loads == ['cpu']
    assert recovering.finding('cpu', MAX_HANGING, 1000.0).state is State.DEGRADED


def test_with_too_many_that_hang_nothing_more_is_risked_until_one_comes_back(loader):
    recovering = recovery(loader)
    recovering.hung('cuda', 'given up', 0.0)
    assert recovering.step('cuda', MAX_HANGING, 100.0) is None
    assert loader.loads == []
    finding = recovering.finding('cuda', MAX_HANGING, 100.0)
    assert (finding.cause, finding.state) == ('restart_needed', State.FAILED)
    assert recovering.must_restart(MAX_HANGING) == finding.text
    assert recovering.must_restart(MAX_HANGING - 1) == ''
    assert step_until_loaded(recovering, 'cuda', 100.0, MAX_HANGING - 1) == 'task on cpu'
