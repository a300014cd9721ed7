# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Hand-over between nodes: by reference within a process, by topic to everybody else."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)

from rs_onboard.nodes.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rclpy.node import Node

T = TypeVar('T')

# Results and tiles: reliable, so that nothing is lost between our own nodes, and shallow, because
# the mailboxes keep the newest only.
RESULT_QOS = QoSProfile(
    depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)
LATCHED_QOS = QoSProfile(
    depth=1,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def sensor_qos(depth: int) -> QoSProfile:
    """Return the profile of sensor data with a queue of its own length."""
    return QoSProfile(
        depth=depth,
        reliability=qos_profile_sensor_data.reliability,
        durability=qos_profile_sensor_data.durability,
        history=qos_profile_sensor_data.history,
    )


class Exchange:
    """What the nodes of one process share: channels, named by resolved topic, and the watchdog."""

    def __init__(self) -> None:
        self.watchdog = Watchdog()
        self._lock = threading.Lock()
        self._offers: set[str] = set()
        self._takers: dict[str, list[Callable[[Any], None]]] = {}

    def offer(self, channel: str) -> None:
        """Say that a node of this process will send on a channel."""
        with self._lock:
            self._offers.add(channel)

    def connect(self, channel: str, callback: Callable[[Any], None]) -> bool:
        """Have a callback called with what is sent on a channel.

        Returns:
            False when no node of this process sends on it: then subscribe to the topic.
        """
        with self._lock:
            if channel not in self._offers:
                return False
            # A new list, so that `send` may go on with the old one without the lock.
            self._takers[channel] = [*self._takers.get(channel, []), callback]
            return True

    def disconnect(self, channel: str, callback: Callable[[Any], None]) -> None:
        """Undo `connect`."""
        with self._lock:
            takers = self._takers.get(channel, [])
            self._takers[channel] = [taker for taker in takers if taker != callback]

    def send(self, channel: str, item: object) -> int:
        """Hand an item to everybody connected; returns to how many."""
        takers = self._takers.get(channel, [])
        for taker in takers:
            taker(item)
        return len(takers)


@dataclass(frozen=True)
class Writer(Generic[T]):
    """One topic of an outlet: its name, message type, and how an item is written as one."""

    topic: str
    message_type: type
    convert: Callable[[T], Any]
    qos: QoSProfile = field(default_factory=lambda: RESULT_QOS)


class Outlet(Generic[T]):
    """Sends items to nodes of this process by reference, and to subscribers as messages.

    Args:
        node: Owner of the publishers.
        exchange: The channels of this process.
        channel: Relative name of the channel.
        writers: The topics an item is published on; empty for items that stay in the process.
    """

    def __init__(
        self, node: Node, exchange: Exchange, channel: str, writers: Sequence[Writer[T]] = ()
    ) -> None:
        self._exchange = exchange
        self._channel = node.resolve_topic_name(channel)
        self._node = node
        self._writers = [
            (writer, node.create_publisher(writer.message_type, writer.topic, writer.qos))
            for writer in writers
        ]
        exchange.offer(self._channel)

    def send(self, item: T) -> None:
        """Hand an item over; a topic is converted and published only while somebody subscribes.

        What a conversion raises is raised after the other topics are served.
        """
        self._exchange.send(self._channel, item)
        faults = [fault for each in self._writers if (fault := self._publish(item, *each))]
        if faults:
            raise faults[0]

    def _publish(self, item: T, writer: Writer[T], publisher: Any) -> Exception | None:
        """Publish on one topic; what goes wrong must not take the others along."""
        try:
            if publisher.get_subscription_count():
                publisher.publish(writer.convert(item))
        except Exception as exc:  # noqa: BLE001  (raised again once all have had their turn)
            return exc
        return None

    def close(self) -> None:
        """Destroy the publishers."""
        for _, publisher in self._writers:
            self._node.destroy_publisher(publisher)
        self._writers = []
