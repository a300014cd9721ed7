# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Names of topics and frames in bags made from images: those of camera drivers and MAVROS."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_TYPES = ('sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/Image')
COMPRESSED_IMAGE = IMAGE_TYPES[0]
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
FIX = 'sensor_msgs/msg/NavSatFix'
IMU = 'sensor_msgs/msg/Imu'
GIMBAL = 'geometry_msgs/msg/QuaternionStamped'
GIMBAL_ANGLES = 'geometry_msgs/msg/Vector3Stamped'
HEIGHT = 'std_msgs/msg/Float64'
TF_MESSAGE = 'tf2_msgs/msg/TFMessage'
TF_STATIC = '/tf_static'


@dataclass(frozen=True)
class TopicNames:
    """Topics of a flight.

    Attributes:
        image: Compressed images, the transport topic itself (`.../compressed`).
        camera_info: Intrinsics, same stamps and frame as the images.
        fix: Position.
        imu: Attitude: rotation from `base_link` (x forward, y left, z up) to ENU.
        gimbal: Camera attitude: rotation from the camera's optical frame (x right, y down, z along
            the view) to ENU, as a QuaternionStamped whose header names the reference frame, `map`.
            A standard message, because MAVROS's GimbalDeviceAttitudeStatus needs MAVROS installed.
        rel_alt: Height above the take-off point, metres.
    """

    image: str = '/image_raw/compressed'
    camera_info: str = '/camera_info'
    fix: str = '/mavros/global_position/raw/fix'
    imu: str = '/mavros/imu/data'
    gimbal: str = '/gimbal/attitude'
    rel_alt: str = '/mavros/global_position/rel_alt'


TOPICS = TopicNames()


@dataclass(frozen=True)
class FrameNames:
    """Frame ids of a flight, by REP-103 and REP-105.

    Attributes:
        camera: Optical frame of the camera.
        body: Body of the vehicle.
        world: East-north-up axes of the world.
    """

    camera: str = 'camera_optical'
    body: str = 'base_link'
    world: str = 'map'


FRAMES = FrameNames()
