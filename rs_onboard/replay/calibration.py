# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Intrinsics of the camera behind a folder of images: from its focal length or from a file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rs_onboard.geo.calibration import camera_from_file
from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError
from rs_onboard.replay.errors import CalibrationError

if TYPE_CHECKING:
    from pathlib import Path

    from rs_onboard.replay.geotag import Geotag

FILM_DIAGONAL_MM = math.hypot(36, 24)
# Wider pictures are the middle rows of a sensor of four by three: video formats of small cameras.
WIDEST_FULL_ASPECT = 1.55
SENSOR_ASPECT = 4 / 3


def camera_from_tag(
    tag: Geotag, width: int, height: int, *, sensor_width_mm: float | None = None
) -> CameraModel:
    """Derive an ideal pinhole camera (square pixels, centred, no distortion) from a focal length.

    The best source wins: focal length with the given sensor width, the focal length in pixels that
    the camera was calibrated to or that its focal plane resolution gives, the 35 mm equivalent. The
    last is by the diagonal of the sensor (CIPA DCG-001) and written in whole millimetres, so it
    is good to some 3 %. For pictures wider than 3:2 the sensor is taken to be 4:3.

    Args:
        tag: Geotag of an image.
        width: Width of the image as it is now, pixels.
        height: Height, pixels.
        sensor_width_mm: Width of the part of the sensor that the image shows.

    Raises:
        CalibrationError: The tag knows no focal length that gives pixels.
    """
    if sensor_width_mm is not None and not 0.5 <= sensor_width_mm <= 200:
        msg = f'sensor width is {sensor_width_mm:g} mm; allowed: 0.5 to 200 mm.'
        raise CalibrationError(msg)
    if tag.focal_mm is not None and sensor_width_mm is not None:
        focal = tag.focal_mm / sensor_width_mm * width
    elif tag.focal_px is not None:
        focal = tag.focal_px * width / (tag.full_width_px or width)
    elif tag.focal35_mm is not None:
        wide = width > WIDEST_FULL_ASPECT * height
        diagonal = width * math.hypot(1, 1 / SENSOR_ASPECT) if wide else math.hypot(width, height)
        focal = tag.focal35_mm / FILM_DIAGONAL_MM * diagonal
    else:
        known = 'none' if tag.focal_mm is None else f'{tag.focal_mm:g} mm, sensor size unknown'
        msg = (
            f'focal length is {known}; needed: pixels. Give the width of the sensor '
            '(--sensor-width-mm), or a camera_info file (--camera-file).'
        )
        raise CalibrationError(msg)
    return CameraModel(
        width=width,
        height=height,
        fx=focal,
        fy=focal,
        cx=(width - 1) / 2,
        cy=(height - 1) / 2,
        distortion_model='plumb_bob',
        distortion=(0.0,) * 5,
    )


def camera_for_images(path: Path, width: int, height: int) -> CameraModel:
    """Read a camera_info file and scale it to the image size.

    Args:
        path: YAML file as camera_calibration writes it, see `rs_onboard.geo.calibration`.
        width: Width of the images, pixels.
        height: Height of the images, pixels.

    Raises:
        CalibrationError: The file is malformed, or its aspect ratio is not that of the images.
    """
    try:
        camera = camera_from_file(path)
    except CameraError as exc:
        raise CalibrationError(str(exc)) from None
    if abs(camera.width * height - camera.height * width) > max(width, height) * 2:
        msg = (
            f'{path}: is for {camera.width}x{camera.height} pixels, the images have '
            f'{width}x{height}, another aspect ratio. Calibrate in the mode of the images.'
        )
        raise CalibrationError(msg)
    return camera.scaled_to(width, height)
