# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Images of any set without their labels, cut into tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.training.data.sample import (
    IMAGE_SUFFIXES,
    DataSet,
    Sample,
    read_image,
    read_split,
)
from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.training.data.sample import Image
    from rs_onboard.training.data_recipe import DataRecipe

TILE = 256
LABEL_FOLDERS = ('label', 'labels', 'masks')
# What a network learns to tell apart where there are no classes: coordinates of its answer.
FEATURES = tuple(f'feature_{index}' for index in range(128))


def tiles_of(image: Image) -> list[Image]:
    """Cut (H, W, 3) into whole tiles of 256 x 256; a smaller image stays as it is."""
    height, width = image.shape[:2]
    if min(height, width) < 2 * TILE:
        return [image]
    return [
        image[top : top + TILE, left : left + TILE].copy()
        for top in range(0, height - TILE + 1, TILE)
        for left in range(0, width - TILE + 1, TILE)
    ]


def load_images(folder: Path, split: str) -> tuple[Sample, ...]:
    """Load the images of a split, whatever layout they are in; their labels are not looked at.

    A line of the split file is a path below the folder, or the name of one or more files without
    folder and suffix.

    Raises:
        DataError: Lists every line without an image and every unreadable image.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob('*')):
        inner = path.relative_to(folder)
        if path.suffix in IMAGE_SUFFIXES and not set(LABEL_FOLDERS) & set(inner.parts):
            files.setdefault(inner.as_posix(), []).append(path)
            files.setdefault(path.stem, []).append(path)
    problems = []
    samples = []
    for line in read_split(folder, split):
        if line not in files:
            problems.append(f'{line}: no image of that path or name')
        for path in files.get(line, []):
            name = f'{folder.name}/{path.relative_to(folder).as_posix()}'
            if (image := read_image(path)) is None:
                problems.append(f'{name}: not a readable image')
                continue
            samples += [
                Sample(f'{name}#{index}', tile, origin=folder.name)
                for index, tile in enumerate(tiles_of(image))
            ]
    if problems:
        raise DataError(str(folder), problems)
    return tuple(samples)


def load_unlabelled(root: Path, recipe: DataRecipe, splits: Sequence[str]) -> DataSet:
    """Load the splits of all sets of a recipe without labels; a set may lack all but the first.

    Raises:
        DataError: Something is wrong with a set; see `load_images`.
    """
    loaded: dict[str, tuple[Sample, ...]] = dict.fromkeys(splits, ())
    for one in recipe.unlabelled:
        folder = root / one
        for index, split in enumerate(splits):
            if index == 0 or (folder / 'splits' / f'{split}.txt').is_file():
                loaded[split] += load_images(folder, split)
    return DataSet(root, FEATURES, loaded)
