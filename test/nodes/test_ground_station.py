# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the ground station is told, with a stand-in for the messages of MAVROS."""

from __future__ import annotations

import sys
from collections import deque
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from full_readings import FULL

from rs_onboard.health.readings import MachineReadings, ThermalZone
from rs_onboard.health.states import Change, Finding, State
from rs_onboard.nodes.ground_station import GroundStation, words

# Lengths of the arrays of mavros_msgs/OnboardComputerStatus and the ranges of their elements.
ARRAYS = {
    'cpu_cores': (8, 0, 255),
    'cpu_combined': (10, 0, 255),
    'gpu_cores': (4, 0, 255),
    'gpu_combined': (10, 0, 255),
    'temperature_core': (8, -128, 127),
    'fan_speed': (4, -32768, 32767),
    'storage_type': (4, 0, 2**32 - 1),
    'storage_usage': (4, 0, 2**32 - 1),
    'storage_total': (4, 0, 2**32 - 1),
    'link_type': (6, 0, 2**32 - 1),
    'link_tx_rate': (6, 0, 2**32 - 1),
    'link_rx_rate': (6, 0, 2**32 - 1),
    'link_tx_max': (6, 0, 2**32 - 1),
    'link_rx_max': (6, 0, 2**32 - 1),
}
NUMBERS = {
    'component': (0, 255),
    'uptime': (0, 2**32 - 1),
    'type': (0, 255),
    'temperature_board': (-128, 127),
    'ram_usage': (0, 2**32 - 1),
    'ram_total': (0, 2**32 - 1),
}


class OnboardComputerStatus:
    """Stands in for the message, and refuses what the real one refuses."""

    def __init__(self):
        object.__setattr__(self, 'header', SimpleNamespace(stamp=None))

    def __setattr__(self, name, value):
        if name in ARRAYS:
            length, low, high = ARRAYS[name]
            assert len(value) == length, name
            assert all(type(item) is int and low <= item <= high for item in value), (name, value)
        else:
            low, high = NUMBERS[name]
            assert type(value) is int, name
            assert low <= value <= high, (name, value)
        object.__setattr__(self, name, value)


class StatusText:
    """Likewise."""

    def __init__(self):
        self.header = SimpleNamespace(stamp=None)
        self.severity, self.text = 0, ''


class Publisher:
    def __init__(self, listeners=1):
        self.messages, self.listeners = [], listeners

    def get_subscription_count(self):
        return self.listeners

    def publish(self, message):
        self.messages.append(message)


class Node:
    """Makes publishers and remembers them."""

    def __init__(self, listeners=1):
        self.listeners, self.made = listeners, {}

    def create_publisher(self, kind, topic, depth):
        publisher = self.made[kind, topic] = Publisher(self.listeners)
        return publisher

    def destroy_publisher(self, publisher):
        assert publisher in self.made.values()

    def sent(self, topic='status'):
        """Return the messages on a topic."""
        return next(p for (_, name), p in self.made.items() if name == topic).messages


@pytest.fixture
def mavros(monkeypatch):
    """Install a stand-in for mavros_msgs."""
    package, module = ModuleType('mavros_msgs'), ModuleType('mavros_msgs.msg')
    module.OnboardComputerStatus = OnboardComputerStatus
    module.StatusText = StatusText
    monkeypatch.setitem(sys.modules, 'mavros_msgs', package)
    monkeypatch.setitem(sys.modules, 'mavros_msgs.msg', module)


