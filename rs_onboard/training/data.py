# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets in memory, checked completely before anything is trained or measured.

Two layouts. *Class folders*: `classes.txt` (names in order), `splits/<split>.txt` (paths such as
`images/<class>/<file>`). *Index masks*: `classes.json` (`classes`: names, position = pixel value),
`splits/<split>.txt` (ids), `images/<id>.<webp|png|jpg|tif>`, `labels/<id>.png`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.training.recipe import Recipe

    Image = NDArray[np.uint8]

IGNORE = 255
IMAGE_SUFFIXES = ('.webp', '.png', '.jpg', '.jpeg', '.tif')


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes:
        name: Its line in the split file.
        image: (H, W, 3) uint8 RGB.
        label: Class id (scene).
        mask: (H, W) uint8 class ids, 255 ignored (segmentation); None for scenes.
    """

    name: str
    image: Image
    label: int
    mask: Image | None


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


def load_class_folders(folder: Path, splits: Sequence[str]) -> DataSet:
    """Load scenes; the folder name of an image is its class.

    Raises:
        DataError: Lists every missing or unreadable image, bad or empty class and split overlap.
    """
    path = folder / 'classes.txt'
    if not path.is_file():
        raise DataError(str(folder), [f'{path}: missing; expected the class names, one a line'])
    classes = tuple(path.read_text(encoding='utf-8').split())
    names = {split: read_split(folder, split) for split in splits}
    problems = overlaps(names)
    loaded: dict[str, tuple[Sample, ...]] = {}
    for split, lines in names.items():
        samples = []
        for line in lines:
            label = Path(line).parent.name
            if label not in classes:
                problems.append(f'{line}: class {label!r} is not in classes.txt')
            elif not (folder / line).is_file():
                problems.append(f'{line}: missing')
            elif (image := read_image(folder / line)) is None:
                problems.append(f'{line}: not a readable image')
            else:
                samples.append(Sample(line, image, classes.index(label), None))
        filled = {sample.label for sample in samples}
        problems += [
            f'class {name!r} has no image in split {split!r}'
            for index, name in enumerate(classes)
            if index not in filled
        ]
        loaded[split] = tuple(samples)
    if problems:
        raise DataError(str(folder), problems)
    return DataSet(folder, classes, loaded)


def load_index_masks(
    folder: Path, splits: Sequence[str], ignored_classes: Sequence[str] = ()
) -> DataSet:
    """Load images with index masks; the ids of the classes that are not ignored close up.

    Raises:
        DataError: Lists every missing, unreadable or unequal pair, bad label value, class without a
            pixel in the first split and split overlap.
    """
    path = folder / 'classes.json'
    if not path.is_file():
        raise DataError(str(folder), [f'{path}: missing; expected {{"classes": [names]}}'])
    listed = tuple(json.loads(path.read_text(encoding='utf-8'))['classes'])
    if unknown := set(ignored_classes) - set(listed):
        raise DataError(str(folder), [f'{path}: no classes {sorted(unknown)} to ignore'])
    classes = tuple(name for name in listed if name not in ignored_classes)
    table = np.full(256, IGNORE, np.uint8)
    for value, name in enumerate(listed):
        if name in classes:
            table[value] = classes.index(name)
    names = {split: read_split(folder, split) for split in splits}
    problems = overlaps(names)
    loaded: dict[str, tuple[Sample, ...]] = {}
    for split, lines in names.items():
        pairs = [_read_pair(folder, name, listed) for name in lines]
        problems += [pair for pair in pairs if isinstance(pair, str)]
        loaded[split] = tuple(
            Sample(name, pair[0], -1, table[pair[1]])
            for name, pair in zip(lines, pairs, strict=True)
            if not isinstance(pair, str)
        )
    counts = pixel_counts(loaded[splits[0]], len(classes))
    problems += [
        f'class {name!r} has no pixel in split {splits[0]!r}'
        for name, count in zip(classes, counts, strict=True)
        if not count
    ]
    if problems:
        raise DataError(str(folder), problems)
    return DataSet(folder, classes, loaded)


def _read_pair(folder: Path, name: str, listed: Sequence[str]) -> tuple[Image, Image] | str:
    """Read image and raw mask, or say what is wrong with them."""
    candidates = [folder / 'images' / f'{name}{suffix}' for suffix in IMAGE_SUFFIXES]
    source = next((path for path in candidates if path.is_file()), None)
    mask_path = folder / 'labels' / f'{name}.png'
    if source is None:
        return f'images/{name}: missing; expected one of {", ".join(IMAGE_SUFFIXES)}'
    if not mask_path.is_file():
        return f'labels/{name}.png: missing'
    image = read_image(source)
    if image is None:
        return f'images/{source.name}: not a readable image'
    mask = cv2.imdecode(np.frombuffer(mask_path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
        return f'labels/{name}.png: not a readable 8-bit mask of one channel'
    if mask.shape != image.shape[:2]:
        return f'labels/{name}.png: {mask.shape} pixels, its image has {image.shape[:2]}'
    values = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    if bad := [int(v) for v in values if v >= len(listed) and v != IGNORE]:
        return f'labels/{name}.png: values {bad}; expected 0 to {len(listed) - 1} or {IGNORE}'
    return image, np.asarray(mask, np.uint8)


def rescale(sample: Sample, factor: float) -> Sample:
    """Resample an image and its mask by a factor, as the tiler of the flight code does."""
    height, width = (max(1, round(side * factor)) for side in sample.image.shape[:2])
    if (height, width) == sample.image.shape[:2]:
        return sample
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(sample.image, (width, height), interpolation=method), np.uint8)
    mask = sample.mask
    if mask is not None:
        resized = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        mask = np.asarray(resized, np.uint8)
    return replace(sample, image=image, mask=mask)


def pixel_counts(samples: Sequence[Sample], classes: int) -> NDArray[np.int64]:
    """Count the labelled pixels of each class."""
    total = np.zeros(classes, np.int64)
    for sample in samples:
        if sample.mask is not None:
            total += np.bincount(sample.mask.ravel(), minlength=256)[:classes]
    return total


def load_for(recipe: Recipe, root: Path, splits: Sequence[str] | None = None) -> DataSet:
    """Load what a recipe trains on as the splits `train` and `val`, or the named splits.

    Raises:
        DataError: Something is wrong with the set; see the loaders.
    """
    folder = root / recipe.data.path
    wanted = splits or [s for s in (recipe.data.train, recipe.data.val) if s]
    if recipe.task == 'scene':
        data = load_class_folders(folder, wanted)
    else:
        data = load_index_masks(folder, wanted, recipe.data.ignored_classes)
    if splits:
        return data
    train = data.splits[recipe.data.train]
    if recipe.data.val:
        val = data.splits[recipe.data.val]
    else:
        held = [any(fnmatch(s.name, p) for p in recipe.data.holdout) for s in train]
        val = tuple(s for s, out in zip(train, held, strict=True) if out)
        train = tuple(s for s, out in zip(train, held, strict=True) if not out)
    if not train or not val:
        raise DataError(
            str(folder),
            [f'{len(train)} images to train on, {len(val)} to validate on; expected some of each'],
        )
    return DataSet(folder, data.classes, {'train': train, 'val': val})
