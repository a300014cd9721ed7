# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Judge the readings of the machine: heat in bands, throttling, currents, memory, disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rs_onboard.health.limits import Bands
from rs_onboard.health.states import Finding, State

if TYPE_CHECKING:
    from rs_onboard.health.readings import DiskSpace, MachineReadings, ThermalZone

Heat = Literal['unknown', 'normal', 'warm', 'hot', 'critical']
BANDS: tuple[Heat, ...] = ('normal', 'warm', 'hot', 'critical')

# The kernel switches the machine off at its critical trip point; before that we say so.
BEFORE_CRITICAL_C = 5.0

# A lowered limit of the clocks, by the highest seen; smaller steps are rounding.
LOWERED = 0.98

# How far a value must recover before it counts as such, by its limit.
RECOVERY = 0.1


@dataclass(frozen=True)
class MachineLimits:
    """Limits of the machine.

    Attributes:
        warm_c: From here on more load is unwise [deg C].
        hot_c: From here on the component is degraded [deg C].
        critical_c: From here on it counts as failed [deg C]; 5 below the critical trip point of a
            zone where that is less.
        margin_c: How far below its limit a temperature must fall to leave a band [deg C].
        disk_mb: Least room on a file system that we write to [MiB]; 0 watches none.
        memory_mb: Least memory that programs can still have [MiB]; 0 watches none.
    """

    warm_c: float = 70.0
    hot_c: float = 80.0
    critical_c: float = 90.0
    margin_c: float = 3.0
    disk_mb: float = 500.0
    memory_mb: float = 100.0


@dataclass(frozen=True)
class MachineVerdict:
    """What the readings mean.

    Attributes:
        heat: Band of the hottest zone, `unknown` without zones.
        temperature_c: The hottest zone [deg C], None without zones.
        throttled: Whether the machine has lowered its clocks, or says that it has to.
        findings: What is wrong.
    """

    heat: Heat = 'unknown'
    temperature_c: float | None = None
    throttled: bool = False
    findings: tuple[Finding, ...] = ()


class MachineWatch:
    """Judges one look at the machine after the other.

    Args:
        limits: The limits.
    """

    def __init__(self, limits: MachineLimits | None = None) -> None:
        self.limits = limits or MachineLimits()
        self._zones: dict[str, Bands] = {}
        self._rooms: dict[str, Bands] = {}
        self._events: int | None = None
        self._best_clock = 0.0
        self._had_zones = False

    def update(self, readings: MachineReadings) -> MachineVerdict:
        """Judge the readings of a look."""
        heat, findings = self._heat(readings)
        throttling = self._throttling(readings)
        findings += throttling
        findings += self._over_current(readings)
        findings += [item for disk in readings.disks if (item := self._disk(disk))]
        findings += self._memory(readings)
        hottest = readings.hottest
        return MachineVerdict(
            heat, hottest.celsius if hottest else None, bool(throttling), tuple(findings)
        )

    def _heat(self, readings: MachineReadings) -> tuple[Heat, list[Finding]]:
        if not readings.zones:
            if not self._had_zones:
                return 'unknown', []
            text = 'no thermal zone can be read any more; temperatures are unknown'
            return 'unknown', [Finding('temperature_lost', text, State.STALE)]
        self._had_zones = True
        worst = max((self._band(zone), zone.celsius, zone.name) for zone in readings.zones)
        heat, celsius, name = BANDS[worst[0]], worst[1], worst[2]
        limits = self.limits
        if heat == 'critical':
            text = f'{name} at {celsius:.0f} deg C; land or cool it, the machine may switch off'
            return heat, [Finding('over_temperature', text, State.FAILED)]
        if heat == 'hot':
            text = f'{name} at {celsius:.0f} deg C, limit {limits.hot_c:g}; see to its cooling'
            return heat, [Finding('over_temperature', text)]
        return heat, []

    def _band(self, zone: ThermalZone) -> int:
        bands = self._zones.get(zone.name)
        if bands is None:
            limits = self.limits
            critical = limits.critical_c
            if 'critical' in zone.trips:
                critical = min(critical, zone.trips['critical'] - BEFORE_CRITICAL_C)
            bounds = (min(limits.warm_c, critical), min(limits.hot_c, critical), critical)
            bands = self._zones[zone.name] = Bands(bounds, limits.margin_c)
        return bands.update(zone.celsius)

    def _throttling(self, readings: MachineReadings) -> list[Finding]:
        """Say whether the machine holds itself back."""
        reasons = list(readings.throttling)
        events, self._events = self._events, readings.throttle_events
        if events is not None and (readings.throttle_events or 0) > events:
            reasons.append(f'{(readings.throttle_events or 0) - events} throttling events')
        if readings.clock_ratio is not None:
            # A power mode lowers them too, but from the start.
            self._best_clock = max(self._best_clock, readings.clock_ratio)
            if readings.clock_ratio < LOWERED * self._best_clock:
                reasons.append(f'clocks limited to {100 * readings.clock_ratio:.0f} %')
        if not reasons:
            return []
        text = f'{", ".join(reasons)}; frames take longer. See to cooling and power supply'
        return [Finding('throttled', text)]

    @staticmethod
    def _over_current(readings: MachineReadings) -> list[Finding]:
        rails = [f'{r.name} {r.amperes:.2f} A' for r in readings.rails if r.over_current]
        if not rails:
            return []
        return [Finding('over_current', f'{", ".join(rails)}, over the limit of the sensor')]

    def _disk(self, disk: DiskSpace) -> Finding | None:
        if not self._low(disk.path, disk.free_mb, self.limits.disk_mb):
            return None
        return Finding(
            'disk_low',
            f'{disk.path}: {disk.free_mb:.0f} MiB free, limit {self.limits.disk_mb:g}; make room',
        )

    def _memory(self, readings: MachineReadings) -> list[Finding]:
        free = readings.memory_free_mb
        if free is None or not self._low('memory', free, self.limits.memory_mb):
            return []
        text = f'{free:.0f} MiB of memory left, limit {self.limits.memory_mb:g}; end other programs'
        return [Finding('memory_low', text)]

    def _low(self, name: str, free: float, limit: float) -> bool:
        if not limit:
            return False
        # What is short counts downwards, the bands upwards.
        return bool(self._rooms.setdefault(name, Bands((-limit,), RECOVERY * limit)).update(-free))
