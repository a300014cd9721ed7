# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames put together from topics: image, intrinsics, and the pose at the image stamp."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

from geometry_msgs.msg import QuaternionStamped, Vector3Stamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, NavSatFix
from std_msgs.msg import Float64

from rs_onboard.geo.ring import NS_PER_S
from rs_onboard.health.states import Finding, State
from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import sensor_qos
from rs_onboard.nodes.frame_alarms import FrameAlarms
from rs_onboard.nodes.frame_maker import FrameMaker
from rs_onboard.nodes.tf_static import STATIC_FRAMES_QOS, static_frames_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.nodes.node_settings import FrameSettings
    from rs_onboard.perception.frame import Frame

ImageMessage: TypeAlias = Union[Image, CompressedImage]  # noqa: UP007  (evaluated at run time)


# An active node without an image for longer than this says so; a mistyped topic is silent else.
SILENT_S = 10.0


@dataclasses.dataclass(frozen=True)
class Arrival:
    """An image as it came: a message, or a frame handed over in the process.

    Attributes:
        item: The image.
        received_ns: Arrival on the steady clock [ns].
    """

    item: ImageMessage | Frame
    received_ns: int


class FrameSource:
    """Subscribes to a camera and the vehicle's pose; makes frames of what arrives.

    Args:
        node: Owner of the subscriptions.
        settings: Topics and limits.
        deliver: Takes each arrival; called from the executor, so it must only store it.

    Raises:
        FieldError: A topic has no possible name, the camera mount is no attitude, or /tf_static
            cannot be read.
        TerrainError: The terrain model cannot be used.
    """

    def __init__(
        self,
        node: PerceptionNode,
        settings: FrameSettings,
        deliver: Callable[[Arrival], object],
    ) -> None:
        _check_topics(node, settings)
        self._node = node
        self._settings = settings
        self._deliver = deliver
        self.maker = FrameMaker(settings, self._complain)
        self._static_frames = static_frames_type() if settings.camera_mount_from_tf else None
        self._alarms = FrameAlarms(self.maker, node.incident)
        self._subscriptions: list[Any] = []
        self._channel = ''
        self._topic = settings.image_topic
        self._last_arrival_ns = time.perf_counter_ns()

    def start(self) -> None:
        """Subscribe, or take frames by reference where the camera is in this process."""
        settings = self._settings
        subscribe = self._subscribe
        self._last_arrival_ns, self.maker.unfit = time.perf_counter_ns(), ''
        self._alarms.clear()
        channel = self._node.resolve_topic_name(settings.image_topic)
        if self._node.exchange.connect(channel, self._on_frame):
            self._channel = channel
        else:
            self._topic = settings.transport_topic
            kind = CompressedImage if settings.is_compressed else Image
            subscribe(kind, self._topic, self._on_image, depth=2)
        subscribe(CameraInfo, settings.camera_info_topic, self.maker.add_camera_info, depth=2)
        subscribe(NavSatFix, settings.fix_topic, self.maker.add_fix)
        subscribe(Imu, settings.imu_topic, self.maker.add_imu)
        angles = settings.gimbal_message == 'angles'
        gimbal = Vector3Stamped if angles else QuaternionStamped
        subscribe(gimbal, settings.gimbal_topic, self.maker.add_gimbal)
        subscribe(Float64, settings.height_topic, self._on_height)
        if self._static_frames is not None:
            taken = self._node.guarded(self.maker.add_static_frames)
            self._subscriptions.append(
                self._node.create_subscription(
                    self._static_frames, names.TF_STATIC, taken, STATIC_FRAMES_QOS
                )
            )

    def stop(self) -> None:
        """Undo `start` and forget all poses."""
        if self._channel:
            self._node.exchange.disconnect(self._channel, self._on_frame)
            self._channel = ''
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self.maker.clear()

    def frame(self, arrival: Arrival) -> Frame | str:
        """Make a frame of an arrival; returns the name of the drop where there is none.

        Called from the worker: decodes the image and waits for the pose.
        """
        # The age may change while the node is active; the settings from its start do not.
        limit = cast('FrameSettings', self._node.settings).max_age_s
        made = self.maker.frame(
            arrival.item,
            received_ns=arrival.received_ns,
            now_ns=self._node.get_clock().now().nanoseconds,
            max_age_s=limit,
            wait_s=self._settings.pose_wait_ms / 1e3,
        )
        # A camera node of this process watches its images itself.
        self._alarms.take(made, live=not self._channel)
        return made

    def values(self) -> dict[str, str]:
        """Return the counters for diagnostics."""
        return self.maker.values()

    def findings(self) -> list[Finding]:
        """Return what is wrong with images and pose."""
        if not self._subscriptions:
            return []
        found = self._alarms.findings()
        silent_s = (time.perf_counter_ns() - self._last_arrival_ns) / NS_PER_S
        if silent_s >= SILENT_S:
            topic = self._node.resolve_topic_name(self._topic)
            senders = self._node.count_publishers(topic)
            hint = '' if senders else '; check image_topic and image_transport'
            text = f'{topic}: no image for {silent_s:.0f} s, {senders} publishers{hint}'
            found.append(Finding('no_image', text, State.STALE))
        return found

    def _complain(self, reason: str) -> None:
        # Of images the alarms tell, once.
        if reason != self.maker.unfit:
            self._node.complain(reason)

    def _subscribe(
        self, kind: type, topic: str, callback: Callable[[Any], None], *, depth: int = 50
    ) -> None:
        qos = sensor_qos(depth)
        guarded = self._node.guarded(callback)
        self._subscriptions.append(self._node.create_subscription(kind, topic, guarded, qos))

    def _on_frame(self, frame: Frame) -> None:
        self._last_arrival_ns = frame.header.received_ns
        self._deliver(Arrival(frame, frame.header.received_ns))

    def _on_image(self, message: ImageMessage) -> None:
        self._last_arrival_ns = time.perf_counter_ns()
        self._deliver(Arrival(message, self._last_arrival_ns))

    def _on_height(self, message: Float64) -> None:
        # With a bag, use_sim_time makes the times of heights and images agree.
        self.maker.add_height(message, self._node.get_clock().now().nanoseconds)


def _check_topics(node: PerceptionNode, settings: FrameSettings) -> None:
    for field in dataclasses.fields(settings):
        if not field.name.endswith('_topic'):
            continue
        topic = getattr(settings, field.name)
        try:
            node.resolve_topic_name(topic)
        except Exception as exc:  # noqa: BLE001  (rclpy has several types for it)
            raise FieldError(
                f'parameter {field.name}: found {topic!r}; expected the name of a topic, as in '
                f'/camera/image_raw ({" ".join(str(exc).split())}).'
            ) from None
