# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled samples in memory, and what the readers of all layouts share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.perception.boxes import corners, from_corners
from rs_onboard.training.average_precision import Objects
from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

IGNORE = 255
IMAGE_SUFFIXES = ('.webp', '.png', '.jpg', '.jpeg', '.tif')


@dataclass(frozen=True)
class Sample:
    """One labelled image, or pair of images.

    Attributes:
        name: Its line in the split file; below the name of its set where there are several.
        image: (H, W, 3) uint8 RGB; of a pair the later one.
        label: Class id (scene).
        mask: (H, W) uint8 class ids, 255 ignored (segmentation, change); None for scenes.
        before: (H, W, 3) uint8 RGB, the earlier image of a pair (change).
        origin: Name of its set where there are several.
        objects: Oriented boxes (detection).
    """

    name: str
    image: Image
    label: int = -1
    mask: Image | None = None
    before: Image | None = None
    origin: str = ''
    objects: Objects | None = None


@dataclass(frozen=True)
class DataSet:
    """Labelled images of the splits that were asked for.

    Attributes:
        folder: Where they come from.
        classes: Class names in id order.
        splits: Samples by split name.
    """

    folder: Path
    classes: tuple[str, ...]
    splits: dict[str, tuple[Sample, ...]]


def read_image(path: Path) -> Image | None:
    """Read an image as (H, W, 3) uint8 RGB; None where it cannot be decoded."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if image is None else np.ascontiguousarray(image[:, :, ::-1], dtype=np.uint8)


def decode(data: bytes) -> NDArray[np.generic] | None:
    """Decode an image file as it is; None where it cannot be."""
    content = np.frombuffer(data, np.uint8)
    try:
        return cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    except cv2.error:
        # Of sizes beyond what OpenCV takes.
        return None


def read_mask(path: Path) -> Image | str:
    """Read a mask of 8 bits as (H, W) uint8, or say what is wrong with it."""
    if not path.is_file():
        return 'missing'
    mask = decode(path.read_bytes())
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
        return 'not a readable 8-bit mask of one channel'
    return np.asarray(mask, np.uint8)


def find_image(folder: Path, name: str) -> Image | str:
    """Read the image of an id, whatever its suffix, or say what is wrong with it."""
    candidates = [folder / f'{name}{suffix}' for suffix in IMAGE_SUFFIXES]
    source = next((path for path in candidates if path.is_file()), None)
    if source is None:
        return f'{folder.name}/{name}: missing; expected one of {", ".join(IMAGE_SUFFIXES)}'
    image = read_image(source)
    return f'{folder.name}/{source.name}: not a readable image' if image is None else image


def read_split(folder: Path, split: str) -> list[str]:
    """Read the lines of a split file.

    Raises:
        DataError: There is no such split or it is empty.
    """
    path = folder / 'splits' / f'{split}.txt'
    if not path.is_file():
        known = sorted(p.stem for p in (folder / 'splits').glob('*.txt'))
        raise DataError(str(folder), [f'{path}: no such split; expected one of {known}'])
    lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    if not (lines := [line for line in lines if line]):
        raise DataError(str(folder), [f'{path}: empty; expected one image a line'])
    return lines


def overlaps(splits: dict[str, list[str]]) -> list[str]:
    """List the images that appear twice, within a split or in two."""
    seen: dict[str, str] = {}
    problems = []
    for split, names in splits.items():
        for name in names:
            if name in seen:
                problems.append(f'{name}: in split {seen[name]!r} and again in {split!r}')
            seen[name] = split
    return problems


def rescale(sample: Sample, factor: float) -> Sample:
    """Resample images, mask and objects by a factor, as the tiler of the flight code does."""
    height, width = (max(1, round(side * factor)) for side in sample.image.shape[:2])
    if (height, width) == sample.image.shape[:2]:
        return sample
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR

    def resized(array: Image | None, how: int) -> Image | None:
        if array is None:
            return None
        return np.asarray(cv2.resize(array, (width, height), interpolation=how), np.uint8)

    image = resized(sample.image, method)
    assert image is not None
    return replace(
        sample,
        image=image,
        before=resized(sample.before, method),
        mask=resized(sample.mask, cv2.INTER_NEAREST),
        objects=None if sample.objects is None else _moved(sample.objects, sample.image, image),
    )


def _moved(objects: Objects, old: Image, new: Image) -> Objects:
    """Bring objects from an image to what it was resampled to; pixel centres are whole numbers."""
    step = np.array(new.shape[1::-1]) / old.shape[1::-1]
    boxes = from_corners((corners(objects.boxes) + 0.5) * step - 0.5)
    return Objects(boxes, objects.classes, objects.difficult)


def pixel_counts(samples: Sequence[Sample], classes: int) -> NDArray[np.int64]:
    """Count the labelled pixels of each class."""
    total = np.zeros(classes, np.int64)
    for sample in samples:
        if sample.mask is not None:
            total += np.bincount(sample.mask.ravel(), minlength=256)[:classes]
    return total
