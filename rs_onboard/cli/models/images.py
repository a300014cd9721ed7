# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Images of a folder to compare graphs on, or synthetic ones where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

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
        ValueError: The folder holds no image.
        ExportError: An image cannot be read or has other bands.
    """
    if folder is None:
        from rs_onboard.inference.sample import sample_tiles  # noqa: PLC0415  (needs OpenCV)

        return list(sample_tiles(5, *size, bands=bands)), 'synthetic ground'
    from rs_onboard.zoo.quantise.feeds import SUFFIXES, read_image  # noqa: PLC0415  (needs torch)

    paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not paths:
        found = 'none such' if folder.is_dir() else 'no such folder'
        raise ValueError(
            f'{folder}: found {found}; expected images ({", ".join(SUFFIXES)}). Choose the folder '
            'that holds them.'
        )
    images = [read_image(path, bands) for path in paths[:: -(-len(paths) // IMAGES)]]
    return images, f'{len(images)} of the {len(paths)} images in {folder}'
