# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a recipe trains on is loaded, and problems are counted."""

from __future__ import annotations

import pytest
from small_sets import index_masks, recipe_file

from rs_onboard.training.data.load import load_for
from rs_onboard.training.errors import DataError, RecipeError
from rs_onboard.training.recipe import load_recipe


def test_many_problems_are_counted_but_not_all_shown():
    error = DataError('set', [f'image{i}: missing' for i in range(100)])
    assert '100 problems' in str(error)
    assert 'and 80 more' in str(error)
    assert len(error.problems) == 100


def test_held_out_images_are_not_trained_on(tmp_path):
    index_masks(tmp_path)
    data = load_for(load_recipe(recipe_file(tmp_path, 'segmentation')), tmp_path)
    assert [sample.name for sample in data.splits['val']] == ['train_part0']
    assert [sample.name for sample in data.splits['train']] == [f'train_part{i}' for i in (1, 2, 3)]


def test_images_of_coarser_places_are_enlarged_for_training_but_never_for_the_test(tmp_path):
    index_masks(tmp_path)
    path = recipe_file(tmp_path, 'segmentation')
    scales = "scales: {'train_part[12]': 1.5, 'train_*': 0.5}"
    path.write_text(path.read_text().replace('{path: masks,', f'{{path: masks, {scales},'))
    recipe = load_recipe(path)
    data = load_for(recipe, tmp_path)
    sides = {s.name: s.image.shape[:2] for s in (*data.splits['train'], *data.splits['val'])}
    large, small = (144, 192), (48, 64)
    assert sides == {
        'train_part0': small,
        'train_part1': large,
        'train_part2': large,
        'train_part3': small,
    }
    for sample in data.splits['train']:
        assert sample.mask.shape == sample.image.shape[:2]
    test = load_for(recipe, tmp_path, ['test']).splits['test']
    assert {sample.image.shape[:2] for sample in test} == {(96, 128)}


def test_a_scale_beyond_reason_is_refused_by_its_pattern(tmp_path):
    path = recipe_file(tmp_path, 'segmentation')
    path.write_text(path.read_text().replace('{path: masks,', '{path: masks, scales: {"a*": 0},'))
    with pytest.raises(RecipeError, match=r'scales.*a\*.*factors from 0.1 to 10'):
        load_recipe(path)
