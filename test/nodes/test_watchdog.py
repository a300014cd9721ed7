# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The watchdog looks at every node of its process, whatever their executor does."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticArray

from rs_onboard.health.machine_watch import MachineLimits
from rs_onboard.health.readings import MachineReadings, ThermalZone
from rs_onboard.health.states import State
from rs_onboard.nodes import model_node, watched_node
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.start import as_parameters, bring_up
from rs_onboard.nodes.watchdog import HELD_UP_S, Watchdog

LIMITS = MachineLimits()
PATIENCE_S = 20.0


class Node:
    """Remembers the looks at it."""

    def __init__(self, stuck=''):
        self.looks = []
        self.seen = threading.Event()
        self.stuck = stuck

    def look(self, now_s, awake_since_s):
        self.looks.append((now_s, awake_since_s))
        self.seen.set()

    def must_restart(self):
        return self.stuck


class Reader:
    """Gives one reading after the other."""

    def __init__(self, *readings):
        self.disks = ()
        self.readings = list(readings) or [MachineReadings()]
        self.count = 0

    def read(self):
        self.count += 1
        return self.readings[min(self.count, len(self.readings)) - 1]


class Manager:
    """Stands in for the service manager."""

    def __init__(self):
        self.pings, self.lines = [], []

    def ping(self, now_s):
        self.pings.append(now_s)

    def status(self, text):
        self.lines.append(text)


@pytest.fixture
def still(monkeypatch):
    """Give a watchdog whose thread does not look by itself."""
    monkeypatch.setattr(Watchdog, '_run', lambda *_: None)
    return Watchdog(Reader(), Manager())


def test_its_thread_looks_at_every_node_until_the_last_one_leaves():
    watchdog, first, second = Watchdog(Reader(), Manager()), Node(), Node()
    watchdog.add(first, LIMITS)
    watchdog.add(second, LIMITS)
    thread = watchdog._thread
    assert first.seen.wait(PATIENCE_S)
    assert second.seen.wait(PATIENCE_S)
    watchdog.remove(first)
    looks = len(first.looks)
    second.seen.clear()
    assert second.seen.wait(PATIENCE_S)
    assert len(first.looks) == looks
    watchdog.remove(second)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    again = Node()
    watchdog.add(again, LIMITS)
    assert again.seen.wait(PATIENCE_S)
    watchdog.remove(again)


def test_who_leaves_is_not_looked_at_any_more(still):
    entered, go_on = threading.Event(), threading.Event()

    class SlowNode(Node):
        def look(self, now_s, awake_since_s):
            entered.set()
            assert go_on.wait(PATIENCE_S)

    node = SlowNode()
    still.add(node, LIMITS)
    looker = threading.Thread(target=still.scan, args=(1.0,))
    looker.start()
    assert entered.wait(PATIENCE_S)
    leaver = threading.Thread(target=still.remove, args=(node,))
    leaver.start()
    assert leaver.is_alive()
    go_on.set()
    leaver.join(PATIENCE_S)
    looker.join(PATIENCE_S)
    assert not leaver.is_alive()


def test_a_process_that_was_held_up_gets_its_time_anew(still):
    node = Node()
    still.add(node, LIMITS)
    times = (10.0, 10.2, 10.4, 10.4 + HELD_UP_S + 1, 10.6 + HELD_UP_S + 1)
    for now_s in times:
        still.scan(now_s)
    assert [since for _, since in node.looks] == [10.0] * 3 + [times[3]] * 2
    assert still.held_up == 1


def test_the_machine_is_read_once_a_second_and_judged():
    reader = Reader(
        MachineReadings(zones=(ThermalZone('cpu', 50.0),)),
        MachineReadings(zones=(ThermalZone('cpu', 85.0),), throttling=('under-voltage',)),
    )
    watchdog = Watchdog(reader, Manager())
    watchdog._machine = None
    assert watchdog.machine_state().heat == 'unknown'
    node = Node()
    watchdog.add(node, LIMITS)
    watchdog._end.set()
    watchdog._thread.join(PATIENCE_S)
    reader.count = 0
    watchdog._next_reading_s = 0.0
    for tick in range(6):
        watchdog.scan(100.0 + 0.2 * tick)
    assert reader.count == 2
    state = watchdog.machine_state()
    assert (state.heat, state.throttled) == ('hot', True)


def test_a_service_manager_is_told_to_wait_no_longer_when_only_a_restart_helps(still):
    fine, stuck = Node(), Node()
    still.add(fine, LIMITS)
    still.add(stuck, LIMITS)
    told = []
    still.on_stuck = told.append
    still.scan(1.0)
    stuck.stuck = '3 inferences hang'
    still.scan(2.0)
    still.scan(3.0)
    assert still.notifier.pings == [1.0]
    assert still.notifier.lines == told == ['3 inferences hang']
    stuck.stuck = ''
    still.scan(4.0)
    assert still.notifier.pings == [1.0, 4.0]


def test_an_executor_that_changes_the_state_of_a_node_is_not_blocked(still):
    still.scan(0.0)
    assert still.blocked_s(beat_s=100.0, now_s=160.0) == 60.0
    with still.transition():
        assert still.blocked_s(beat_s=100.0, now_s=160.0) == 0.0
    now_s = time.monotonic()
    assert still.blocked_s(beat_s=0.0, now_s=now_s) < 60.0


def test_a_node_that_takes_long_to_configure_says_so_meanwhile(graph, colours, monkeypatch):
    go_on, load = threading.Event(), model_node.load_task_model

    def load_slowly(settings, task, progress):
        progress('building the engine; this takes minutes')
        assert go_on.wait(PATIENCE_S)
        return load(settings, task, progress)

    monkeypatch.setattr(model_node, 'load_task_model', load_slowly)
    values = {**colours, 'diagnostics_period_s': 0.1}
    scene = SceneNode(parameter_overrides=as_parameters(values))
    flown = graph([scene])
    messages = flown.collect('/diagnostics', DiagnosticArray)
    loader = threading.Thread(target=bring_up, args=([scene],))
    loader.start()

    def told():
        texts = [status.message for message in messages for status in message.status]
        return any(re.fullmatch('configure for . s: building the engine.*', t) for t in texts)

    flown.wait(told, 'the progress')
    assert scene.component.state is State.OK
    monkeypatch.setattr(watched_node, 'SLOW_START_S', 0.0)
    flown.wait(lambda: scene.component.state is State.DEGRADED, 'the warning')
    assert scene.component.causes()[0].cause == 'slow_start'
    go_on.set()
    loader.join(PATIENCE_S)
    messages.clear()
    flown.wait(lambda: any(m.status[0].message == 'active' for m in messages), 'the node')


def test_a_disk_is_watched_once(still, tmp_path):
    for path in (tmp_path, tmp_path, Path('/')):
        still.watch_disk(path)
    assert still._reader.disks == (tmp_path, Path('/'))
