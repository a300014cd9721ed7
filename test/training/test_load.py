# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a recipe trains on is loaded, and problems are counted."""

from __future__ import annotations

from small_sets import index_masks, recipe_file

from rs_onboard.training.data.load import load_for
from rs_onboard.training.errors import DataError
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
