# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the machine says about itself: records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ThermalZone:
    """A thermal zone of the kernel.

    Attributes:
        name: Its type (`cpu-thermal`).
        celsius: Its temperature [deg C].
        trips: Lowest trip point of each kind (`passive`, `hot`, `critical`) [deg C].
    """

    name: str
    celsius: float
    trips: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PowerRail:
    """A supply rail that is measured.

    Attributes:
        name: Its label (`VDD_IN`).
        volts: Voltage [V].
        amperes: Current [A].
        over_current: Whether the sensor says that the current is over its limit.
    """

    name: str
    volts: float
    amperes: float
    over_current: bool = False

    @property
    def watts(self) -> float:
        """Power [W]."""
        return self.volts * self.amperes


@dataclass(frozen=True)
class DiskSpace:
    """Room on the file system of a path.

    Attributes:
        path: The path.
        free_mb: Room for this user [MiB].
        total_mb: Size [MiB].
    """

    path: str
    free_mb: float
    total_mb: float


@dataclass(frozen=True)
class ProcessUse:
    """What this process uses.

    Attributes:
        rss_mb: Resident memory [MiB], None where the kernel does not tell.
        threads: Threads, None likewise.
    """

    rss_mb: float | None = None
    threads: int | None = None


@dataclass(frozen=True)
class MachineReadings:
    """All readings of one look at the machine. What it does not tell is None or empty.

    Attributes:
        zones: Thermal zones.
        rails: Power rails.
        throttling: What the machine says it does right now to save itself (`under-voltage`).
        throttle_events: Events of throttling that the kernel has counted.
        clock_ratio: Least allowed clock of the cores by the greatest they could have, 0 to 1.
        core_use: Use of each core since the look before [0 to 1]; empty at the first look.
        gpu_use: Use of the GPU [0 to 1].
        load: Average load of a minute.
        memory_mb: Memory in all [MiB].
        memory_free_mb: Memory that programs can still have [MiB].
        uptime_s: Time since the machine started [s].
        process: This process.
        disks: Room on the file systems that are watched.
        reading_errors: Readings so far that were malformed or refused.
        last_error: What was wrong with the last of them.
    """

    zones: tuple[ThermalZone, ...] = ()
    rails: tuple[PowerRail, ...] = ()
    throttling: tuple[str, ...] = ()
    throttle_events: int | None = None
    clock_ratio: float | None = None
    core_use: tuple[float, ...] = ()
    gpu_use: float | None = None
    load: float | None = None
    memory_mb: float | None = None
    memory_free_mb: float | None = None
    uptime_s: float | None = None
    process: ProcessUse = field(default_factory=ProcessUse)
    disks: tuple[DiskSpace, ...] = ()
    reading_errors: int = 0
    last_error: str = ''

    @property
    def hottest(self) -> ThermalZone | None:
        """The hottest zone, None where there is none."""
        return max(self.zones, key=lambda zone: zone.celsius, default=None)
