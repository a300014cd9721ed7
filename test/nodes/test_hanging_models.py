# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Inferences that hang are given up: their frames are accounted for, other providers take over."""

from __future__ import annotations

import time

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from hanging import Bench
from test_graph import balance, image_message

from rs_onboard.health.states import State
from rs_onboard.nodes import model_recovery
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.start import as_parameters, bring_up
from rs_onboard.nodes.tiler import TilerNode


class Flight:
    """A tiler and a scene node in one process, and the results of the scene."""

    def __init__(self, graph, parameters):
        overrides = as_parameters(
            {
                **parameters,
                'tasks': ['scene'],
                'inference_timeout_ms': 1000,
                'health_hold_s': 0.3,
            }
        )
        tiler = TilerNode(parameter_overrides=overrides)
        self.scene = SceneNode(tiler.exchange, parameter_overrides=overrides)
        self.tiler = tiler
        self.graph = graph([tiler, self.scene])
        self.wait = self.graph.wait
        assert bring_up([tiler, self.scene]), self.scene.fault
        self.results = []
        channel = self.scene.resolve_topic_name('scene')
        self.scene.exchange.connect(channel, self.results.append)

    def send(self):
        """Send an image and wait until the scene node has it."""
        received = self.scene.counts().received
        self.graph.publish('image_raw', image_message(0, time.time_ns()))
        self.wait(lambda: self.scene.counts().received > received, 'the tiles')

    def fly(self):
        """Send an image and return its result."""
        count = len(self.results)
        self.send()
        self.wait(lambda: len(self.results) > count, 'the result')
        return self.results[-1]

    def causes(self):
        return {finding.cause for finding in self.scene.component.causes()}


@pytest.fixture
def bench(monkeypatch):
    bench = Bench(monkeypatch)
    yield bench
    bench.released.set()


def test_a_call_that_hangs_is_given_up_and_the_next_provider_takes_over(graph, colours, bench):
    flight = Flight(graph, {**colours, 'provider_policy': 'warn'})
    assert flight.fly().report.model.provider == 'cuda'
    bench.hanging.add('cuda')
    result = flight.fly()
    assert result.report.status == 'failed'
    assert (
        'inference on cuda took longer than inference_timeout_ms (1000 ms)' in result.report.reason
    )
    counts = flight.scene.counts()
    assert counts.dropped == {'inference_timeout': 1}
    assert balance(flight.scene) == 0
    flight.wait(lambda: 'inference_hung' in flight.causes(), 'the failure')
    assert flight.scene.component.state is State.FAILED

    flight.wait(lambda: flight.scene._task.identity.provider == 'cpu', 'the CPU')
    report = flight.fly().report
    assert report.status == 'degraded'
    assert report.model.provider == 'cpu'
    flight.wait(lambda: flight.causes() == {'provider_fallback', 'left_behind'}, 'the fall-back')
    assert flight.scene.component.state is State.DEGRADED
    values = {item.key: item.value for item in flight.scene.diagnostic().values}
    assert (values['provider'], values['given_up'], values['hanging']) == ('cpu', '1', '1')


def test_the_better_provider_is_tried_again_and_all_is_well(graph, colours, bench):
    flight = Flight(graph, {**colours, 'provider_policy': 'allow'})
    bench.hanging.add('cuda')
    flight.fly()
    flight.wait(lambda: flight.scene._task.identity.provider == 'cpu', 'the CPU')
    bench.hanging.clear()
    bench.released.set()
    flight.wait(lambda: flight.scene._task.identity.provider == 'cuda', 'the GPU again')
    assert flight.fly().report.model.provider == 'cuda'
    flight.wait(lambda: not flight.causes(), 'an end of all causes')
    assert flight.scene._worker.hanging() == 0
    assert bench.loads == ['cuda', 'cpu', 'cuda']


