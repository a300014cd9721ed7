# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The messages that one photograph becomes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.replay.attitude import enu_from_body, enu_from_camera
from rs_onboard.replay.topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    FIX,
    FRAMES,
    GIMBAL,
    HEIGHT,
    IMU,
)

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.rotation import Quaternion
    from rs_onboard.replay.geotag import Geotag

NO_FIX, HAS_FIX, GPS = -1, 0, 1
COVARIANCE_UNKNOWN, COVARIANCE_APPROXIMATED = 0, 1
# Survey wings fly level between their turns to about this much; used only where pitch and roll are
# not recorded and a heading is. Their heading then is the track, off by the drift in the wind.
LEVEL_SIGMA_RAD = math.radians(10)
TRACK_SIGMA_RAD = math.radians(15)
_S = 1_000_000_000


class MessageMaker:
    """Makes messages of the types in a store.

    Args:
        store: Message definitions.
    """

    def __init__(self, store: Typestore) -> None:
        self._types: dict[str, Any] = dict(store.types)

    def make(self, type_name: str, **values: object) -> object:
        """Make a message of a type such as sensor_msgs/msg/Imu."""
        return self._types[type_name](**values)

    def header(self, stamp_ns: int, frame_id: str) -> object:
        """Make a header; the stamp in nanoseconds since 1970."""
        stamp = self.make('builtin_interfaces/msg/Time', sec=stamp_ns // _S, nanosec=stamp_ns % _S)
        return self.make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)

    def image(self, stamp_ns: int, jpeg: bytes) -> object:
        """Make a CompressedImage of the untouched bytes of a JPEG file."""
        return self.make(
            COMPRESSED_IMAGE,
            header=self.header(stamp_ns, FRAMES.camera),
            format='jpeg',
            data=np.frombuffer(jpeg, np.uint8),
        )

    def camera_info(self, stamp_ns: int, camera: CameraModel) -> object:
        """Make a CameraInfo of a single camera: R is the identity, P repeats K."""
        k = np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1], np.float64)
        return self.make(
            CAMERA_INFO,
            header=self.header(stamp_ns, FRAMES.camera),
            height=camera.height,
            width=camera.width,
            distortion_model=camera.distortion_model,
            d=np.array(camera.distortion, np.float64),
            k=k,
            r=np.eye(3).reshape(9),
            p=np.insert(k, [3, 6, 9], 0.0),
            binning_x=0,
            binning_y=0,
            roi=self.make(
                'sensor_msgs/msg/RegionOfInterest',
                x_offset=0,
                y_offset=0,
                height=0,
                width=0,
                do_rectify=False,
            ),
        )

    def fix(self, stamp_ns: int, tag: Geotag, *, geoid_m: float = 0.0) -> object:
        """Make a NavSatFix; without a position its status is no fix and its numbers are NaN."""
        variances = [tag.horizontal_sigma_m, tag.horizontal_sigma_m, tag.vertical_sigma_m]
        known = tag.horizontal_sigma_m is not None
        # One position error is what cameras record; heights are about half as good.
        if known and tag.vertical_sigma_m is None:
            variances[2] = 2 * (tag.horizontal_sigma_m or 0.0)
        covariance = np.diag([(x or 0.0) ** 2 for x in variances]).reshape(9)
        return self.make(
            FIX,
            header=self.header(stamp_ns, FRAMES.body),
            status=self.make(
                'sensor_msgs/msg/NavSatStatus',
                status=HAS_FIX if tag.has_position else NO_FIX,
                service=GPS,
            ),
            latitude=_or_nan(tag.latitude_deg),
            longitude=_or_nan(tag.longitude_deg),
            altitude=_or_nan(tag.altitude_m) + geoid_m,
            position_covariance=covariance if known else np.zeros(9),
            position_covariance_type=COVARIANCE_APPROXIMATED if known else COVARIANCE_UNKNOWN,
        )

    def imu(self, stamp_ns: int, tag: Geotag) -> object:
        """Make an Imu with the rotation from body (forward, left, up) to east-north-up.

        Rates and accelerations are marked missing (-1). With all three angles the covariance is
        zero, which means unknown; with a heading alone the body is taken to be level, and the
        covariance says how level; without a heading the orientation is marked missing.
        """
        covariance = np.zeros(9)
        rotation: Quaternion = (0.0, 0.0, 0.0, 1.0)
        if tag.yaw_deg is None:
            covariance[0] = -1.0
        else:
            rotation = enu_from_body(tag.yaw_deg, tag.pitch_deg or 0.0, tag.roll_deg or 0.0)
            if tag.pitch_deg is None or tag.roll_deg is None:
                level, track = LEVEL_SIGMA_RAD**2, TRACK_SIGMA_RAD**2
                covariance = np.diag([level, level, track]).reshape(9)
        missing = np.array([-1.0, *[0.0] * 8])
        zero = self.make('geometry_msgs/msg/Vector3', x=0.0, y=0.0, z=0.0)
        return self.make(
            IMU,
            header=self.header(stamp_ns, FRAMES.body),
            orientation=self.quaternion(rotation),
            orientation_covariance=covariance,
            angular_velocity=zero,
            angular_velocity_covariance=missing,
            linear_acceleration=zero,
            linear_acceleration_covariance=missing,
        )

    def gimbal(self, stamp_ns: int, tag: Geotag) -> object | None:
        """Make the rotation from the optical frame to ENU, None where the gimbal is unknown."""
        yaw = tag.yaw_deg if tag.gimbal_yaw_deg is None else tag.gimbal_yaw_deg
        if yaw is None or tag.gimbal_pitch_deg is None:
            return None
        rotation = enu_from_camera(yaw, tag.gimbal_pitch_deg, tag.gimbal_roll_deg or 0.0)
        return self.make(
            GIMBAL,
            header=self.header(stamp_ns, FRAMES.world),
            quaternion=self.quaternion(rotation),
        )

    def height(self, tag: Geotag) -> object | None:
        """Make the height above take-off, None where it is unknown."""
        if tag.rel_altitude_m is None:
            return None
        return self.make(HEIGHT, data=tag.rel_altitude_m)

    def quaternion(self, rotation: Quaternion) -> object:
        """Make a geometry_msgs Quaternion of (x, y, z, w)."""
        x, y, z, w = rotation
        return self.make('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def stamp_of(message: Any) -> int:
    """Return the header stamp of a decoded message, nanoseconds since 1970."""
    stamp = message.header.stamp
    return int(stamp.sec) * _S + int(stamp.nanosec)
