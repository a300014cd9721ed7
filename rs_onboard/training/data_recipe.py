# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The section of a recipe that says which images are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_onboard.inference.fields import Fields


@dataclass(frozen=True)
class SetRecipe:
    """One of several sets that are trained on together.

    Attributes:
        path: Folder of the set, below the data folder of the command line.
        side: Side to which its images are resized on loading; 0 keeps their size (scene).
        skip_empty: Leave out images without an object, where that means that nobody has looked for
            any (detection).
    """

    path: str
    side: int = 0
    skip_empty: bool = False


@dataclass(frozen=True)
class DataRecipe:
    """Which images are trained on.

    Attributes:
        path: Folder of the set, below the data folder of the command line; empty where there are
            several.
        sets: Several sets of class folders under one list of classes.
        labels: Label map that names the classes of those sets, by name or path.
        unlabelled: Folders of sets of any layout whose images are learnt from without their labels
            (pretrain; scene where teachers answer for them).
        train: Name of the split that is trained on.
        also: Names of further splits that are trained on.
        val: Name of the split that selects the weights; empty to take `holdout` of the train split.
        test: Name of the split that is measured at the end and never looked at before.
        holdout: Patterns of the ids of the train split that select instead of being trained on.
        gsd_m: Ground sample distance of the images [m/px]; 0 where the set does not say.
        scales: Patterns of ids, and the factor by which those images are resampled on loading, so
            that all are learnt at the ground sample distance of the card.
        ignored_classes: Classes of the set whose pixels have no say (segmentation).
    """

    path: str
    sets: tuple[SetRecipe, ...]
    labels: str
    unlabelled: tuple[str, ...]
    train: str
    also: tuple[str, ...]
    val: str
    test: str
    holdout: tuple[str, ...]
    gsd_m: float
    scales: tuple[tuple[str, float], ...]
    ignored_classes: tuple[str, ...]


def _sets(data: Fields) -> tuple[SetRecipe, ...]:
    sets: list[SetRecipe] = []
    for index, item in enumerate(data.items('sets')):
        fields = data.nested(f'sets[{index}]', item)
        sets.append(
            SetRecipe(
                path=fields.take('path', str),
                side=fields.whole('side', 0, 8192, 0),
                skip_empty=fields.take('skip_empty', bool, default=False),
            )
        )
        fields.done()
    return tuple(sets)


def _scales(data: Fields) -> tuple[tuple[str, float], ...]:
    scales = data.numbers('scales', default={})
    if bad := {pattern: factor for pattern, factor in scales.items() if not 0.1 <= factor <= 10}:
        raise data.fail('scales', bad, 'factors from 0.1 to 10')
    return tuple(scales.items())


def read_data(fields: Fields, task: str, *, learns: bool) -> DataRecipe:
    """Read the section `data`; `learns` says whether images without labels have a use.

    Raises:
        RecipeError: A field is missing, unknown or wrong.
    """
    data = DataRecipe(
        path=fields.take('path', str, ''),
        sets=_sets(fields),
        labels=fields.take('labels', str, ''),
        unlabelled=fields.texts('unlabelled'),
        train=fields.take('train', str, 'train'),
        also=fields.texts('also'),
        val=fields.take('val', str, ''),
        test=fields.take('test', str, 'test'),
        holdout=fields.texts('holdout'),
        gsd_m=fields.number('gsd_m', 0, 1e3, 0.0),
        scales=_scales(fields),
        ignored_classes=fields.texts('ignored_classes'),
    )
    if bool(data.val) == bool(data.holdout):
        raise fields.fail('val', data.val, 'either a split name, or patterns in `holdout`')
    if bool(data.path) + bool(data.sets) != (task != 'pretrain'):
        allowed = (
            'none, but `unlabelled`' if task == 'pretrain' else 'one folder, or several `sets`'
        )
        raise fields.fail('path', data.path, allowed)
    if bool(data.unlabelled) < (task == 'pretrain') or bool(data.unlabelled) > learns:
        raise fields.fail(
            'unlabelled', data.unlabelled, 'folders to pretrain on or to distil on, else none'
        )
    if bool(data.sets and task != 'detection') != bool(data.labels):
        raise fields.fail(
            'labels', data.labels, 'a label map where there are `sets` of scenes, else none'
        )
    fields.done()
    return data
