# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes in class folders.

`classes.txt` (names in order), `splits/<split>.txt` (paths such as `images/<class>/<file>`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.training.data.label_map import find_label_map, load_label_map
from rs_onboard.training.data.sample import DataSet, Sample, overlaps, read_image, read_split
from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.training.data.sample import Image
    from rs_onboard.training.data_recipe import DataRecipe


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
                samples.append(Sample(line, image, classes.index(label)))
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


def load_union(root: Path, recipe: DataRecipe, splits: Sequence[str]) -> DataSet:
    """Load several sets of class folders under the classes of a label map.

    Raises:
        RecipeError: The label map is missing or wrong.
        DataError: Something is wrong with a set, or its classes are not those of the map.
    """
    labels = load_label_map(find_label_map(recipe.labels))
    loaded: dict[str, tuple[Sample, ...]] = dict.fromkeys(splits, ())
    for one in recipe.sets:
        data = load_class_folders(root / one.path, splits)
        origin = Path(one.path).name
        ids = labels.ids(origin, data.classes)
        for split in splits:
            loaded[split] += tuple(
                replace(
                    sample,
                    name=f'{origin}/{sample.name}',
                    image=to_square(sample.image, one.side),
                    label=ids[sample.label],
                    origin=origin,
                )
                for sample in data.splits[split]
            )
    return DataSet(root, labels.classes, loaded)


def to_square(image: Image, side: int) -> Image:
    """Resize an image to a square of `side`; 0 keeps its size."""
    if not side or image.shape[:2] == (side, side):
        return image
    method = cv2.INTER_AREA if min(image.shape[:2]) > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)
