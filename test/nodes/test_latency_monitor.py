# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Latencies by stage and from capture to publication, and stages that give nothing any more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.health.states import State
from rs_onboard.nodes import latency
from rs_onboard.nodes.latency import LatencyMonitor
from rs_onboard.nodes.settings import PublisherSettings

SETTINGS = PublisherSettings(latency_limit_ms=100.0, latency_allowed_s=5.0, health_hold_s=2.0)


class Logger:
    def __init__(self):
        self.lines = []

    def _log(self, line):
        self.lines.append(line)

    info = warning = error = _log


@pytest.fixture
def clock(monkeypatch):
    """Give a clock that stands still between the steps of a test."""
    clock = SimpleNamespace(now_s=1000.0)
    steady = SimpleNamespace(monotonic=lambda: clock.now_s)
    monkeypatch.setattr(latency, 'time', steady)
    monkeypatch.setattr('rs_onboard.nodes.component.time', steady)
    return clock


@pytest.fixture
def monitor(clock):
    return LatencyMonitor('publisher', Logger())


def results(latency_ms, *, stamp_ns=0, **stages):
    """Make what the monitor looks at in the results of a frame."""
    reports = {
        task: SimpleNamespace(report=SimpleNamespace(latency_ms=spent))
        for task, spent in stages.items()
    }
    header = SimpleNamespace(stamp_ns=stamp_ns)
    return SimpleNamespace(latency_ms=latency_ms, header=header, results=reports)


def causes(monitor):
    return [(finding.cause, finding.state) for finding in monitor.component.causes()]


def test_values_are_published_by_stage_and_in_all(monitor):
    for spent in (40.0, 60.0, 50.0):
        taken = results(spent, scene={'infer': spent / 2}, segmentation=None)
        monitor.take(taken, [], now_ns=70_000_000)
    entry = monitor.entry()
    values = {item.key: item.value for item in entry.values}
    assert entry.name == 'publisher: latency'
    assert entry.message == 'within its limit'
    assert values['capture_to_publish_ms.last'] == '50.0'
    assert values['capture_to_publish_ms.p50'] == '50.0'
    assert values['capture_to_publish_ms.highest'] == '60.0'
    assert values['scene.infer_ms.p95'] == '30.0'
    assert values['stamp_to_publish_ms.last'] == '70.0'


def test_the_age_of_a_stamp_of_another_clock_is_left_out(monitor):
    monitor.take(results(40.0), [], now_ns=10**18)
    monitor.take(results(40.0, stamp_ns=10**18), [], now_ns=0)
    assert 'stamp_to_publish' not in str(monitor.entry().values)


def test_over_the_limit_is_a_warning_and_for_too_long_a_failure(monitor, clock):
    states = []
    for _ in range(8):
        monitor.take(results(150.0), [], now_ns=0)
        monitor.judge(SETTINGS, waiting_s=0.0)
        states.append(monitor.component.state)
        clock.now_s += 1.0
    assert states == [State.DEGRADED] * 6 + [State.FAILED] * 2
    text = monitor.component.causes()[0].text
    assert text.startswith('150 ms from capture to publication, limit 100; for longer than 5 s')
    monitor.take(results(80.0), [], now_ns=0)
    monitor.judge(SETTINGS, waiting_s=0.0)
    clock.now_s += 2.0
    monitor.judge(SETTINGS, waiting_s=0.0)
    assert monitor.component.state is State.OK


def test_a_frame_that_nobody_finishes_counts_while_it_waits(monitor, clock):
    monitor.judge(SETTINGS, waiting_s=0.09)
    assert causes(monitor) == []
    monitor.judge(SETTINGS, waiting_s=0.3)
    assert causes(monitor) == [('over_latency', State.DEGRADED)]


def test_the_latency_of_long_ago_is_forgotten(monitor, clock):
    monitor.take(results(150.0), [], now_ns=0)
    monitor.judge(SETTINGS, waiting_s=0.0)
    clock.now_s += latency.RECENT_S + 1
    monitor.judge(SETTINGS, waiting_s=0.0)
    assert causes(monitor) == []


def test_a_task_without_results_while_frames_arrive_is_dead(monitor, clock):
    both = {'scene': None, 'segmentation': None}
    for _ in range(12):
        monitor.take(results(50.0, **both), ['scene'], now_ns=0)
        clock.now_s += 1.0
        monitor.judge(SETTINGS, waiting_s=0.0)
    assert causes(monitor) == [('stage_silent.scene', State.FAILED)]
    assert 'no result of scene for 12 s' in monitor.component.causes()[0].text
    monitor.take(results(50.0, **both), [], now_ns=0)
    clock.now_s += 2.0
    monitor.judge(SETTINGS, waiting_s=0.0)
    assert causes(monitor) == []


def test_a_task_that_misses_single_frames_is_not_dead(monitor, clock):
    for number in range(40):
        missing = ['scene'] if number % 3 else []
        monitor.take(results(50.0, scene=None), missing, now_ns=0)
        clock.now_s += 1.0
        monitor.judge(SETTINGS, waiting_s=0.0)
    assert causes(monitor) == []


def test_what_is_cleared_is_forgotten(monitor):
    monitor.take(results(150.0), ['scene'], now_ns=0)
    monitor.judge(SETTINGS, waiting_s=0.0)
    monitor.clear()
    assert causes(monitor) == []
    keys = {item.key for item in monitor.entry().values}
    assert keys == {'health', 'causes'}


def test_every_change_is_logged_once(monitor, clock):
    for _ in range(5):
        monitor.take(results(150.0), [], now_ns=0)
        monitor.judge(SETTINGS, waiting_s=0.0)
    (line,) = monitor.component._logger.lines
    assert line.startswith('DEGRADED (was OK): over_latency: 150 ms')
