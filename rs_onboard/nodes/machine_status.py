# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The machine in /diagnostics, and for the ground station."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rs_onboard.health.values import machine_values
from rs_onboard.nodes.component import Component

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus

    from rs_onboard.health.machine_watch import MachineVerdict
    from rs_onboard.health.readings import MachineReadings

# What MAVLink's ONBOARD_COMPUTER_STATUS has in fields that are not used.
NO_UINT8, NO_INT8, NO_INT16, NO_UINT32 = 255, 127, 32767, 2**32 - 1


class MachineStatus:
    """The entry `machine` of /diagnostics.

    Args:
        name: Name of the node that publishes it.
        logger: Its logger.
    """

    def __init__(self, name: str, logger: Any) -> None:
        self.component = Component(f'{name}: machine', logger)

    def judge(self, verdict: MachineVerdict, hold_s: float) -> None:
        """Take what was found wrong with the machine."""
        self.component.judge(verdict.findings, hold_s)

    def entry(self, readings: MachineReadings, verdict: MachineVerdict) -> DiagnosticStatus:
        """Return the entry."""
        return self.component.message('fine', machine_values(readings, verdict))


class GroundStation:
    """Sends load and heat of this computer to MAVROS, which passes them on as MAVLink.

    Args:
        node: Owner of the publisher.
        topic: Topic of MAVROS's plugin; empty sends nothing.
        component: MAVLink component id of this computer.

    Attributes:
        available: Whether there is a topic and mavros_msgs is installed.
    """

    def __init__(self, node: Any, topic: str, component: int) -> None:
        self._component = component
        self._kind = _message_type() if topic else None
        self.available = self._kind is not None
        self._publisher: Any = None
        self._node = node
        if self._kind is not None:
            self._publisher = node.create_publisher(self._kind, topic, 10)

    def send(self, readings: MachineReadings, stamp: Any) -> None:
        """Send the readings, while MAVROS listens."""
        if self._kind is not None and self._publisher.get_subscription_count():
            message = fill_status(self._kind(), readings, self._component)
            message.header.stamp = stamp
            self._publisher.publish(message)

    def close(self) -> None:
        """Destroy the publisher."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None
            self._kind = None


def fill_status(message: Any, readings: MachineReadings, component: int) -> Any:
    """Fill a mavros_msgs/OnboardComputerStatus; returns it.

    Source: ONBOARD_COMPUTER_STATUS (390) of MAVLink's common messages.
    """
    message.component = component
    message.uptime = int(1e3 * (readings.uptime_s or 0)) % 2**32
    message.type = 0
    message.cpu_cores = _row([_percent(use) for use in readings.core_use], 8, NO_UINT8)
    message.cpu_combined = _row([], 10, NO_UINT8)
    gpu = [] if readings.gpu_use is None else [_percent(readings.gpu_use)]
    message.gpu_cores = _row(gpu, 4, NO_UINT8)
    message.gpu_combined = _row([], 10, NO_UINT8)
    hottest = readings.hottest
    message.temperature_board = NO_INT8 if hottest is None else _degrees(hottest.celsius)
    message.temperature_core = _row([_degrees(z.celsius) for z in readings.zones], 8, NO_INT8)
    message.fan_speed = _row([], 4, NO_INT16)
    total, free = readings.memory_mb, readings.memory_free_mb
    message.ram_total = NO_UINT32 if total is None else int(total)
    message.ram_usage = NO_UINT32 if total is None or free is None else int(total - free)
    disks = readings.disks
    message.storage_type = _row([], 4, NO_UINT32)
    message.storage_usage = _row([int(d.total_mb - d.free_mb) for d in disks], 4, NO_UINT32)
    message.storage_total = _row([int(d.total_mb) for d in disks], 4, NO_UINT32)
    for name in ('type', 'tx_rate', 'rx_rate', 'tx_max', 'rx_max'):
        setattr(message, f'link_{name}', _row([], 6, NO_UINT32))
    return message


def _message_type() -> Any:
    """Return the message type, None where mavros_msgs is not installed."""
    try:
        return importlib.import_module('mavros_msgs.msg').OnboardComputerStatus
    except (ImportError, AttributeError):
        return None


def _row(values: list[int], length: int, unused: int) -> list[int]:
    return [*values[:length], *[unused] * (length - len(values))]


def _percent(part: float) -> int:
    return min(100, max(0, round(100 * part)))


def _degrees(celsius: float) -> int:
    return min(126, max(-128, round(celsius)))
