# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Several sets under one list of classes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from small_sets import class_folders, recipe_file

from rs_onboard.training.data.label_map import find_label_map, load_label_map
from rs_onboard.training.data.load import load_for
from rs_onboard.training.errors import DataError, RecipeError
from rs_onboard.training.recipe import load_recipe

MAP = """
water: {lakes: blue}
red: {scenes: red, lakes: Rot}
green: {scenes: green}
"""


def two_sets(root, labels=MAP):
    """Scenes of red and green, and lakes of the classes blue and Rot, with a recipe for both."""
    class_folders(root)
    (root / 'scenes').rename(root / 'first')
    class_folders(root)
    (root / 'scenes').rename(root / 'lakes')
    (root / 'first').rename(root / 'scenes')
    for old, new in (('red', 'Rot'), ('green', 'blue')):
        (root / 'lakes' / 'images' / old).rename(root / 'lakes' / 'images' / new)
        for split in ('train', 'val', 'test'):
            path = root / 'lakes' / 'splits' / f'{split}.txt'
            text = path.read_text(encoding='utf-8')
            path.write_text(text.replace(f'/{old}/', f'/{new}/'), encoding='utf-8')
    (root / 'lakes' / 'classes.txt').write_text('Rot blue', encoding='utf-8')
    (root / 'both.yaml').write_text(labels, encoding='utf-8')
    recipe = recipe_file(root, 'scene', epochs=1)
    text = recipe.read_text(encoding='utf-8')
    sets = 'sets: [{path: scenes}, {path: lakes, side: 64}]'
    recipe.write_text(
        text.replace('path: scenes', f'{sets}, labels: {root / "both.yaml"}'), encoding='utf-8'
    )
    return recipe


def test_the_shipped_map_holds_every_class_of_both_sets_once():
    labels = load_label_map(find_label_map('scene_union'))
    assert list(labels.classes) == sorted(labels.classes)
    assert {origin: len(names) for origin, names in labels.names.items()} == {
        'uc_merced': 21,
        'aid150': 30,
    }
    assert labels.names['aid150']['Port'] == labels.names['uc_merced']['harbor'] == 'harbor'
    assert labels.names['aid150']['Viaduct'] != labels.names['uc_merced']['overpass']


def test_sets_share_the_ids_of_the_union_and_say_where_a_sample_is_from(tmp_path):
    recipe = load_recipe(two_sets(tmp_path))
    data = load_for(recipe, tmp_path)
    assert data.classes == ('water', 'red', 'green')
    train = data.splits['train']
    assert [(s.origin, s.label) for s in train[::4]] == [
        ('scenes', 1),
        ('scenes', 2),
        ('lakes', 1),
        ('lakes', 0),
    ]
    assert len({sample.name for sample in train}) == len(train) == 16
    assert train[0].name == 'scenes/images/red/train0.png'
    assert train[0].image.shape == (96, 112, 3)
    assert train[-1].image.shape == (64, 64, 3)
    stored = cv2.imread(str(tmp_path / train[-1].name))[:, :, ::-1]
    assert np.abs(stored.mean((0, 1)) - train[-1].image.mean((0, 1))).max() < 2


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('water: {lakes: blue}', 'water: {lakes: azure}', "'azure' is on one side only"),
        ('lakes: blue', 'rivers: blue', "set 'lakes': class 'blue' is on one side only"),
    ],
)
def test_classes_that_set_and_map_do_not_share_are_named(tmp_path, old, new, message):
    recipe = load_recipe(two_sets(tmp_path, MAP.replace(old, new)))
    with pytest.raises(DataError, match=message):
        load_for(recipe, tmp_path)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('water: blue', r"water: found 'blue'; expected \{set: name in the set\}"),
        ('a: {lakes: blue}\nb: {lakes: blue}', "'blue' of lakes belongs to 'a' and 'b'"),
    ],
)
def test_a_wrong_map_is_refused(tmp_path, text, message):
    path = tmp_path / 'map.yaml'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(RecipeError, match=message):
        load_label_map(path)
    with pytest.raises(RecipeError, match='no such label map'):
        load_label_map(find_label_map('nowhere'))


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('labels: ', 'train: train, test: ', r'labels: found .*; expected a label map where'),
        ('sets: ', 'path: scenes, sets: ', r'path: found .*; expected one folder, or several'),
    ],
)
def test_a_recipe_names_one_set_or_several_with_a_map(tmp_path, old, new, message):
    path = two_sets(tmp_path)
    text = path.read_text(encoding='utf-8')
    path.write_text(text.replace(old, new), encoding='utf-8')
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_scene_run_on_two_sets_logs_the_accuracy_of_each(tmp_path):
    pytest.importorskip('torch')
    from rs_onboard.training.trainer import Trainer

    recipe = load_recipe(two_sets(tmp_path))
    trainer = Trainer(recipe, load_for(recipe, tmp_path), tmp_path / 'run', report=lambda _: None)
    state = trainer.run()
    log = (tmp_path / 'run' / 'log.csv').read_text(encoding='utf-8').splitlines()
    assert log[0].endswith('accuracy_scenes,accuracy_lakes')
    values = [float(value) for value in log[-1].split(',')[-2:]]
    assert state.best == pytest.approx(sum(values) / 2, abs=1e-3)
