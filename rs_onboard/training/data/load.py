# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Load what a recipe trains on."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from rs_onboard.training.data.class_folders import load_class_folders, load_union
from rs_onboard.training.data.index_masks import load_index_masks
from rs_onboard.training.data.sample import DataSet, rescale
from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.training.data.sample import Sample
    from rs_onboard.training.recipe import Recipe


def load_for(recipe: Recipe, root: Path, splits: Sequence[str] | None = None) -> DataSet:
    """Load what a recipe trains on as the splits `train` and `val`, or the named splits.

    Raises:
        DataError: Something is wrong with the set; see the loaders.
    """
    folder = root / recipe.data.path
    wanted = splits or [s for s in (recipe.data.train, recipe.data.val) if s]
    if recipe.data.sets:
        data = load_union(root, recipe.data, wanted)
    elif recipe.task == 'scene':
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
    scaled = {'train': enlarged(train, recipe), 'val': enlarged(val, recipe)}
    return DataSet(folder, data.classes, scaled)


def enlarged(samples: Sequence[Sample], recipe: Recipe) -> tuple[Sample, ...]:
    """Resample the images that the recipe calls coarser; the first pattern that fits counts."""
    factors = [
        next((factor for pattern, factor in recipe.data.scales if fnmatch(s.name, pattern)), 1.0)
        for s in samples
    ]
    return tuple(rescale(s, factor) for s, factor in zip(samples, factors, strict=True))
