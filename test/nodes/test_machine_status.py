# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The machine in /diagnostics."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from full_readings import FULL

from rs_onboard.health.machine_watch import MachineVerdict, MachineWatch
from rs_onboard.health.readings import MachineReadings, ThermalZone
from rs_onboard.health.values import machine_values
from rs_onboard.nodes.machine_status import MachineStatus


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


def test_the_entry_says_why_the_board_throttles():
    throttling = MachineReadings(throttling=('under-voltage', 'clock capped'), throttle_events=3)
    values = machine_values(throttling, MachineWatch().update(throttling))
    assert (values['throttled'], values['throttling']) == ('true', 'under-voltage, clock capped')
    assert values['throttle_events'] == '3'


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
