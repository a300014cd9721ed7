# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the ground station is told through MAVROS, where that is installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rs_onboard.health.states import State

if TYPE_CHECKING:
    from collections import deque

    from rs_onboard.health.readings import MachineReadings
    from rs_onboard.health.states import Change
    from rs_onboard.nodes.component import News

# What MAVLink's ONBOARD_COMPUTER_STATUS has in fields that are not used.
NO_UINT8, NO_INT8, NO_INT16, NO_UINT32 = 255, 127, 32767, 2**32 - 1

# Letters of MAVLink's STATUSTEXT, and its severities.
TEXT_LENGTH = 50
SEVERITIES = {State.OK: 6, State.DEGRADED: 5, State.STALE: 4, State.FAILED: 3}


class MavrosTopic:
    """A topic of MAVROS.

    Args:
        node: Owner of the publisher.
        kind: Name of the message in mavros_msgs.
        topic: The topic; empty sends nothing.

    Attributes:
        available: Whether there is a topic and mavros_msgs has the message.
    """

    def __init__(self, node: Any, kind: str, topic: str) -> None:
        self._node = node
        self._kind = message_type(kind) if topic else None
        self.available = self._kind is not None
        self._publisher: Any = None
        if self._kind is not None:
            self._publisher = node.create_publisher(self._kind, topic, 10)

    def new(self, stamp: Any) -> Any:
        """Return a message to be filled, None while MAVROS does not listen."""
        if self._kind is None or not self._publisher.get_subscription_count():
            return None
        message = self._kind()
        message.header.stamp = stamp
        return message

    def send(self, message: Any) -> None:
        """Send a message that `new` made."""
        self._publisher.publish(message)

    def close(self) -> None:
        """Destroy the publisher."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = self._kind = None


class GroundStation:
    """Sends the load and heat of this computer, and changes of states in words, to MAVROS.

    Args:
        node: Owner of the publishers.
        status_topic: Topic of the load and heat; empty sends none.
        text_topic: Topic of the words; empty sends none.
        component: MAVLink component id of this computer.
    """

    def __init__(self, node: Any, status_topic: str, text_topic: str, component: int) -> None:
        self._component = component
        # Entries whose trouble the ground knows, so that it is told the end of it too.
        self._told: set[str] = set()
        self._status = MavrosTopic(node, 'OnboardComputerStatus', status_topic)
        self._text = MavrosTopic(node, 'StatusText', text_topic)

    def send(self, readings: MachineReadings, stamp: Any) -> None:
        """Send the readings, while MAVROS listens."""
        message = self._status.new(stamp)
        if message is not None:
            self._status.send(fill_status(message, readings, self._component))

    def tell(self, news: deque[News], stamp: Any) -> None:
        """Send the oldest change of a state, while MAVROS listens.

        One at a call, so that the link to the ground is not filled.

        Args:
            news: The changes; those that are no news for the ground are taken off too.
            stamp: Time of the message.
        """
        while news:
            name, change = news.popleft()
            if change.after < State.STALE and name not in self._told:
                continue
            (self._told.discard if change.after is State.OK else self._told.add)(name)
            message = self._text.new(stamp)
            if message is not None:
                message.severity = SEVERITIES[change.after]
                message.text = words(name, change)
                self._text.send(message)
            return

    def close(self) -> None:
        """Destroy the publishers."""
        self._status.close()
        self._text.close()


def words(name: str, change: Change) -> str:
    """Say a change of a state in at most as many letters as STATUSTEXT has."""
    text = f'{name.removesuffix(": perception")} {change.after.name}'
    if change.after is not State.OK:
        text += f': {change.finding.cause}'
    return text[:TEXT_LENGTH]


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


def message_type(name: str) -> Any:
    """Return a message type of mavros_msgs, None where that does not have it or is not there."""
    try:
        return getattr(importlib.import_module('mavros_msgs.msg'), name, None)
    except ImportError:
        return None


def _row(values: list[int], length: int, unused: int) -> list[int]:
    return [*values[:length], *[unused] * (length - len(values))]


def _percent(part: float) -> int:
    return min(100, max(0, round(100 * part)))


def _degrees(celsius: float) -> int:
    return min(126, max(-128, round(celsius)))
