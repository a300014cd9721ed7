# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Load what a recipe trains on."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from rs_onboard.training.data.class_folders import load_class_folders, load_union
from rs_onboard.training.data.images import load_unlabelled
from rs_onboard.training.data.index_masks import load_index_masks
from rs_onboard.training.data.oriented_boxes import load_objects
from rs_onboard.training.data.pairs import load_pairs
from rs_onboard.training.data.sample import DataSet, rescale
from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.training.data.sample import Sample
    from rs_onboard.training.recipe import Recipe


def read_sets(recipe: Recipe, root: Path, splits: Sequence[str]) -> DataSet:
    """Load splits in the layout that the task of a recipe calls for."""
    folder = root / recipe.data.path
    if recipe.task == 'pretrain':
        return load_unlabelled(root, recipe.data, splits)
    if recipe.task == 'detection':
        return load_objects(root, recipe.data, splits)
    if recipe.task == 'change':
        return load_pairs(folder, splits)
    if recipe.task == 'segmentation':
        return load_index_masks(folder, splits, recipe.data.ignored_classes)
    if recipe.data.sets:
        return load_union(root, recipe.data, splits)
    return load_class_folders(folder, splits)


def load_for(recipe: Recipe, root: Path, splits: Sequence[str] | None = None) -> DataSet:
    """Load what a recipe trains on as the splits `train` and `val`, or the named splits.

    Raises:
        DataError: Something is wrong with the set; see the loaders.
    """
    training = (recipe.data.train, *recipe.data.also, recipe.data.val)
    data = read_sets(recipe, root, splits or [s for s in training if s])
    if splits:
        return data
    train = data.splits[recipe.data.train]
    for split in recipe.data.also:
        train += data.splits[split]
    if recipe.data.val:
        val = data.splits[recipe.data.val]
    else:
        held = [any(fnmatch(s.name, p) for p in recipe.data.holdout) for s in train]
        val = tuple(s for s, out in zip(train, held, strict=True) if out)
        train = tuple(s for s, out in zip(train, held, strict=True) if not out)
    if not train or not val:
        raise DataError(
            str(data.folder),
            [f'{len(train)} images to train on, {len(val)} to validate on; expected some of each'],
        )
    if recipe.data.unlabelled and recipe.task != 'pretrain':
        train += load_unlabelled(root, recipe.data, [recipe.data.train]).splits[recipe.data.train]
    scaled = {'train': enlarged(train, recipe), 'val': enlarged(val, recipe)}
    return DataSet(data.folder, data.classes, scaled)


def enlarged(samples: Sequence[Sample], recipe: Recipe) -> tuple[Sample, ...]:
    """Resample the images whose ids fit a pattern of the recipe; the first that fits counts."""
    factors = [
        next((factor for pattern, factor in recipe.data.scales if fnmatch(s.name, pattern)), 1.0)
        for s in samples
    ]
    return tuple(rescale(s, factor) for s, factor in zip(samples, factors, strict=True))
