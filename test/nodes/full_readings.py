# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Readings of a machine that tells everything, for tests."""

from __future__ import annotations

from rs_onboard.health.readings import (
    DiskSpace,
    MachineReadings,
    PowerRail,
    ProcessUse,
    ThermalZone,
)

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
