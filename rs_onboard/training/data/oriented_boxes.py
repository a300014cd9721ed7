# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Images with oriented boxes in the form of DOTA.

`splits/<split>.txt` (ids), `images/<id>.<webp|png|jpg|tif>`, `labels_obb_dota/<id>.txt` with lines
`x1 y1 x2 y2 x3 y3 x4 y4 class difficult` in pixels; `classes.txt` gives the order of the classes,
which is that of the alphabet without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.perception.boxes import from_corners
from rs_onboard.training.average_precision import Objects
from rs_onboard.training.data.sample import (
    DataSet,
    Sample,
    find_image,
    overlaps,
    read_split,
)
from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.training.data.sample import Image
    from rs_onboard.training.data_recipe import DataRecipe

LABELS = 'labels_obb_dota'
# The older form has header lines, which name these.
HEADERS = ('imagesource:', 'gsd:')
# Corners may lie beyond the image where an object is cut; farther away they are no pixels of it.
FARTHEST = 1.0


class LabelLine(NamedTuple):
    """An object of a label file.

    Attributes:
        corners: x1, y1 to x4, y4 [px].
        label: Class name.
        difficult: Counts neither as found nor as missed.
    """

    corners: tuple[float, ...]
    label: str
    difficult: bool


def load_oriented_boxes(
    folder: Path, splits: Sequence[str], classes: Sequence[str] = (), *, complete: bool = True
) -> DataSet:
    """Load images with their objects.

    Args:
        folder: The set.
        splits: Splits to load.
        classes: Class names in id order where the set is one of several; empty for its own.
        complete: Refuse a first split in which a class has no object: nothing learns it then.

    Raises:
        DataError: Lists every missing or unreadable image or label file, bad line, unknown class,
            class without an object in the first split and split overlap.
    """
    names = {split: read_split(folder, split) for split in splits}
    problems = overlaps(names)
    lines: dict[str, list[LabelLine]] = {}
    for name in dict.fromkeys(name for split in names.values() for name in split):
        found = read_labels(folder / LABELS / f'{name}.txt')
        problems += [item for item in found if isinstance(item, str)]
        lines[name] = [item for item in found if isinstance(item, LabelLine)]
    own = own_classes(folder, lines)
    known = tuple(classes) or own
    counted = {line.label for name in names[splits[0]] for line in lines[name]}
    problems += [
        f'class {name!r} has no object in split {splits[0]!r}'
        for name in own
        if complete and name not in counted
    ]
    loaded: dict[str, tuple[Sample, ...]] = {}
    for split, ids in names.items():
        samples = []
        for name in ids:
            image = find_image(folder / 'images', name)
            if isinstance(image, str):
                problems.append(image)
                continue
            bad = _problems(name, lines[name], image, known)
            problems += bad
            if not bad:
                samples.append(Sample(name, image, objects=objects_of(lines[name], known)))
        loaded[split] = tuple(samples)
    if problems:
        raise DataError(str(folder), problems)
    return DataSet(folder, known, loaded)


def load_objects(root: Path, recipe: DataRecipe, splits: Sequence[str]) -> DataSet:
    """Load the set of a recipe, or several; classes of one name are one class.

    Raises:
        DataError: Something is wrong with a set.
    """
    complete = recipe.train in splits
    if not recipe.sets:
        return load_oriented_boxes(root / recipe.path, splits, complete=complete)
    folders = [root / one.path for one in recipe.sets]
    classes = tuple(dict.fromkeys(name for folder in folders for name in own_classes(folder)))
    loaded: dict[str, tuple[Sample, ...]] = dict.fromkeys(splits, ())
    for folder, one in zip(folders, recipe.sets, strict=True):
        data = load_oriented_boxes(folder, splits, classes, complete=complete)
        for split in splits:
            loaded[split] += tuple(
                replace(sample, name=f'{folder.name}/{sample.name}', origin=folder.name)
                for sample in data.splits[split]
                if not one.skip_empty or (sample.objects and len(sample.objects.boxes))
            )
    return DataSet(root, classes, loaded)


def own_classes(folder: Path, lines: dict[str, list[LabelLine]] | None = None) -> tuple[str, ...]:
    """Return the classes of a set: those of `classes.txt`, else those of its labels, sorted."""
    path = folder / 'classes.txt'
    if path.is_file():
        return tuple(path.read_text(encoding='utf-8').split())
    if lines is None:
        files = sorted((folder / LABELS).glob('*.txt'))
        found = [item for file in files for item in read_labels(file)]
    else:
        found = [item for each in lines.values() for item in each]
    return tuple(sorted({item.label for item in found if isinstance(item, LabelLine)}))


def read_labels(path: Path) -> list[LabelLine | str]:
    """Read a label file; a line that is wrong comes as the words that say so."""
    if not path.is_file():
        return [f'{LABELS}/{path.name}: missing; an image without objects has an empty file']
    found: list[LabelLine | str] = []
    for number, text in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        words = text.split()
        if not words or words[0].startswith(HEADERS):
            continue
        try:
            corners = tuple(float(word) for word in words[:8])
        except ValueError:
            corners = ()
        if len(corners) != 8 or not np.isfinite(corners).all() or len(words) not in {9, 10}:
            found.append(
                f'{LABELS}/{path.name}, line {number}: {text!r}; expected eight numbers, a class '
                'and 0 or 1'
            )
        else:
            found.append(LabelLine(corners, words[8], words[9:] not in ([], ['0'])))
    return found


def objects_of(lines: Sequence[LabelLine], classes: Sequence[str]) -> Objects:
    """Turn label lines into boxes with class ids."""
    corners = np.array([line.corners for line in lines], np.float64)
    return Objects(
        from_corners(corners),
        np.array([classes.index(line.label) for line in lines], np.int64),
        np.array([line.difficult for line in lines], np.bool_),
    )


def _problems(
    name: str, lines: Sequence[LabelLine], image: Image, classes: Sequence[str]
) -> list[str]:
    """Say what does not fit between an image and its objects."""
    limit = np.array(image.shape[1::-1], np.float64)
    found = []
    for line in lines:
        centre = np.array(line.corners).reshape(4, 2).mean(axis=0)
        if line.label not in classes:
            found.append(f'{LABELS}/{name}.txt: class {line.label!r}; expected {list(classes)}')
        elif (centre < -FARTHEST).any() or (centre > limit + FARTHEST).any():
            found.append(
                f'{LABELS}/{name}.txt: a {line.label} at {centre.round(1).tolist()}, outside the '
                f'image of {image.shape[1]}x{image.shape[0]} px'
            )
    return found
