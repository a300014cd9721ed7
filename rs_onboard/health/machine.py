# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Read heat, power, clocks, memory, load and disk from the files of the kernel.

Sources: driver-api/thermal/sysfs-api.rst, hwmon/ina3221.rst, admin-guide/pm/cpufreq.rst and
filesystems/proc.rst of the documentation of Linux; the chapters on power of NVIDIA's Jetson Linux
Developer Guide; the firmware driver of Raspberry Pi's kernel.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.health.kernel_files import KernelFiles
from rs_onboard.health.readings import (
    DiskSpace,
    MachineReadings,
    PowerRail,
    ProcessUse,
    ThermalZone,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# Zones that show a constant: the power controller of older Jetsons always says 100 deg C.
CONSTANT_ZONES = frozenset({'PMIC-Die'})

# No chip works outside of this [millidegrees C]; a broken driver tells such numbers.
LOWEST, HIGHEST = -60_000, 160_000

TRIP_POINTS = 12

# Bits of the Raspberry Pi's firmware for what holds now; those from 16 on say what held once.
PI_BITS = {
    0: 'under-voltage',
    1: 'clock capped',
    2: 'throttled',
    3: 'soft temperature limit',
}
PI_FLAGS = ('sys/devices/platform/soc/soc:firmware/get_throttled',)
PI_VOLTAGE_ALARM = 'in0_lcrit_alarm'

# The load of the GPU of a Jetson, in thousandths.
GPU_LOADS = ('sys/devices/platform/gpu.0/load', 'sys/devices/gpu.0/load')

CHANNELS = (1, 2, 3)


class MachineReader:
    """Reads the machine. One reader serves one thread.

    Args:
        root: Where `sys` and `proc` are; another one than `/` in tests.
        disks: Paths of the file systems to watch, as they are (not below the root).
    """

    def __init__(self, root: Path = Path('/'), disks: Sequence[Path] = ()) -> None:
        self._files = KernelFiles(root)
        self._root = root
        self.disks = tuple(disks)
        self._core_times: list[tuple[int, int]] = []

    def read(self) -> MachineReadings:
        """Read everything once; takes about a millisecond and raises nothing."""
        memory = self._memory()
        core_use = self._core_use()
        throttling, events = self._throttling()
        return MachineReadings(
            zones=tuple(self._zones()),
            rails=tuple(self._rails()),
            throttling=throttling,
            throttle_events=events,
            clock_ratio=self._clock_ratio(),
            core_use=core_use,
            gpu_use=self._gpu_use(),
            load=self._first_number('proc/loadavg'),
            memory_mb=memory.get('MemTotal'),
            memory_free_mb=memory.get('MemAvailable'),
            uptime_s=self._first_number('proc/uptime'),
            process=self.process(),
            disks=tuple(filter(None, map(self._disk, self.disks))),
            reading_errors=sum(self._files.errors.values()),
            last_error=self._files.last_error,
        )

    def _zones(self) -> list[ThermalZone]:
        zones = []
        for folder in self._files.find('sys/class/thermal/thermal_zone*'):
            name = self._files.text(folder / 'type') or folder.name
            if name in CONSTANT_ZONES:
                continue
            value = self._files.number(folder / 'temp', low=LOWEST, high=HIGHEST)
            if value is not None:
                zones.append(ThermalZone(name, value / 1e3, self._trips(folder)))
        return zones

    def _trips(self, folder: Path) -> dict[str, float]:
        trips: dict[str, float] = {}
        for number in range(TRIP_POINTS):
            kind = self._files.text(folder / f'trip_point_{number}_type')
            if kind is None:
                break
            value = self._files.number(folder / f'trip_point_{number}_temp', low=-(10**6))
            # Unused ones are 0 or below absolute zero.
            if value is not None and value > 0:
                trips[kind] = min(value / 1e3, trips.get(kind, value / 1e3))
        return trips

    def _rails(self) -> list[PowerRail]:
        """Read the INA3221 of a Jetson: three channels a chip."""
        rails = []
        for folder in self._hwmon('ina3221'):
            for channel in CHANNELS:
                millivolts = self._files.number(folder / f'in{channel}_input')
                milliamperes = self._files.number(folder / f'curr{channel}_input', low=-(10**6))
                if millivolts is None or milliamperes is None:
                    continue
                label = self._files.text(folder / f'in{channel}_label')
                alarms = [
                    self._files.number(folder / f'curr{channel}_{kind}_alarm')
                    for kind in ('max', 'crit')
                ]
                rails.append(
                    PowerRail(
                        label or f'{folder.name} channel {channel}',
                        millivolts / 1e3,
                        milliamperes / 1e3,
                        any(alarms),
                    )
                )
        return rails

    def _hwmon(self, name: str) -> list[Path]:
        folders = self._files.find('sys/class/hwmon/hwmon*')
        return [folder for folder in folders if self._files.text(folder / 'name') == name]

    def _throttling(self) -> tuple[tuple[str, ...], int | None]:
        """Return what holds now, and the events counted since the machine started."""
        now: list[str] = []
        for path in PI_FLAGS:
            flags = self._files.number(self._root / path, base=16)
            now += [name for bit, name in PI_BITS.items() if (flags or 0) >> bit & 1]
        for folder in self._hwmon('rpi_volt'):
            if self._files.number(folder / PI_VOLTAGE_ALARM):
                now.append(PI_BITS[0])
        counters = self._files.find(
            'sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count'
        )
        for folder in self._hwmon('soctherm_oc'):
            counters += sorted(folder.glob('oc*_event_cnt'))
        counts = [self._files.number(path) for path in counters]
        known = [count for count in counts if count is not None]
        return tuple(dict.fromkeys(now)), sum(known) if known else None

    def _clock_ratio(self) -> float | None:
        ratios = []
        for folder in self._files.find('sys/devices/system/cpu/cpufreq/policy*'):
            allowed = self._files.number(folder / 'scaling_max_freq', low=1)
            greatest = self._files.number(folder / 'cpuinfo_max_freq', low=1)
            if allowed is not None and greatest is not None:
                ratios.append(min(1.0, allowed / greatest))
        return min(ratios, default=None)

    def _core_use(self) -> tuple[float, ...]:
        """Return the part of the time since the last look that each core worked."""
        path = self._root / 'proc/stat'
        times = []
        for line in (self._files.text(path) or '').splitlines():
            words = line.split()
            if not words or not words[0].startswith('cpu') or words[0] == 'cpu':
                continue
            try:
                spent = [int(word) for word in words[1:9]]
                times.append((sum(spent), sum(spent[3:5])))
            except ValueError:
                self._files.refuse(path, f'found {line[:60]!r}; expected numbers')
                return ()
        before, self._core_times = self._core_times, times
        if len(before) != len(times):
            return ()
        use = []
        for (total, idle), (last_total, last_idle) in zip(times, before, strict=True):
            span = total - last_total
            use.append(min(1.0, max(0.0, 1 - (idle - last_idle) / span)) if span > 0 else 0.0)
        return tuple(use)

    def _gpu_use(self) -> float | None:
        for path in GPU_LOADS:
            load = self._files.number(self._root / path, high=1000)
            if load is not None:
                return load / 1e3
        return None

    def _first_number(self, path: str) -> float | None:
        text = self._files.text(self._root / path)
        if text is None:
            return None
        try:
            return float(text.split()[0])
        except (ValueError, IndexError):
            self._files.refuse(self._root / path, f'found {text[:40]!r}; expected a number')
            return None

    def _memory(self) -> dict[str, float]:
        return self._kilobytes('proc/meminfo', {'MemTotal', 'MemAvailable'})

    def process(self) -> ProcessUse:
        """Read what this process takes alone."""
        path = 'proc/self/status'
        rss = self._kilobytes(path, {'VmRSS'}).get('VmRSS')
        threads = None
        for line in (self._files.text(self._root / path) or '').splitlines():
            key, _, value = line.partition(':')
            if key == 'Threads' and value.strip().isdecimal():
                threads = int(value)
        return ProcessUse(rss, threads)

    def _kilobytes(self, path: str, names: set[str]) -> dict[str, float]:
        """Return entries such as `MemTotal: 16384 kB` in MiB."""
        found = {}
        for line in (self._files.text(self._root / path) or '').splitlines():
            key, _, value = line.partition(':')
            if key not in names:
                continue
            try:
                found[key] = int(value.split()[0]) / 1024
            except (ValueError, IndexError):
                self._files.refuse(self._root / path, f'found {line[:60]!r}; expected kB')
        return found

    def _disk(self, path: Path) -> DiskSpace | None:
        try:
            room = os.statvfs(path)
        except OSError as exc:
            self._files.refuse(path, exc.strerror or str(exc))
            return None
        unit = room.f_frsize / 2**20
        return DiskSpace(str(path), room.f_bavail * unit, room.f_blocks * unit)
