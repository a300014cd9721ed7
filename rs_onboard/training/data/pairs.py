# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of dates with a mask of what changed between them.

`A/<id>.<webp|png|jpg|tif>` (before), `B/<id>.*` (after), `label/<id>.png` (0 unchanged, 255
changed), and either `splits/<split>.txt` (ids), or a folder a split that holds A, B and label.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.training.data.sample import (
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

CLASSES = ('unchanged', 'changed')
CHANGED = 255
DATES = ('A', 'B')


def load_pairs(folder: Path, splits: Sequence[str]) -> DataSet:
    """Load pairs; masks become 0 (unchanged) and 1 (changed).

    Raises:
        DataError: Lists every missing or unreadable file, images and masks of unequal size, label
            values besides 0 and 255, pairs that stand in two splits by name or by content, and a
            first split in which nothing changes.
    """
    names = {split: list_split(folder, split) for split in splits}
    problems = overlaps(names)
    seen: dict[bytes, tuple[str, str]] = {}
    loaded: dict[str, tuple[Sample, ...]] = {}
    for split, ids in names.items():
        samples = []
        for name in ids:
            found = _read(folder, name)
            if isinstance(found, list):
                problems += found
                continue
            digest = hashlib.sha256(found.image.data)
            digest.update(b'' if found.before is None else found.before.data)
            other, known = seen.setdefault(digest.digest(), (split, name))
            if other != split:
                problems.append(f'{name}: in split {split!r}, same images as {known} in {other!r}')
            samples.append(found)
        loaded[split] = tuple(samples)
    if not pixel_counts(loaded[splits[0]], len(CLASSES))[1]:
        problems.append(f'split {splits[0]!r}: no changed pixel')
    if problems:
        raise DataError(str(folder), problems)
    return DataSet(folder, CLASSES, loaded)


def list_split(folder: Path, split: str) -> list[str]:
    """List the ids of a split, with the split's folder in front where it has one of its own.

    Raises:
        DataError: There is no such split or it is empty.
    """
    if (folder / 'splits').is_dir() or not (folder / split).is_dir():
        return read_split(folder, split)
    ids = sorted({p.stem for date in DATES for p in (folder / split / date).glob('*.*')})
    if not ids:
        raise DataError(str(folder), [f'{folder / split}: no images; expected some in A and B'])
    return [f'{split}/{name}' for name in ids]


def _read(folder: Path, name: str) -> Sample | list[str]:
    """Read a pair, or say all that is wrong with it."""
    split, _, stem = name.rpartition('/')
    place = folder / split
    problems: list[str] = []
    dates: list[Image] = []
    for date in DATES:
        image = find_image(place / date, stem)
        if isinstance(image, str):
            problems.append(f'{place.name}/{image}')
        else:
            dates.append(image)
    mask = _read_mask(place / 'label' / f'{stem}.png')
    if isinstance(mask, str):
        problems.append(mask)
    if problems or isinstance(mask, str):
        return problems
    before, after = dates
    if before.shape != after.shape:
        return [f'{name}: A has {before.shape[:2]} pixels, B {after.shape[:2]}; expected the same']
    if mask.shape != after.shape[:2]:
        return [f'label/{stem}.png: {mask.shape} pixels, its images have {after.shape[:2]}']
    return Sample(name, after, mask=mask, before=before)


def _read_mask(path: Path) -> Image | str:
    """Read a mask as 0 and 1, or say what is wrong with it."""
    name, mask = f'{path.parent.name}/{path.name}', read_mask(path)
    if isinstance(mask, str):
        return f'{name}: {mask}'
    values = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    if bad := [int(v) for v in values if v not in (0, CHANGED)]:
        return f'{name}: values {bad}; expected 0 (unchanged) and {CHANGED} (changed)'
    return np.asarray(mask == CHANGED, np.uint8)
