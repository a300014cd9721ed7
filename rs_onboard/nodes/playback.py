# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded messages into the live graph, and results out of it, as bytes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import LATCHED_QOS
from rs_onboard.nodes.image_messages import ns_to_stamp
from rs_onboard.nodes.tf_static import STATIC_FRAMES_QOS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rs_onboard.nodes.topics import TopicInfo

# Deep enough for the poses between two images of a slow camera.
PLAYBACK_QOS = QoSProfile(
    depth=200, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)


def message_class(type_name: str) -> type:
    """Return the class of a message type.

    Raises:
        ValueError: The type is not installed.
    """
    package, _, name = type_name.replace('/msg/', '/').partition('/')
    try:
        found: type = getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        raise ValueError(
            f'message type {type_name!r}: not installed; expected the package {package!r} with a '
            f'message {name!r}. Install or source it.'
        ) from None
    return found


class PlaybackNode(Node):
    """Publishes recorded messages, and their time on /clock."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__('playback', **arguments)
        self._clock_publisher = self.create_publisher(Clock, '/clock', 10)
        self._publishers_by_topic: dict[str, Any] = {}
        self._now_ns = -1

    def prepare(self, topics: dict[str, str]) -> None:
        """Create the publishers of topics (name to type) before the first message is due."""
        for topic, type_name in topics.items():
            kind = message_class(type_name)
            # Static frames are latched; a reader that wants that takes nothing else.
            qos = STATIC_FRAMES_QOS if topic == names.TF_STATIC else PLAYBACK_QOS
            self._publishers_by_topic[topic] = self.create_publisher(kind, topic, qos)

    def connected(self) -> bool:
        """Return whether anybody listens to every topic."""
        return all(p.get_subscription_count() for p in self._publishers_by_topic.values())

    def set_time(self, now_ns: int) -> bool:
        """Publish the time on /clock where it has changed; returns whether it has."""
        if now_ns == self._now_ns:
            return False
        self._now_ns = now_ns
        self._clock_publisher.publish(Clock(clock=ns_to_stamp(now_ns)))
        return True

    def publish(self, topic: str, cdr: bytes) -> None:
        """Publish a serialised message."""
        self._publishers_by_topic[topic].publish(bytes(cdr))


class TapNode(Node):
    """Hands everything published on some topics to a callback, serialised.

    Args:
        topics: The topics.
        take: Called from the executor with topic, type, bytes and the node's time [ns].
    """

    def __init__(
        self,
        topics: Sequence[TopicInfo],
        take: Callable[[str, str, bytes, int], None],
        **arguments: Any,
    ) -> None:
        super().__init__('tap', **arguments)
        for item in topics:
            self.create_subscription(
                message_class(item.type_name),
                item.topic,
                self._callback(item, take),
                LATCHED_QOS if item.latched else PLAYBACK_QOS,
                raw=True,
            )

    def _callback(
        self, item: TopicInfo, take: Callable[[str, str, bytes, int], None]
    ) -> Callable[[bytes], None]:
        topic = self.resolve_topic_name(item.topic)

        def call(cdr: bytes) -> None:
            take(topic, item.type_name, cdr, self.get_clock().now().nanoseconds)

        return call
