# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The machine is judged: heat without flapping, throttling, currents, memory, disk."""

from __future__ import annotations

import math
import random

import pytest

from rs_onboard.health.machine_watch import BANDS, MachineLimits, MachineWatch
from rs_onboard.health.readings import DiskSpace, MachineReadings, PowerRail, ThermalZone
from rs_onboard.health.states import HealthMonitor, State


def hot(celsius, **trips):
    return MachineReadings(zones=(ThermalZone('cpu-thermal', celsius, trips),))


def flight(*, ambient_c, load_c, calm_s, load_s, tau_s=60.0, step_c=0.5, seed=0):
    """Give a temperature a second: a chip at rest, under load, at rest again.

    A first-order model of a board in still air, read by a sensor that rounds and jitters by a step:
    what makes states flap is that jitter around a limit. It is made, not recorded.
    """
    chance = random.Random(seed)
    celsius = ambient_c
    for second in range(calm_s + load_s + calm_s):
        target = load_c if calm_s <= second < calm_s + load_s else ambient_c
        celsius += (target - celsius) * (1 - math.exp(-1 / tau_s))
        yield step_c * round((celsius + chance.gauss(0, step_c)) / step_c)


def fly(trace, limits=None):
    """Return (heats, changes of state) of a trace, a look a second."""
    watch, monitor = MachineWatch(limits), HealthMonitor(hold_s=5.0)
    heats, changes = [], []
    for second, celsius in enumerate(trace):
        readings = MachineReadings() if celsius is None else hot(celsius)
        verdict = watch.update(readings)
        if not heats or verdict.heat != heats[-1]:
            heats.append(verdict.heat)
        changes += monitor.update(verdict.findings, float(second))
    return heats, [(change.before, change.after) for change in changes]


def test_a_machine_without_sensors_has_no_heat_and_nothing_wrong():
    verdict = MachineWatch().update(MachineReadings())
    assert verdict.heat == 'unknown'
    assert verdict.temperature_c is None
    assert not verdict.throttled
    assert verdict.findings == ()


@pytest.mark.parametrize('seed', range(5))
def test_a_flight_that_heats_up_and_cools_down_takes_every_band_once(seed):
    trace = flight(ambient_c=45, load_c=97, calm_s=300, load_s=600, seed=seed)
    heats, changes = fly(trace)
    up = ['normal', 'warm', 'hot', 'critical']
    assert heats == [*up, *reversed(up[:-1])]
    ok, degraded, failed = State.OK, State.DEGRADED, State.FAILED
    assert changes == [(ok, degraded), (degraded, failed), (failed, degraded), (degraded, ok)]


@pytest.mark.parametrize('limit_c', [70.0, 80.0, 90.0])
@pytest.mark.parametrize('seed', range(3))
def test_a_temperature_that_rests_on_a_limit_does_not_flap(limit_c, seed):
    trace = list(flight(ambient_c=45, load_c=limit_c, calm_s=200, load_s=900, seed=seed))
    assert sum(abs(value - limit_c) <= 1 for value in trace) > 100
    heats, changes = fly(trace)
    bands = [BANDS.index(heat) for heat in heats]
    top = bands.index(max(bands))
    assert bands == [*range(top + 1), *reversed(range(top))]
    assert len(changes) <= 4


def test_a_cool_flight_raises_nothing():
    heats, changes = fly(flight(ambient_c=35, load_c=62, calm_s=60, load_s=600))
    assert heats == ['normal']
    assert changes == []


def test_a_sensor_that_goes_silent_is_stale_until_it_tells_again():
    trace = [50.0] * 10 + [None] * 20 + [51.0] * 10
    heats, changes = fly(trace)
    assert heats == ['normal', 'unknown', 'normal']
    assert changes == [(State.OK, State.STALE), (State.STALE, State.OK)]


def test_a_zone_that_switches_off_earlier_is_critical_earlier():
    watch = MachineWatch()
    assert watch.update(hot(79.9, critical=85.0)).heat == 'warm'
    verdict = watch.update(hot(80.0, critical=85.0))
    assert verdict.heat == 'critical'
    (finding,) = verdict.findings
    assert (finding.cause, finding.state) == ('over_temperature', State.FAILED)
    assert 'cpu-thermal at 80 deg C' in finding.text


def test_the_hottest_by_its_own_limits_decides():
    watch = MachineWatch()
    zones = (ThermalZone('cpu', 85.0), ThermalZone('modem', 78.0, {'critical': 80.0}))
    verdict = watch.update(MachineReadings(zones=zones))
    assert verdict.heat == 'critical'
    assert verdict.temperature_c == 85.0
    assert 'modem' in verdict.findings[0].text


def test_lowered_clocks_throttle_but_a_power_mode_set_before_does_not():
    watch = MachineWatch()
    assert not watch.update(MachineReadings(clock_ratio=0.6)).throttled
    verdict = watch.update(MachineReadings(clock_ratio=0.4))
    assert verdict.throttled
    assert verdict.findings[0].cause == 'throttled'
    assert 'clocks limited to 40 %' in verdict.findings[0].text
    assert not watch.update(MachineReadings(clock_ratio=0.6)).throttled


def test_new_throttling_events_count_and_old_ones_do_not():
    watch = MachineWatch()
    assert not watch.update(MachineReadings(throttle_events=7)).throttled
    verdict = watch.update(MachineReadings(throttle_events=9))
    assert '2 throttling events' in verdict.findings[0].text
    assert not watch.update(MachineReadings(throttle_events=9)).throttled


def test_what_a_board_says_of_itself_is_told():
    verdict = MachineWatch().update(MachineReadings(throttling=('under-voltage',)))
    assert verdict.throttled
    assert 'under-voltage' in verdict.findings[0].text
    rails = (PowerRail('VDD_IN', 5.0, 4.2, over_current=True), PowerRail('VDD_SOC', 5.0, 1.0))
    (finding,) = MachineWatch().update(MachineReadings(rails=rails)).findings
    assert finding.cause == 'over_current'
    assert 'VDD_IN 4.20 A' in finding.text
    assert 'VDD_SOC' not in finding.text


def test_a_disk_is_low_until_there_is_a_tenth_more_room():
    watch = MachineWatch(MachineLimits(disk_mb=500))

    def causes(free_mb):
        disks = (DiskSpace('/data', free_mb, 32000.0),)
        return [item.cause for item in watch.update(MachineReadings(disks=disks)).findings]

    assert causes(501.0) == []
    assert causes(499.0) == ['disk_low']
    assert causes(549.0) == ['disk_low']
    assert causes(551.0) == []
    assert causes(501.0) == []


def test_memory_is_watched_where_a_limit_is_set():
    readings = MachineReadings(memory_free_mb=60.0)
    assert [f.cause for f in MachineWatch().update(readings).findings] == ['memory_low']
    assert MachineWatch(MachineLimits(memory_mb=0)).update(readings).findings == ()
