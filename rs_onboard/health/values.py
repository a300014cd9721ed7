# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The readings of the machine as texts, for /diagnostics and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_onboard.health.machine_watch import MachineVerdict
    from rs_onboard.health.readings import MachineReadings


def machine_values(readings: MachineReadings, verdict: MachineVerdict) -> dict[str, str]:
    """Return the values of the entry; what the machine does not tell is left out."""
    values = {'heat': verdict.heat, 'throttled': str(verdict.throttled).lower()}
    process = readings.process
    numbers = {
        'temperature_c': (verdict.temperature_c, '.1f'),
        'clock_ratio': (readings.clock_ratio, '.2f'),
        'load': (readings.load, '.2f'),
        'gpu_use': (readings.gpu_use, '.2f'),
        'memory_mb': (readings.memory_mb, '.0f'),
        'memory_free_mb': (readings.memory_free_mb, '.0f'),
        'rss_mb': (process.rss_mb, '.0f'),
        'threads': (process.threads, 'd'),
        'throttle_events': (readings.throttle_events, 'd'),
    }
    values |= {
        key: format(value, form) for key, (value, form) in numbers.items() if value is not None
    }
    if readings.throttling:
        values['throttling'] = ', '.join(readings.throttling)
    if readings.core_use:
        values['core_use'] = ', '.join(f'{use:.2f}' for use in readings.core_use)
    for zone in readings.zones:
        values[f'temperature_c.{zone.name}'] = f'{zone.celsius:.1f}'
    for rail in readings.rails:
        values[f'power_w.{rail.name}'] = f'{rail.watts:.2f}'
    for disk in readings.disks:
        values[f'disk_free_mb.{disk.path}'] = f'{disk.free_mb:.0f}'
    values['reading_errors'] = str(readings.reading_errors)
    if readings.last_error:
        values['last_reading_error'] = readings.last_error
    return values
