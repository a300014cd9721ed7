# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Readings of the machine: boards as they are, files that are missing, files that lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_trees import ORIN, PI, plant

from rs_onboard.health.kernel_files import KernelFiles
from rs_onboard.health.machine import MachineReader
from rs_onboard.health.readings import PowerRail, ProcessUse, ThermalZone

TEMPERATURE = 'sys/class/thermal/thermal_zone0/temp'
THROTTLED = 'sys/devices/platform/soc/soc:firmware/get_throttled'


def test_a_jetson_tells_zones_rails_clocks_load_and_memory(tmp_path):
    found = MachineReader(plant(tmp_path, ORIN)).read()
    assert found.zones == (
        ThermalZone('cpu-thermal', 48.75, {'passive': 99.0, 'critical': 104.5}),
        ThermalZone('gpu-thermal', 46.0),
        ThermalZone('tj-thermal', 49.5),
    )
    assert found.hottest.name == 'tj-thermal'
    assert found.rails == (PowerRail('VDD_IN', 5.0, 1.24), PowerRail('VDD_CPU_GPU_CV', 4.992, 0.32))
    assert found.rails[0].watts == pytest.approx(6.2)
    assert found.throttle_events == 2
    assert found.clock_ratio == 1.0
    assert found.gpu_use == 0.437
    assert (found.load, found.uptime_s) == (1.25, 3600.5)
    assert (found.memory_mb, found.memory_free_mb) == (7620.0, 4096.0)
    assert found.process == ProcessUse(340.0, 23)
    assert (found.reading_errors, found.last_error) == (0, '')


def test_a_raspberry_pi_tells_what_holds_it_back_now(tmp_path):
    reader = MachineReader(plant(tmp_path, PI))
    assert reader.read().throttling == ()
    # Bits from 16 on are those of the past: they say nothing about now.
    plant(tmp_path, {THROTTLED: '50005'})
    assert reader.read().throttling == ('under-voltage', 'throttled')
    plant(tmp_path, {THROTTLED: '50000', 'sys/class/hwmon/hwmon0/in0_lcrit_alarm': '1'})
    assert reader.read().throttling == ('under-voltage',)


def test_lowered_clocks_and_alarms_of_rails_are_told(tmp_path):
    plant(tmp_path, ORIN)
    policy = 'sys/devices/system/cpu/cpufreq/policy4'
    plant(tmp_path, {f'{policy}/scaling_max_freq': '750000'})
    plant(tmp_path, {f'{policy}/cpuinfo_max_freq': '1500000'})
    plant(tmp_path, {'sys/class/hwmon/hwmon1/curr1_crit_alarm': '1'})
    found = MachineReader(tmp_path).read()
    assert found.clock_ratio == 0.5
    assert [rail.over_current for rail in found.rails] == [True, False]


def test_the_use_of_cores_is_that_since_the_look_before(tmp_path):
    reader = MachineReader(plant(tmp_path, ORIN))
    assert reader.read().core_use == ()
    plant(tmp_path, {'proc/stat': 'cpu  1\ncpu0 85 0 0 115 0 0 0 0\ncpu1 10 0 0 180 10 0 0 0'})
    assert reader.read().core_use == (0.75, 0.0)
    # A core that was switched off leaves nothing to compare with.
    plant(tmp_path, {'proc/stat': 'cpu  1\ncpu0 95 0 0 120 0 0 0 0'})
    assert reader.read().core_use == ()


def test_a_machine_that_tells_nothing_gives_no_readings_and_no_errors(tmp_path):
    found = MachineReader(tmp_path / 'nothing').read()
    assert found.zones == found.rails == found.throttling == found.core_use == ()
    assert found.hottest is None
    assert found.throttle_events is found.clock_ratio is found.load is found.memory_mb is None
    assert found.process == ProcessUse(None, None)
    assert found.reading_errors == 0


