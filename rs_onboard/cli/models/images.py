# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Images of a folder to compare graphs on, or synthetic ones where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp')
IMAGES = 10


def images_of(
    folder: Path | None, size: tuple[int, int], bands: int
) -> tuple[list[NDArray[np.uint8]], str]:
    """Read some images spread over a folder and all below it, or draw synthetic ones.

    Args:
        folder: The folder; None to draw.
        size: (height, width) of drawn ones [px].
        bands: Number of bands.

    Returns:
        (H, W, bands) uint8 images, and what they are, in words.

    Raises:
        ValueError: The folder holds no readable image of so many bands.
    """
    if folder is None:
        from rs_onboard.inference.sample import sample_tiles  # noqa: PLC0415  (used here alone)

        return list(sample_tiles(5, *size, bands=bands)), 'synthetic ground'
    paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not paths:
        found = 'none such' if folder.is_dir() else 'no such folder'
        raise ValueError(
            f'{folder}: found {found}; expected images ({", ".join(SUFFIXES)}). Choose the folder '
            'that holds them.'
        )
    chosen = paths[:: max(1, len(paths) // IMAGES)][:IMAGES]
    images = [image for path in chosen if (image := _read(path, bands)) is not None]
    if not images:
        raise ValueError(
            f'{folder}: none of {len(chosen)} images can be read with {bands} bands of 8 bits '
            f'(first: {chosen[0].name}). Convert them, or choose another folder.'
        )
    return images, f'{len(images)} of the {len(paths)} images in {folder}'


def _read(path: Path, bands: int) -> NDArray[np.uint8] | None:
    """Read an image; None where it cannot be read or has other bands."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    if not data.size:
        return None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR if bands == 3 else cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != bands:
        return None
    # OpenCV gives blue, green, red and then the rest.
    order = [2, 1, 0, *range(3, bands)] if bands >= 3 else list(range(bands))
    return np.ascontiguousarray(image[:, :, order], np.uint8)
