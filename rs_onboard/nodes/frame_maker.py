# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames made of messages: image, intrinsics, and the pose at the image stamp. Needs no ROS.

The live graph and the lock-step replay put frames together here, from whatever class of message has
the fields: those of ROS, or those of a bag read without it.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import TYPE_CHECKING

from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.pose import NoPose
from rs_onboard.geo.pose_buffer import Mount, PoseBuffer
from rs_onboard.geo.ring import NS_PER_S, TIME_JUMP_NS
from rs_onboard.geo.rotation import NADIR_MOUNT, Quaternion, from_roll_pitch_yaw
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

    from geometry_msgs.msg import QuaternionStamped
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, NavSatFix
    from std_msgs.msg import Float64

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.nodes.node_settings import FrameSettings


class FrameMaker:
    """Makes frames of images, with the camera and the pose that other messages told.

    Args:
        settings: Topics, for messages to the user, and limits.
        complain: Told what is wrong with a message.

    Attributes:
        poses: What is known about the pose.
        camera: Intrinsics told last, None where none were.
        unfit: What is wrong with the last image, empty if nothing is.
        time_jumps: How often the stamps of images went back to an earlier time.
        events: Other messages that were not usable, counted by name.

    Raises:
        FieldError: The camera mount is no attitude.
    """

    def __init__(self, settings: FrameSettings, complain: Callable[[str], object]) -> None:
        self._settings = settings
        self._complain = complain
        self.poses = PoseBuffer(
            max_gap_s=settings.pose_max_gap_s, mount=Mount(_mount(settings.camera_mount_rpy_deg))
        )
        self.camera: CameraModel | None = None
        self.unfit = ''
        self.time_jumps = 0
        self.events: Counter[str] = Counter()
        self._last_stamp_ns: int | None = None
        self._sequence = 0
        self._no_fix = ''

    def frame(
        self,
        item: Image | CompressedImage | Frame,
        *,
        received_ns: int,
        now_ns: int,
        max_age_s: float = 0.0,
        wait_s: float = 0.0,
    ) -> Frame | str:
        """Make a frame of an image; returns the name of the drop where there is none.

        Args:
            item: The image: a message, or a frame without camera and pose.
            received_ns: Its arrival on the steady clock [ns], 0 where nobody measures.
            now_ns: The time of the node [ns].
            max_age_s: Age from which on a frame is dropped [s]; 0 keeps all.
            wait_s: How long to wait for the pose samples after the image [s].
        """
        try:
            frame = self._decoded(item, received_ns)
        except (EncodingError, ValueError) as exc:
            self._refuse(str(exc))
            return 'bad_image'
        header = frame.header
        if drop := self._stamp_drop(header.stamp_ns, now_ns, max_age_s):
            self._refuse(f'image of {header.stamp_ns / NS_PER_S:.3f} s dropped as {drop}')
            return drop
        self.unfit = ''
        self._sequence += 1
        if wait_s:
            self.poses.wait_for(header.stamp_ns, wait_s)
        pose = self.poses.at(header.stamp_ns)
        return dataclasses.replace(
            frame,
            camera=frame.camera or self._camera_for(header.width, header.height),
            pose=None if isinstance(pose, NoPose) else pose,
            pose_reason=pose.reason + self._no_fix if isinstance(pose, NoPose) else '',
        )

    def add_camera_info(self, message: CameraInfo) -> None:
        """Take intrinsics; those of no camera are counted and the earlier ones forgotten."""
        try:
            self.camera = camera_from_message(message)
        except CameraError as exc:
            self.camera = None
            self.events['bad_camera_info'] += 1
            self._complain(f'{self._settings.camera_info_topic}: {exc}')

    def add_fix(self, message: NavSatFix) -> None:
        """Take a position."""
        fix = fix_from_message(message)
        if fix is None:
            self.events['pose.no_fix'] += 1
            self._no_fix = f', the receiver reports no fix (status {message.status.status})'
            return
        self._no_fix = ''
        self.poses.add_fix(stamp_to_ns(message.header.stamp), fix)

    def add_imu(self, message: Imu) -> None:
        """Take an attitude of the body."""
        if message.orientation_covariance[0] == -1.0:
            self.events['pose.imu_without_attitude'] += 1
            return
        attitude = quaternion_from_message(message.orientation)
        self.poses.add_attitude(stamp_to_ns(message.header.stamp), attitude)

    def add_gimbal(self, message: QuaternionStamped) -> None:
        """Take an attitude of the camera."""
        attitude = quaternion_from_message(message.quaternion)
        self.poses.add_gimbal(stamp_to_ns(message.header.stamp), attitude)

    def add_height(self, message: Float64, now_ns: int) -> None:
        """Take a height; the message has no stamp of its own and gets the time of the node."""
        self.poses.add_height(now_ns, message.data)

    def clear(self) -> None:
        """Forget all poses."""
        self.unfit = ''
        self.poses.clear()

    def values(self) -> dict[str, str]:
        """Return the counters for diagnostics."""
        counted = {**self.events, **{f'pose.{k}': n for k, n in self.poses.unusual.items()}}
        return {
            'time_jumps': str(self.time_jumps),
            **{name: str(number) for name, number in sorted(counted.items())},
        }

    def _refuse(self, reason: str) -> None:
        compressed = self._settings.image_transport == 'compressed'
        topic = self._settings.image_topic + ('/compressed' if compressed else '')
        self.unfit = f'{topic}: {reason}'
        self._complain(self.unfit)

    def _decoded(self, item: Image | CompressedImage | Frame, received_ns: int) -> Frame:
        if isinstance(item, Frame):
            return item
        image = image_from_message(item)
        header = header_from_message(item, image, sequence=self._sequence, received_ns=received_ns)
        return Frame(header, image)

    def _stamp_drop(self, stamp_ns: int, now_ns: int, max_age_s: float) -> str:
        """Name the drop of a frame whose stamp is not usable; empty for a good one."""
        last = self._last_stamp_ns
        if last is not None and stamp_ns <= last:
            if last - stamp_ns < TIME_JUMP_NS:
                return 'duplicate_stamp' if stamp_ns == last else 'out_of_order'
            self.time_jumps += 1
        self._last_stamp_ns = stamp_ns
        if max_age_s and now_ns - stamp_ns > max_age_s * NS_PER_S:
            return 'too_old'
        return ''

    def _camera_for(self, width: int, height: int) -> CameraModel | None:
        camera = self.camera
        if camera is None:
            return None
        if (camera.width, camera.height) != (width, height):
            self._complain(
                f'{self._settings.camera_info_topic}: found intrinsics for '
                f'{camera.width}x{camera.height} px with images of {width}x{height} px; expected '
                'those of the image (binning and roi filled in). They are not used.'
            )
            return None
        return camera


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
