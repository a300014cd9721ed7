# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The machine in /diagnostics and, where MAVROS is installed, for the ground station."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.health.machine_watch import MachineVerdict, MachineWatch
from rs_onboard.health.readings import (
    DiskSpace,
    MachineReadings,
    PowerRail,
    ProcessUse,
    ThermalZone,
)
from rs_onboard.health.values import machine_values
from rs_onboard.nodes.machine_status import GroundStation, MachineStatus

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
FULL = MachineReadings(
    zones=(ThermalZone('cpu-thermal', 61.6), ThermalZone('gpu-thermal', 58.2)),
    rails=(PowerRail('VDD_IN', 5.0, 1.5),),
    core_use=(0.5, 1.0, 0.004),
    gpu_use=0.437,
    load=1.25,
    memory_mb=7620.0,
    memory_free_mb=4096.0,
    uptime_s=3600.5,
    process=ProcessUse(340.2, 23),
    disks=(DiskSpace('/data', 40000.0, 60000.0),),
    clock_ratio=0.8,
    throttle_events=2,
)


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
        self.listeners, self.made = listeners, []

    def create_publisher(self, kind, topic, depth):
        self.made.append((kind, topic))
        self.publisher = Publisher(self.listeners)
        return self.publisher

    def destroy_publisher(self, publisher):
        assert publisher is self.publisher


@pytest.fixture
def mavros(monkeypatch):
    """Install a stand-in for mavros_msgs."""
    package, module = ModuleType('mavros_msgs'), ModuleType('mavros_msgs.msg')
    module.OnboardComputerStatus = OnboardComputerStatus
    monkeypatch.setitem(sys.modules, 'mavros_msgs', package)
    monkeypatch.setitem(sys.modules, 'mavros_msgs.msg', module)


def test_the_ground_station_gets_load_heat_memory_and_disk(mavros):
    node = Node()
    station = GroundStation(node, 'mavros/onboard_computer/status', 191)
    assert station.available
    assert node.made == [(OnboardComputerStatus, 'mavros/onboard_computer/status')]
    station.send(FULL, 'now')
    (message,) = node.publisher.messages
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
    assert len(node.publisher.messages) == 1


def test_what_a_machine_does_not_tell_is_marked_as_unused(mavros):
    node = Node()
    GroundStation(node, 'status', 191).send(MachineReadings(), 'now')
    (message,) = node.publisher.messages
    assert set(message.cpu_cores) == {255}
    assert message.temperature_board == 127
    assert message.ram_total == message.ram_usage == 2**32 - 1


def test_more_cores_and_zones_than_fit_are_left_out(mavros):
    node = Node()
    zones = tuple(ThermalZone(f'zone{number}', 300.0) for number in range(20))
    readings = MachineReadings(core_use=(1.5,) * 32, zones=zones, uptime_s=1e9)
    GroundStation(node, 'status', 191).send(readings, 'now')
    assert node.publisher.messages[0].temperature_core == [126] * 8


def test_nothing_is_sent_while_mavros_does_not_listen(mavros):
    node = Node(listeners=0)
    GroundStation(node, 'status', 191).send(FULL, 'now')
    assert node.publisher.messages == []


def test_without_mavros_or_without_a_topic_there_is_no_publisher(mavros, monkeypatch):
    node = Node()
    assert not GroundStation(node, '', 191).available
    monkeypatch.setitem(sys.modules, 'mavros_msgs.msg', None)
    station = GroundStation(node, 'status', 191)
    station.send(FULL, 'now')
    station.close()
    assert not station.available
    assert node.made == []


def test_an_older_mavros_without_the_message_is_passed_over(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mavros_msgs', ModuleType('mavros_msgs'))
    monkeypatch.setitem(sys.modules, 'mavros_msgs.msg', ModuleType('mavros_msgs.msg'))
    assert not GroundStation(Node(), 'status', 191).available


def test_the_entry_has_what_the_machine_tells():
    verdict = MachineWatch().update(FULL)
    values = machine_values(FULL, verdict)
    assert values['heat'] == 'normal'
    assert values['temperature_c'] == '61.6'
    assert values['temperature_c.gpu-thermal'] == '58.2'
    assert values['power_w.VDD_IN'] == '7.50'
    assert values['disk_free_mb./data'] == '40000'
    assert values['core_use'] == '0.50, 1.00, 0.00'
    assert (values['rss_mb'], values['threads'], values['throttled']) == ('340', '23', 'false')


def test_a_machine_that_tells_nothing_has_a_short_entry():
    values = machine_values(MachineReadings(), MachineVerdict())
    assert values == {'heat': 'unknown', 'throttled': 'false', 'reading_errors': '0'}
    broken = MachineReadings(reading_errors=3, last_error='temp: found warm')
    assert machine_values(broken, MachineVerdict())['last_reading_error'] == 'temp: found warm'


def test_the_entry_takes_the_state_of_the_worst_that_is_found():
    lines = []
    logger = SimpleNamespace(info=lines.append, warning=lines.append, error=lines.append)
    status = MachineStatus('front/publisher', logger)
    hot = MachineReadings(zones=(ThermalZone('cpu', 95.0),))
    verdict = MachineWatch().update(hot)
    status.judge(verdict, hold_s=5.0)
    entry = status.entry(hot, verdict)
    assert entry.name == 'front/publisher: machine'
    assert entry.level == b'\2'
    assert 'cpu at 95 deg C' in entry.message
    assert len(lines) == 1
