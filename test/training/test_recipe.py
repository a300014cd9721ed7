# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_sets import recipe_file

from rs_onboard.training.errors import RecipeError
from rs_onboard.training.recipe import find_recipe, load_recipe

SHIPPED = Path(find_recipe('scene_decouplenet_d0')).parent


@pytest.mark.parametrize(
    'path',
    sorted(p for p in SHIPPED.glob('*.yaml') if p.name.count('.') == 1),
    ids=lambda path: path.stem,
)
def test_every_shipped_recipe_is_valid_and_found_by_name(path):
    recipe = load_recipe(find_recipe(path.stem))
    assert recipe.name == path.stem
    assert recipe.steps[-1].until == 1


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('task: scene', 'task: tracking', r'task: found .tracking.; expected one of scene'),
        ('rate: 0.003', 'rate: -1', r'optimiser\.rate: found -1\.0; expected a number'),
        ('until: 1,', 'until: 0.9,', r'steps: found 0\.9; expected a last step with until: 1'),
        ('until: 0.5', 'until: 1.5', r'steps\[0\]\.until: found 1\.5'),
        ('blur:', 'blurr:', r"augment\.blurr: unknown field; .* Did you mean 'blur'\?"),
        ('seed: 3', '', r'seed: missing; expected a whole number'),
        ('val: val', 'val: ""', r'data\.val: found ..; expected either a split name'),
        ('low: 0.5', 'low: 2.0', r'augment\.high: found 1\.0; expected a number from 2'),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(tmp_path, old, new, message):
    path = recipe_file(tmp_path, 'scene')
    text = path.read_text(encoding='utf-8')
    assert old in text
    path.write_text(text.replace(old, new), encoding='utf-8')
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_missing_recipe_is_named():
    with pytest.raises(RecipeError, match=r'nothing\.yaml: no such training recipe'):
        load_recipe(find_recipe('nothing'))