@pytest.mark.parametrize(
    ('content', 'fragment'),
    [
        ('', "found ''"),
        ('warm', "found 'warm'"),
        ('48.7', "found '48.7'"),
        ('1275000', 'found 1275000; expected -60000 to 160000'),
        ('-273000', 'found -273000'),
        ('9' * 5000, "found '99999"),
    ],
)
def test_a_malformed_temperature_is_left_out_and_counted(tmp_path, content, fragment):
    reader = MachineReader(plant(tmp_path, {**ORIN, TEMPERATURE: content}))
    assert [zone.name for zone in reader.read().zones] == ['gpu-thermal', 'tj-thermal']
    found = reader.read()
    assert found.reading_errors == 2
    assert TEMPERATURE in found.last_error
    assert fragment in found.last_error


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('proc/meminfo', 'MemTotal: lots kB'),
        ('proc/meminfo', 'MemTotal:'),
        ('proc/loadavg', 'high'),
        ('proc/loadavg', ''),
        ('proc/stat', 'cpu0 a b c d'),
        (THROTTLED, 'zz'),
        ('sys/class/hwmon/hwmon1/in1_input', '-5'),
        ('sys/devices/platform/gpu.0/load', '1001'),
    ],
)
def test_other_malformed_files_are_counted_and_leave_the_rest_alone(tmp_path, name, content):
    found = MachineReader(plant(tmp_path, {**ORIN, name: content})).read()
    assert found.reading_errors == 1
    assert name in found.last_error
    assert len(found.zones) == 3


def test_a_sensor_that_is_switched_off_is_no_error_and_one_that_fails_is(tmp_path, monkeypatch):
    reader = MachineReader(plant(tmp_path, ORIN))
    opened = Path.open

    def refuse(code):
        def open_file(path, *arguments, **options):
            if path.name == 'temp' and 'zone1/' in str(path):
                raise OSError(code, os.strerror(code))
            return opened(path, *arguments, **options)

        monkeypatch.setattr(Path, 'open', open_file)

    refuse(11)
    found = reader.read()
    assert (len(found.zones), found.reading_errors) == (2, 0)
    refuse(5)
    found = reader.read()
    assert (len(found.zones), found.reading_errors) == (2, 1)
    assert 'Input/output error' in found.last_error


def test_a_zone_that_always_says_the_same_is_left_out(tmp_path):
    zone = 'sys/class/thermal/thermal_zone3'
    plant(tmp_path, {f'{zone}/type': 'PMIC-Die', f'{zone}/temp': '100000'})
    assert MachineReader(tmp_path).read().zones == ()


def test_the_room_on_a_disk_is_read_and_a_path_that_is_gone_is_counted(tmp_path):
    reader = MachineReader(tmp_path / 'nothing', disks=[tmp_path, tmp_path / 'gone'])
    found = reader.read()
    (disk,) = found.disks
    assert disk.path == str(tmp_path)
    assert 0 < disk.free_mb <= disk.total_mb
    assert found.reading_errors == 1


def test_this_machine_is_read_without_an_error():
    reader = MachineReader()
    reader.read()
    found = reader.read()
    assert found.reading_errors == 0, found.last_error
    assert found.process.rss_mb > 1
    assert len(found.core_use) >= 1
    assert all(0 <= use <= 1 for use in found.core_use)


def test_a_file_is_read_no_further_than_so_far(tmp_path):
    (tmp_path / 'endless').symlink_to('/dev/zero')
    assert KernelFiles(tmp_path).text(tmp_path / 'endless') == ''


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(name=st.sampled_from(sorted({**PI, **ORIN})), content=st.binary(max_size=60))
def test_whatever_stands_in_a_file_the_reader_raises_nothing(tmp_path, name, content):
    plant(tmp_path, {**PI, **ORIN})
    (tmp_path / name).write_bytes(content)
    reader = MachineReader(tmp_path)
    reader.read()
    found = reader.read()
    assert all(-60 <= zone.celsius <= 160 for zone in found.zones)
    assert found.clock_ratio is None or 0 <= found.clock_ratio <= 1
