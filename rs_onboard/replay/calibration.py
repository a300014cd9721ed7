# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Intrinsics of the camera behind a folder of images: from its focal length or from a file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import yaml

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError
from rs_onboard.replay.errors import CalibrationError

if TYPE_CHECKING:
    from pathlib import Path

    from .geotag import Geotag

FILM_DIAGONAL_MM = math.hypot(36, 24)
# Wider pictures are the middle rows of a sensor of four by three: video formats of small cameras.
WIDEST_FULL_ASPECT = 1.55
SENSOR_ASPECT = 4 / 3
MAX_FILE_BYTES = 2**20
COEFFICIENTS = {'plumb_bob': 5, 'rational_polynomial': 8, 'equidistant': 4}


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


def camera_from_file(path: Path, width: int, height: int) -> CameraModel:
    """Read a camera_info file as ROS's camera_calibration writes it, scaled to the image size.

    Args:
        path: YAML file with image_width, image_height, camera_matrix, distortion_model and
            distortion_coefficients.
        width: Width of the images, pixels.
        height: Height of the images, pixels.

    Raises:
        CalibrationError: The file is malformed, or its aspect ratio is not that of the images.
    """
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        msg = f'{path}: {size} bytes; a camera_info file has at most {MAX_FILE_BYTES}.'
        raise CalibrationError(msg)
    try:
        document = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as exc:
        msg = f'{path}: not YAML ({exc}). Give a file that camera_calibration wrote.'
        raise CalibrationError(msg) from None
    if not isinstance(document, dict):
        msg = f'{path}: found {type(document).__name__}; expected a mapping with image_width.'
        raise CalibrationError(msg)
    old_width, old_height = (
        int(_numbers(path, document, x, 1)[0]) for x in ('image_width', 'image_height')
    )
    matrix = _numbers(path, document, 'camera_matrix', 9)
    model = document.get('distortion_model', 'plumb_bob')
    if model not in COEFFICIENTS:
        msg = f'{path}: distortion_model is {model!r}; allowed: {", ".join(COEFFICIENTS)}.'
        raise CalibrationError(msg)
    try:
        camera = CameraModel(
            width=old_width,
            height=old_height,
            fx=matrix[0],
            fy=matrix[4],
            cx=matrix[2],
            cy=matrix[5],
            distortion_model=model,
            distortion=_numbers(path, document, 'distortion_coefficients', COEFFICIENTS[model]),
        )
    except CameraError as exc:
        msg = f'{path}: {exc}'
        raise CalibrationError(msg) from None
    if abs(old_width * height - old_height * width) > max(width, height) * 2:
        msg = (
            f'{path}: is for {old_width}x{old_height} pixels, the images have {width}x{height}, '
            'another aspect ratio. Calibrate in the mode of the images.'
        )
        raise CalibrationError(msg)
    return camera.scaled_to(width, height)


def _numbers(path: Path, document: dict[str, object], key: str, count: int) -> tuple[float, ...]:
    """Return the numbers under a key, plain or as rows, cols and data."""
    value = document.get(key)
    if isinstance(value, dict):
        value = value.get('data')
    items = value if isinstance(value, list) else [value]
    numbers = [float(x) for x in items if isinstance(x, (int, float)) and not isinstance(x, bool)]
    if len(items) != count or len(numbers) != count:
        msg = f'{path}: {key} is {value!r}; allowed: {count} numbers. Correct the file.'
        raise CalibrationError(msg)
    return tuple(numbers)
