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
from typing import TYPE_CHECKING, Any

from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.pose import NoPose, Pose
from rs_onboard.geo.pose_buffer import PoseBuffer
from rs_onboard.geo.ring import NS_PER_S, TIME_JUMP_NS
from rs_onboard.geo.static_frames import StaticFrames
from rs_onboard.nodes.image_messages import (
    camera_from_message,
    fix_from_message,
    header_from_message,
    image_from_message,
    quaternion_from_message,
    stamp_to_ns,
)
from rs_onboard.nodes.pose_messages import (
    accuracy_of,
    covariance_of,
    gimbal_attitude,
    mount_of,
    terrain_of,
)
from rs_onboard.perception.errors import EncodingError
from rs_onboard.perception.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from geometry_msgs.msg import QuaternionStamped, Vector3Stamped
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
        TerrainError: The terrain model cannot be used.
    """

    def __init__(self, settings: FrameSettings, complain: Callable[[str], object]) -> None:
        self._settings = settings
        self._complain = complain
        self.poses = PoseBuffer(
            max_gap_s=settings.pose_max_gap_s,
            mount=mount_of(settings),
            accuracy=accuracy_of(settings),
            max_speed_mps=settings.pose_max_speed_mps,
            max_turn_radps=math.radians(settings.pose_max_turn_dps),
            gimbal_yaw_lock=settings.gimbal_yaw_lock,
            gimbal_required=settings.gimbal_required,
        )
        self._terrain = terrain_of(settings)
        self._frames = StaticFrames()
        # The frame whose mount the pose buffer has; another, or news of frames, asks for it anew.
        self._mounted: str | None = None
        self.camera: CameraModel | None = None
        self.unfit = ''
        self.time_jumps = 0
        self.events: Counter[str] = Counter()
        self._last_stamp_ns: int | None = None
        self._sequence = 0

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
        if self._settings.camera_mount_from_tf and header.frame_id != self._mounted:
            self._mounted = header.frame_id
            self.poses.set_mount(self._frames.mount(header.frame_id, self._settings.body_frame))
        pose = self.poses.at(header.stamp_ns)
        if isinstance(pose, Pose) and self._terrain is not None:
            pose = pose.over(self._terrain)
        return dataclasses.replace(
            frame,
            camera=self._calibrated(frame.camera or self._camera_for(header.width, header.height)),
            pose=None if isinstance(pose, NoPose) else pose,
            pose_reason=pose.reason if isinstance(pose, NoPose) else '',
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
            status = message.status.status
            self.poses.refuse('fix', f'the receiver reports no fix (status {status})')
            return
        self.poses.add_fix(stamp_to_ns(message.header.stamp), fix)

    def add_imu(self, message: Imu) -> None:
        """Take an attitude of the body."""
        if message.orientation_covariance[0] == -1.0:
            self.events['pose.imu_without_attitude'] += 1
            self.poses.refuse('imu', 'the imu says that it has none')
            return
        attitude = quaternion_from_message(message.orientation)
        covariance = covariance_of(message.orientation_covariance)
        self.poses.add_attitude(stamp_to_ns(message.header.stamp), attitude, covariance)

    def add_gimbal(self, message: QuaternionStamped | Vector3Stamped) -> None:
        """Take an attitude of the camera."""
        settings = self._settings
        attitude = gimbal_attitude(
            message, axes=settings.gimbal_axes, yaw_lock=settings.gimbal_yaw_lock
        )
        if isinstance(attitude, str):
            self.poses.refuse('gimbal', f'the last one was refused: {attitude}', invalid=True)
            return
        self.poses.add_gimbal(stamp_to_ns(message.header.stamp), attitude)

    def add_static_frames(self, message: Any) -> None:
        """Take the frames of a tf2_msgs/TFMessage of /tf_static."""
        for item in message.transforms:
            place, turn = item.transform.translation, item.transform.rotation
            sound = self._frames.add(
                item.header.frame_id,
                item.child_frame_id,
                (place.x, place.y, place.z),
                quaternion_from_message(turn),
            )
            if not sound:
                self.events['pose.bad_static_frame'] += 1
                self._complain(f'/tf_static: {item.child_frame_id!r} has no sound transform')
        self._mounted = None

    def add_height(self, message: Float64, now_ns: int) -> None:
        """Take a height; the message has no stamp of its own and gets the time of the node."""
        self.poses.add_height(now_ns, message.data)

    def clear(self) -> None:
        """Forget all poses."""
        self.unfit = ''
        self.poses.clear()

    def values(self) -> dict[str, str]:
        """Return the counters for diagnostics."""
        unusual = list(self.poses.unusual.items())
        counted = {**self.events, **{f'pose.{kind}': number for kind, number in unusual}}
        return {
            'time_jumps': str(self.time_jumps),
            **{name: str(number) for name, number in sorted(counted.items())},
        }

    def _refuse(self, reason: str) -> None:
        self.unfit = f'{self._settings.transport_topic}: {reason}'
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

    def _calibrated(self, camera: CameraModel | None) -> CameraModel | None:
        """Return a camera with what is assumed of its accuracy."""
        if camera is None:
            return None
        return dataclasses.replace(
            camera,
            pixel_sigma=self._settings.sigma_pixel_px,
            focal_sigma=self._settings.sigma_focal_percent / 100.0,
        )

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