def test_late_answers_of_a_call_that_was_given_up_are_thrown_away(graph, colours, bench):
    # Tiles of four: the thread that comes back would have more of them to infer.
    flight = Flight(graph, {**colours, 'provider_policy': 'warn', 'scene.batch': 1})
    bench.hanging.add('cuda')
    flight.fly()
    flight.wait(lambda: flight.scene._task.identity.provider == 'cpu', 'the CPU')
    flight.fly()
    count, calls = len(flight.results), bench.calls.count('cuda')
    left_behind = flight.scene._worker._left_behind[0]
    bench.released.set()
    left_behind.join(20.0)
    assert not left_behind.is_alive()
    assert bench.calls.count('cuda') == calls
    assert len(flight.results) == count
    assert flight.scene.counts().dropped == {'inference_timeout': 1}
    assert balance(flight.scene) == 0


def test_under_refuse_nothing_else_runs_and_the_same_provider_is_tried_again(graph, colours, bench):
    flight = Flight(graph, {**colours, 'provider_policy': 'refuse'})
    bench.hanging.add('cuda')
    flight.fly()
    bench.hanging.clear()
    flight.wait(lambda: 'inference_hung' in flight.causes(), 'the failure')
    assert "provider_policy 'warn' would let another" in flight.scene.component.causes()[0].text
    flight.wait(lambda: not flight.scene._recovery.down, 'a fresh session')
    assert flight.fly().report.model.provider == 'cuda'
    assert bench.loads == ['cuda', 'cuda']


def test_a_provider_that_cannot_be_loaded_again_is_left_alone_too(
    graph, colours, bench, monkeypatch
):
    monkeypatch.setattr(model_recovery, 'LOAD_TIMEOUT_S', 0.5)
    monkeypatch.setattr(model_recovery, 'MAX_HANGING', 100)
    flight = Flight(graph, {**colours, 'provider_policy': 'warn'})
    bench.hanging.add('cuda')
    bench.refusing.add('cpu')
    flight.fly()
    flight.wait(lambda: bench.loads.count('cpu') >= 2, 'another try')
    assert flight.scene.component.state is State.FAILED
    bench.refusing.clear()
    flight.wait(lambda: flight.scene._task.identity.provider == 'cpu', 'the CPU')
    assert flight.fly().report.status == 'degraded'


def test_frames_that_come_while_the_model_is_loaded_fail_and_say_why(graph, colours, bench):
    flight = Flight(graph, {**colours, 'provider_policy': 'warn'})
    bench.hanging.add('cuda')
    bench.refusing.add('cpu')
    flight.fly()
    report = flight.fly().report
    assert report.status == 'failed'
    assert 'was given up' in report.reason
    assert flight.scene.counts().dropped == {'inference_timeout': 1, 'failed': 1}
    assert balance(flight.scene) == 0


def test_after_some_that_hang_the_node_asks_for_a_new_process(graph, colours, bench, monkeypatch):
    monkeypatch.setattr(model_recovery, 'MAX_HANGING', 2)
    flight = Flight(graph, {**colours, 'provider_policy': 'refuse'})
    watchdog = flight.scene.exchange.watchdog
    bench.hanging.add('cuda')
    flight.fly()
    flight.wait(lambda: bench.entered.acquire(blocking=False))
    # The fresh session hangs as it is run for the first time, in the thread that loads it.
    monkeypatch.setattr(model_recovery, 'LOAD_TIMEOUT_S', 0.1)
    flight.wait(flight.scene.must_restart, 'the advice')
    flight.wait(lambda: 'inference_hung' not in flight.causes(), 'the state')
    assert flight.scene.component.causes()[0].cause == 'restart_needed'
    assert 'Restart the process' in flight.scene.component.causes()[0].text
    assert flight.scene.component.state is State.FAILED
    loads = len(bench.loads)
    held = watchdog.readings
    flight.wait(lambda: watchdog.readings is not held, 'another second')
    assert len(bench.loads) == loads


def test_with_a_timeout_of_zero_a_call_may_take_for_ever(graph, colours, bench):
    flight = Flight(graph, colours)
    from rclpy.parameter import Parameter

    flight.scene.set_parameters([Parameter('inference_timeout_ms', value=0)])
    bench.hanging.add('cuda')
    flight.send()
    assert bench.entered.acquire(timeout=20.0)
    held = flight.scene.exchange.watchdog.readings
    flight.wait(lambda: flight.scene.exchange.watchdog.readings is not held, 'a second')
    assert flight.scene._worker.abandoned == 0
    bench.released.set()
    flight.wait(lambda: flight.scene.counts().done == 1, 'the result')
