# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a measurement must say of the machine it was made on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from rs_onboard.inference.gpu import gpu_name

CPU_INFO = Path('/proc/cpuinfo')
BOARD = Path('/proc/device-tree/model')
GOVERNOR = Path('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')
THERMAL = Path('/sys/class/thermal')


def machine_name() -> str:
    """Name the board or, where there is none, the processor of this machine."""
    if board := _text(BOARD):
        return board
    found = re.search(r'^model name\s*: (.+)$', _text(CPU_INFO), re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def describe_machine() -> dict[str, str | int | float]:
    """List what decides on timings; what this machine does not tell is left out.

    Returns:
        `name`, `architecture`, `cores`, `system`, and where known `load` (average of a minute),
        `governor` of the clocks, `temperature_c` of the hottest zone and `gpu`.
    """
    facts: dict[str, str | int | float] = {
        'name': machine_name(),
        'architecture': platform.machine(),
        'cores': os.cpu_count() or 1,
        'system': f'{platform.system()} {platform.release()}',
    }
    if hasattr(os, 'getloadavg'):
        facts['load'] = round(os.getloadavg()[0], 2)
    if governor := _text(GOVERNOR):
        facts['governor'] = governor
    zones = [_text(path) for path in THERMAL.glob('thermal_zone*/temp')]
    if degrees := [int(zone) / 1000 for zone in zones if zone.lstrip('-').isdecimal()]:
        facts['temperature_c'] = max(degrees)
    if gpu := gpu_name(0):
        facts['gpu'] = gpu
    return facts


def user_cache(name: str) -> Path:
    """Return a folder of this user for what can be made again, by the XDG rules."""
    base = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(base) / 'rs_onboard' / name


def _text(path: Path) -> str:
    """Read a file of the kernel; empty where it is missing or refuses."""
    try:
        return path.read_text(encoding='utf-8', errors='replace').strip(' \n\x00')
    except OSError:
        return ''