def test_the_ground_station_gets_load_heat_memory_and_disk(mavros):
    node = Node()
    station = GroundStation(node, 'status', 'text', 191)
    assert set(node.made) == {(OnboardComputerStatus, 'status'), (StatusText, 'text')}
    station.send(FULL, 'now')
    (message,) = node.sent()
    assert message.header.stamp == 'now'
    assert message.component == 191
    assert message.uptime == 3600500
    assert message.cpu_cores == [50, 100, 0, 255, 255, 255, 255, 255]
    assert message.gpu_cores == [44, 255, 255, 255]
    assert message.temperature_board == 62
    assert message.temperature_core == [62, 58, 127, 127, 127, 127, 127, 127]
    assert (message.ram_usage, message.ram_total) == (3524, 7620)
    assert message.storage_usage[:2] == [20000, 2**32 - 1]
    assert message.storage_total[0] == 60000
    station.close()
    station.send(FULL, 'later')
    assert len(node.sent()) == 1


def test_what_a_machine_does_not_tell_is_marked_as_unused(mavros):
    node = Node()
    GroundStation(node, 'status', 'text', 191).send(MachineReadings(), 'now')
    (message,) = node.sent()
    assert set(message.cpu_cores) == {255}
    assert message.temperature_board == 127
    assert message.ram_total == message.ram_usage == 2**32 - 1


def test_more_cores_and_zones_than_fit_are_left_out(mavros):
    node = Node()
    zones = tuple(ThermalZone(f'zone{number}', 300.0) for number in range(20))
    readings = MachineReadings(core_use=(1.5,) * 32, zones=zones, uptime_s=1e9)
    GroundStation(node, 'status', 'text', 191).send(readings, 'now')
    assert node.sent()[0].temperature_core == [126] * 8


def test_nothing_is_sent_while_mavros_does_not_listen(mavros):
    node = Node(listeners=0)
    GroundStation(node, 'status', 'text', 191).send(FULL, 'now')
    assert node.sent() == []


def test_without_mavros_or_without_topics_there_are_no_publishers(mavros, monkeypatch):
    node = Node()
    GroundStation(node, '', '', 191).close()
    monkeypatch.setitem(sys.modules, 'mavros_msgs.msg', None)
    station = GroundStation(node, 'status', 'text', 191)
    station.send(FULL, 'now')
    station.tell(deque([('scene', change(State.OK, State.FAILED))]), 'now')
    station.close()
    assert node.made == {}


def test_an_older_mavros_without_the_messages_is_passed_over(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mavros_msgs', ModuleType('mavros_msgs'))
    monkeypatch.setitem(sys.modules, 'mavros_msgs.msg', ModuleType('mavros_msgs.msg'))
    node = Node()
    GroundStation(node, 'status', 'text', 191).send(FULL, 'now')
    assert node.made == {}


def change(before, after, cause='inference_hung'):
    state = State.OK if after is State.OK else after
    return Change(before, after, Finding(cause, 'a long text for the log', state), 0.0)


def test_what_fails_and_what_is_fine_again_is_said_in_words_one_at_a_time(mavros):
    node = Node()
    station = GroundStation(node, 'status', 'text', 191)
    news = deque(
        [
            ('scene: perception', change(State.OK, State.DEGRADED, 'provider_fallback')),
            ('scene: perception', change(State.DEGRADED, State.FAILED)),
            ('publisher: machine', change(State.OK, State.STALE, 'temperature_lost')),
            ('scene: perception', change(State.FAILED, State.DEGRADED, 'provider_fallback')),
            ('scene: perception', change(State.DEGRADED, State.OK)),
            ('publisher: machine', change(State.STALE, State.OK)),
        ]
    )
    for second in range(8):
        station.tell(news, second)
        assert len(node.sent('text')) <= second + 1
    assert [(m.severity, m.text) for m in node.sent('text')] == [
        (3, 'scene FAILED: inference_hung'),
        (4, 'publisher: machine STALE: temperature_lost'),
        (5, 'scene DEGRADED: provider_fallback'),
        (6, 'scene OK'),
        (6, 'publisher: machine OK'),
    ]


def test_words_are_no_longer_than_mavlink_takes():
    name = 'a_long_namespace/with_another/segmentation: perception'
    assert len(words(name, change(State.OK, State.FAILED))) == 50
