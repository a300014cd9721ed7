# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames put together from topics: image, intrinsics, and the pose at the image stamp."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

from geometry_msgs.msg import QuaternionStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, NavSatFix
from std_msgs.msg import Float64

from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.pose import (
    NADIR_MOUNT,
    NS_PER_S,
    TIME_JUMP_NS,
    NoPose,
    PoseBuffer,
    Quaternion,
    from_roll_pitch_yaw,
)
from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.image_messages import (
    camera_from_message,
    fix_from_message,
    header_from_message,
    image_from_message,
    quaternion_from_message,
    stamp_to_ns,
)
from rs_onboard.perception.errors import EncodingError
from rs_onboard.perception.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.nodes.settings import FrameSettings

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
        FieldError: A topic has no possible name, or the camera mount is no attitude.
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
        self._poses = PoseBuffer(
            max_gap_s=settings.pose_max_gap_s, mount=_mount(settings.camera_mount_rpy_deg)
        )
        self._camera: CameraModel | None = None
        self._camera_reason = f'no message on {settings.camera_info_topic}'
        self._last_stamp_ns: int | None = None
        self._sequence = 0
        self._subscriptions: list[Any] = []
        self._channel = ''
        self._topic = settings.image_topic
        self._last_arrival_ns = time.perf_counter_ns()
        self._unfit = ''
        self._no_fix = ''
        self.time_jumps = 0
        self.events: Counter[str] = Counter()

    def start(self) -> None:
        """Subscribe, or take frames by reference where the camera is in this process."""
        settings = self._settings
        subscribe = self._subscribe
        self._last_arrival_ns, self._unfit = time.perf_counter_ns(), ''
        channel = self._node.resolve_topic_name(settings.image_topic)
        if self._node.exchange.connect(channel, self._on_frame):
            self._channel = channel
        elif settings.image_transport == 'compressed':
            self._topic = f'{settings.image_topic}/compressed'
            subscribe(CompressedImage, self._topic, self._on_image, depth=2)
        else:
            subscribe(Image, settings.image_topic, self._on_image, depth=2)
        subscribe(CameraInfo, settings.camera_info_topic, self._on_camera_info, depth=2)
        subscribe(NavSatFix, settings.fix_topic, self._on_fix)
        subscribe(Imu, settings.imu_topic, self._on_imu)
        subscribe(QuaternionStamped, settings.gimbal_topic, self._on_gimbal)
        subscribe(Float64, settings.height_topic, self._on_height)

    def stop(self) -> None:
        """Undo `start` and forget all poses."""
        if self._channel:
            self._node.exchange.disconnect(self._channel, self._on_frame)
            self._channel = ''
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._unfit = ''
        self._poses.clear()

    def frame(self, arrival: Arrival) -> Frame | str:
        """Make a frame of an arrival; returns the name of the drop where there is none.

        Called from the worker: decodes the image and waits for the pose.
        """
        try:
            frame = self._decoded(arrival)
        except (EncodingError, ValueError) as exc:
            self._refuse(str(exc))
            return 'bad_image'
        header = frame.header
        if drop := self._stamp_drop(header.stamp_ns):
            self._refuse(f'image of {header.stamp_ns / NS_PER_S:.3f} s dropped as {drop}')
            return drop
        self._unfit = ''
        self._sequence += 1
        if self._settings.pose_wait_ms:
            self._poses.wait_for(header.stamp_ns, self._settings.pose_wait_ms / 1e3)
        pose = self._poses.at(header.stamp_ns)
        return dataclasses.replace(
            frame,
            camera=frame.camera or self._camera_for(header.width, header.height),
            pose=None if isinstance(pose, NoPose) else pose,
            pose_reason=pose.reason + self._no_fix if isinstance(pose, NoPose) else '',
        )

    def values(self) -> dict[str, str]:
        """Return the counters for diagnostics."""
        counted = {**self.events, **{f'pose.{k}': n for k, n in self._poses.unusual.items()}}
        return {
            'time_jumps': str(self.time_jumps),
            **{name: str(number) for name, number in sorted(counted.items())},
        }

    def trouble(self) -> str:
        """Say what is wrong with the images, empty if nothing is."""
        if self._unfit or not self._subscriptions:
            return self._unfit
        silent_s = (time.perf_counter_ns() - self._last_arrival_ns) / NS_PER_S
        if silent_s < SILENT_S:
            return ''
        topic = self._node.resolve_topic_name(self._topic)
        senders = self._node.count_publishers(topic)
        hint = '' if senders else '; check image_topic and image_transport'
        return f'{topic}: no image for {silent_s:.0f} s, {senders} publishers{hint}'

    def _refuse(self, reason: str) -> None:
        self._unfit = f'{self._topic}: {reason}'
        self._node.complain(self._unfit)

    def _decoded(self, arrival: Arrival) -> Frame:
        if isinstance(arrival.item, Frame):
            return arrival.item
        image = image_from_message(arrival.item)
        header = header_from_message(
            arrival.item, image, sequence=self._sequence, received_ns=arrival.received_ns
        )
        return Frame(header, image)

    def _stamp_drop(self, stamp_ns: int) -> str:
        """Name the drop of a frame whose stamp is not usable; empty for a good one."""
        last = self._last_stamp_ns
        if last is not None and stamp_ns <= last:
            if last - stamp_ns < TIME_JUMP_NS:
                return 'duplicate_stamp' if stamp_ns == last else 'out_of_order'
            self.time_jumps += 1
        self._last_stamp_ns = stamp_ns
        # May change while the node is active; the settings from its start do not.
        limit = cast('FrameSettings', self._node.settings).max_age_s
        if limit and self._node.get_clock().now().nanoseconds - stamp_ns > limit * 1e9:
            return 'too_old'
        return ''

    def _camera_for(self, width: int, height: int) -> CameraModel | None:
        camera = self._camera
        if camera is None:
            return None
        if (camera.width, camera.height) != (width, height):
            self._node.complain(
                f'{self._settings.camera_info_topic}: found intrinsics for '
                f'{camera.width}x{camera.height} px with images of {width}x{height} px; expected '
                'those of the image (binning and roi filled in). They are not used.'
            )
            return None
        return camera

    def _subscribe(
        self, kind: type, topic: str, callback: Callable[[Any], None], *, depth: int = 50
    ) -> None:
        qos = _with_depth(depth)
        guarded = self._node.guarded(callback)
        self._subscriptions.append(self._node.create_subscription(kind, topic, guarded, qos))

    def _on_frame(self, frame: Frame) -> None:
        self._last_arrival_ns = frame.header.received_ns
        self._deliver(Arrival(frame, frame.header.received_ns))

    def _on_image(self, message: ImageMessage) -> None:
        self._last_arrival_ns = time.perf_counter_ns()
        self._deliver(Arrival(message, self._last_arrival_ns))

    def _on_camera_info(self, message: CameraInfo) -> None:
        try:
            self._camera = camera_from_message(message)
        except CameraError as exc:
            self._camera = None
            self.events['bad_camera_info'] += 1
            self._node.complain(f'{self._settings.camera_info_topic}: {exc}')

    def _on_fix(self, message: NavSatFix) -> None:
        fix = fix_from_message(message)
        if fix is None:
            self.events['pose.no_fix'] += 1
            self._no_fix = f', the receiver reports no fix (status {message.status.status})'
            return
        self._no_fix = ''
        self._poses.add_fix(stamp_to_ns(message.header.stamp), fix)

    def _on_imu(self, message: Imu) -> None:
        if message.orientation_covariance[0] == -1.0:
            self.events['pose.imu_without_attitude'] += 1
            return
        attitude = quaternion_from_message(message.orientation)
        self._poses.add_attitude(stamp_to_ns(message.header.stamp), attitude)

    def _on_gimbal(self, message: QuaternionStamped) -> None:
        attitude = quaternion_from_message(message.quaternion)
        self._poses.add_gimbal(stamp_to_ns(message.header.stamp), attitude)

    def _on_height(self, message: Float64) -> None:
        # The message has no stamp of its own; with a bag, use_sim_time makes the times agree.
        self._poses.add_height(self._node.get_clock().now().nanoseconds, message.data)


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


def _with_depth(depth: int) -> Any:
    return type(qos_profile_sensor_data)(
        depth=depth,
        reliability=qos_profile_sensor_data.reliability,
        durability=qos_profile_sensor_data.durability,
        history=qos_profile_sensor_data.history,
    )


def _mount(text: str) -> Quaternion:
    """Read the camera mount of the settings.

    Raises:
        FieldError: The text is not three numbers.
    """
    if not text.strip():
        return NADIR_MOUNT
    try:
        angles = [math.radians(float(part)) for part in text.split()]
    except ValueError:
        angles = []
    if len(angles) != 3 or not all(map(math.isfinite, angles)):
        raise FieldError(
            f'parameter camera_mount_rpy_deg: found {text!r}; expected three numbers "roll pitch '
            'yaw" in degrees, or nothing for a camera that looks straight down.'
        )
    return from_roll_pitch_yaw(*angles)
