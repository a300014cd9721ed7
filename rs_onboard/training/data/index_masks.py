# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Images with index masks.

`classes.json` (`classes`: names, position = pixel value), `splits/<split>.txt` (ids),
`images/<id>.<webp|png|jpg|tif>`, `labels/<id>.png`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.training.data.sample import (
    IGNORE,
    DataSet,
    Sample,
    find_image,
    overlaps,
    pixel_counts,
    read_mask,
    read_split,
)
from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.training.data.sample import Image


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
            Sample(name, pair[0], mask=table[pair[1]])
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
    image = find_image(folder / 'images', name)
    if isinstance(image, str):
        return image
    mask = read_mask(folder / 'labels' / f'{name}.png')
    if isinstance(mask, str):
        return f'labels/{name}.png: {mask}'
    if mask.shape != image.shape[:2]:
        return f'labels/{name}.png: {mask.shape} pixels, its image has {image.shape[:2]}'
    values = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    if bad := [int(v) for v in values if v >= len(listed) and v != IGNORE]:
        return f'labels/{name}.png: values {bad}; expected 0 to {len(listed) - 1} or {IGNORE}'
    return image, mask
