# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Images, camera and pose messages made into frames, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.pose_buffer import Fix
from rs_onboard.geo.ring import NS_PER_S
from rs_onboard.perception.encodings import (
    decode_compressed,
    decode_image,
    encode_mono8,
    encode_rgb8,
)
from rs_onboard.perception.errors import EncodingError
from rs_onboard.perception.frame import FrameHeader

if TYPE_CHECKING:
    from geometry_msgs.msg import Quaternion as QuaternionMsg
    from numpy.typing import NDArray
    from sensor_msgs.msg import NavSatFix

    from rs_onboard.geo.rotation import Quaternion


def stamp_to_ns(stamp: Time) -> int:
    """Return a message stamp in nanoseconds."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Time:
    """Return nanoseconds as a message stamp."""
    return Time(sec=stamp_ns // NS_PER_S, nanosec=stamp_ns % NS_PER_S)


def header_message(header: FrameHeader) -> Header:
    """Return the header every message of a frame carries."""
    return Header(stamp=ns_to_stamp(header.stamp_ns), frame_id=header.frame_id)


def unsized_header(header: Header, received_ns: int) -> FrameHeader:
    """Return the header of a frame of which only messages about it are known; its sizes are 0."""
    return FrameHeader(
        stamp_ns=stamp_to_ns(header.stamp),
        frame_id=header.frame_id,
        sequence=0,
        height=0,
        width=0,
        received_ns=received_ns,
    )


def image_from_message(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """Decode an image message to (H, W, 3) uint8 RGB.

    Raises:
        EncodingError: The message is not what its fields say.
    """
    # Told apart by their fields: a bag read without ROS has classes of its own.
    if not hasattr(message, 'encoding'):
        return decode_compressed(format=message.format, data=message.data)
    return decode_image(
        encoding=message.encoding,
        height=message.height,
        width=message.width,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
        data=message.data,
    )


def mask_from_message(message: Image) -> NDArray[np.uint8]:
    """Decode a mono8 mask, (H, W) uint8.

    Raises:
        EncodingError: The message is not what its fields say, or no mask.
    """
    if message.encoding != 'mono8':
        raise EncodingError(
            f'mask: found encoding {message.encoding!r}; expected mono8 (class ids).'
        )
    # All channels of a decoded mono8 image are equal.
    return image_from_message(message)[:, :, 0]


def header_from_message(
    message: Image | CompressedImage, image: NDArray[np.uint8], *, sequence: int, received_ns: int
) -> FrameHeader:
    """Return the header of the frame made of a message and its decoded image."""
    return FrameHeader(
        stamp_ns=stamp_to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        sequence=sequence,
        height=image.shape[0],
        width=image.shape[1],
        received_ns=received_ns,
    )


def rgb8_message(header: FrameHeader, image: NDArray[np.uint8]) -> Image:
    """Write (H, W, 3) uint8 RGB as rgb8; the size is the array's own."""
    return Image(
        header=header_message(header),
        height=image.shape[0],
        width=image.shape[1],
        encoding='rgb8',
        step=3 * image.shape[1],
        data=encode_rgb8(image),
    )


def mono8_message(header: FrameHeader, mask: NDArray[np.uint8]) -> Image:
    """Write (H, W) uint8 as mono8; the size is the array's own."""
    return Image(
        header=header_message(header),
        height=mask.shape[0],
        width=mask.shape[1],
        encoding='mono8',
        step=mask.shape[1],
        data=encode_mono8(mask),
    )


def camera_from_message(info: CameraInfo) -> CameraModel:
    """Return the camera of the image that a CameraInfo comes with.

    The matrix of a CameraInfo is that of the full sensor; the image may be a region of it (`roi`)
    and be binned (REP-104), which moves the principal point and shrinks the focal length.

    Raises:
        CameraError: The intrinsics are those of no camera (all zero: uncalibrated).
    """
    fx, cx, fy, cy = (float(info.k[index]) for index in (0, 2, 4, 5))
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    width = info.roi.width or info.width
    height = info.roi.height or info.height
    return CameraModel(
        width=width // bin_x,
        height=height // bin_y,
        fx=fx / bin_x,
        fy=fy / bin_y,
        cx=(cx - info.roi.x_offset + 0.5) / bin_x - 0.5,
        cy=(cy - info.roi.y_offset + 0.5) / bin_y - 0.5,
        distortion_model=info.distortion_model,
        distortion=tuple(float(value) for value in info.d),
    )


def camera_message(header: FrameHeader, camera: CameraModel) -> CameraInfo:
    """Write a camera as the CameraInfo of an unbinned, whole image."""
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return CameraInfo(
        header=header_message(header),
        width=camera.width,
        height=camera.height,
        distortion_model=camera.distortion_model,
        d=list(camera.distortion),
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
    )


def fix_from_message(message: NavSatFix) -> Fix | None:
    """Return the position of a NavSatFix, None while the receiver says it has none."""
    if message.status.status < 0:
        return None
    covariance: NDArray[np.float64] | None = None
    if message.position_covariance_type != message.COVARIANCE_TYPE_UNKNOWN:
        covariance = np.array(message.position_covariance, np.float64).reshape(3, 3)
        if message.position_covariance_type == message.COVARIANCE_TYPE_DIAGONAL_KNOWN:
            covariance = np.diag(np.diag(covariance))
    return Fix(message.latitude, message.longitude, message.altitude, covariance)


def quaternion_from_message(message: QuaternionMsg) -> Quaternion:
    """Return (x, y, z, w)."""
    return (message.x, message.y, message.z, message.w)
