# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration tiles from a folder of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export import INPUT, tile_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.inference.card import ModelCard

SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp')
PAIR_FOLDERS = {'before': 'A', 'after': 'B'}
# Ranges hardly move beyond 32 tiles; the others only measure the agreement.
TILES = 64


def calibration_feeds(folder: Path, card: ModelCard) -> list[Mapping[str, NDArray[np.uint8]]]:
    """Cut tiles from images spread evenly over a folder and all below it.

    Tiles have the size of the card and the ground sample distance of the images; an image smaller
    than a tile is mirrored on.

    Args:
        folder: Images; for change detection the folders A (before) and B (after), in which images
            of one place have one name.
        card: The model.

    Returns:
        At most 64 feeds: (1, H, W, bands) uint8 by the name of the graph's input.

    Raises:
        ExportError: There is no image, a pair lacks one, or one cannot be read with the bands of
            the model.
    """
    places: Sequence[Mapping[str, Path]]
    if card.task == 'change':
        places = pairs_below(folder)
    else:
        places = [{INPUT: path} for path in images_below(folder)]
    chosen = places[:: -(-len(places) // TILES)]
    each = -(-TILES // len(chosen))
    feeds = [feed for place in chosen for feed in tiles_at(place, card, each)]
    return feeds[:: -(-len(feeds) // TILES)]


def images_below(folder: Path) -> list[Path]:
    """List the images in a folder and all below it.

    Raises:
        ExportError: There is none.
    """
    paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not paths:
        held = sum(path.is_file() for path in folder.rglob('*'))
        found = f'{held} files, none of them an image' if folder.is_dir() else 'no such folder'
        raise ExportError(
            f'calibration folder {folder}: found {found}; expected images '
            f'({", ".join(SUFFIXES)}) of the kind the model will see. Choose the folder that holds '
            'them.'
        )
    return paths


def pairs_below(folder: Path) -> list[Mapping[str, Path]]:
    """List the pairs of images of one path below A and B, whatever their suffix.

    Raises:
        ExportError: There is none, or an image has no partner.
    """
    missing = [name for name in PAIR_FOLDERS.values() if not (folder / name).is_dir()]
    if missing:
        raise ExportError(
            f'calibration folder {folder}: found no folder {" and no folder ".join(missing)}; '
            'change detection expects A (before) and B (after) with images of equal names. '
            'Choose the folder that holds both.'
        )
    sides = {
        key: {
            path.relative_to(folder / name).with_suffix(''): path
            for path in images_below(folder / name)
        }
        for key, name in PAIR_FOLDERS.items()
    }
    before, after = sides['before'], sides['after']
    if lonely := sorted(set(before) ^ set(after)):
        raise ExportError(
            f'calibration folder {folder}: {len(lonely)} images stand in A or B alone (first: '
            f'{lonely[0]}); expected pairs of equal names. Complete or remove them.'
        )
    return [{'before': path, 'after': after[name]} for name, path in before.items()]


def tiles_at(
    place: Mapping[str, Path], card: ModelCard, count: int
) -> Iterator[Mapping[str, NDArray[np.uint8]]]:
    """Cut at most `count` tiles at the same positions of all images of a place, evenly spread.

    Raises:
        ExportError: The images of a pair differ in size.
    """
    images = {name: read_image(path, len(card.input.bands)) for name, path in place.items()}
    sizes = {image.shape[:2] for image in images.values()}
    if len(sizes) > 1:
        raise ExportError(
            f'{place["before"]}: the two images differ in size '
            f'({" and ".join(f"{w}x{h}" for h, w in sorted(sizes))} pixels); expected equal ones. '
            'Register the pair first.'
        )
    (height, width) = sizes.pop()
    corners = [
        (top, left)
        for top in range(0, max(1, height - card.input.height + 1), card.input.height)
        for left in range(0, max(1, width - card.input.width + 1), card.input.width)
    ]
    for top, left in corners[:: -(-len(corners) // count)]:
        yield {
            name: tile_of(image[top:, left:], card.input.height, card.input.width)[None]
            for name, image in images.items()
        }


def read_image(path: Path, bands: int) -> NDArray[np.uint8]:
    """Read an image to (H, W, bands) uint8, red first.

    Raises:
        ExportError: It cannot be read or has other bands.
    """
    data = np.frombuffer(path.read_bytes(), np.uint8)
    flag = cv2.IMREAD_COLOR if bands == 3 else cv2.IMREAD_UNCHANGED
    image = cv2.imdecode(data, flag) if data.size else None
    if image is None:
        raise ExportError(
            f'{path}: not a readable image ({data.size} bytes); expected one of '
            f'{", ".join(SUFFIXES)}. Remove or mend it.'
        )
    image = np.atleast_3d(image)
    if image.dtype != np.uint8 or image.shape[2] != bands:
        raise ExportError(
            f'{path}: has {image.shape[2]} bands of {image.dtype}; the model takes {bands} of '
            'uint8. Convert it.'
        )
    # OpenCV gives blue, green, red and then the rest.
    order = [2, 1, 0, *range(3, bands)] if bands >= 3 else list(range(bands))
    return np.ascontiguousarray(image[:, :, order], np.uint8)
