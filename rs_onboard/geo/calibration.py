# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Camera calibration files as ROS's camera_calibration writes them."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, TypeGuard

import yaml

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 2**20
MAX_SIDE = 2**16
COEFFICIENTS = {'plumb_bob': 5, 'rational_polynomial': 8, 'equidistant': 4}

# Anchors let a few bytes hold gigabytes; a message shows the outside of them.
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2


def camera_from_file(path: Path) -> CameraModel:
    """Read a camera_info file.

    Args:
        path: YAML file with image_width, image_height, camera_matrix, distortion_model and
            distortion_coefficients.

    Raises:
        CameraError: The file is missing or malformed, or its values are those of no camera.
    """
    if not path.is_file():
        raise CameraError(f'{path}: no such file; expected a camera_info file. Check the path.')
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise CameraError(f'{path}: {size} bytes; a camera_info file has at most {MAX_FILE_BYTES}.')
    try:
        document = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        # ValueError: dates that no calendar has, numbers without digits.
        reason = ' '.join(str(exc).split())
        raise CameraError(
            f'{path}: not YAML ({reason}). Give a file that camera_calibration wrote.'
        ) from None
    if not isinstance(document, dict):
        raise CameraError(
            f'{path}: found {type(document).__name__}; expected a mapping with image_width.'
        )
    width, height = (_size(path, document, key) for key in ('image_width', 'image_height'))
    matrix = _numbers(path, document, 'camera_matrix', 9)
    model = document.get('distortion_model', 'plumb_bob')
    if not isinstance(model, str) or model not in COEFFICIENTS:
        raise CameraError(
            f'{path}: distortion_model is {_SHORT.repr(model)}; allowed: {", ".join(COEFFICIENTS)}.'
        )
    try:
        return CameraModel(
            width=width,
            height=height,
            fx=matrix[0],
            fy=matrix[4],
            cx=matrix[2],
            cy=matrix[5],
            distortion_model=model,
            distortion=_numbers(path, document, 'distortion_coefficients', COEFFICIENTS[model]),
        )
    except CameraError as exc:
        raise CameraError(f'{path}: {exc}') from None


def _size(path: Path, document: dict[str, object], key: str) -> int:
    """Return the whole number of pixels under a key."""
    (size,) = _numbers(path, document, key, 1)
    if not 1 <= size <= MAX_SIDE or size != int(size):
        raise CameraError(
            f'{path}: {key} is {size:g}; allowed: a whole number of pixels from 1 to {MAX_SIDE}. '
            'Correct the file.'
        )
    return int(size)


def _numbers(path: Path, document: dict[str, object], key: str, count: int) -> tuple[float, ...]:
    """Return the numbers under a key, plain or as rows, cols and data."""
    value = document.get(key)
    if isinstance(value, dict):
        value = value.get('data')
    items = value if isinstance(value, list) else [value]
    numbers = [float(x) for x in items if _is_number(x)]
    if len(items) != count or len(numbers) != count:
        raise CameraError(
            f'{path}: {key} is {_SHORT.repr(value)}; allowed: {count} numbers. Correct the file.'
        )
    return tuple(numbers)


def _is_number(value: object) -> TypeGuard[float]:
    # Longer whole numbers than this do not fit a float.
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    )
