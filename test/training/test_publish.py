# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""From a training run to a model folder that flight accepts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

from small_sets import index_masks, recipe_file

from rs_onboard.inference.model import load_model
from rs_onboard.training.__main__ import main as train
from rs_onboard.training.data.index_masks import load_index_masks
from rs_onboard.training.evaluate import evaluate
from rs_onboard.training.publish import main as publish
from rs_onboard.training.recipe import find_recipe


def test_a_run_becomes_a_model_folder_whose_card_says_what_flight_code_measures(tmp_path, capsys):
    folder = index_masks(tmp_path)
    recipe = recipe_file(tmp_path, 'segmentation', epochs=3)
    card_text = find_recipe('segmentation_segghostnet_ued').with_suffix('.card.yaml')
    text = card_text.read_text(encoding='utf-8').replace('side: 512', 'side: 128')
    recipe.with_suffix('.card.yaml').write_text(text, encoding='utf-8')
    run, out = tmp_path / 'run', tmp_path / 'models' / 'tiny'
    where = ['--data', str(tmp_path)]
    assert publish([str(recipe), *where, '--run', str(run), '--out', str(out)]) == 2
    assert 'best.pt: no such file; train first' in capsys.readouterr().err
    assert train([str(recipe), *where, '--out', str(run)]) == 0
    assert publish([str(recipe), *where, '--run', str(run), '--out', str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ['card.yaml', 'fp32.onnx', 'int8.onnx']
    test = load_index_masks(folder, ['test'], ['unlabeled']).splits['test']
    for variant in ('fp32', 'int8'):
        model = load_model(out, task='segmentation', variant=variant)
        assert model.card.class_names == ('dark', 'bright')
        assert {row.threads for row in model.variant.latencies} == {1, 2}
        figures = evaluate(model, test).figures
        assert model.variant.quality['mean_iou'] == pytest.approx(figures['mean_iou'], abs=1e-4)
        low, high = (model.variant.quality[f'mean_iou_{end}'] for end in ('low', 'high'))
        assert low <= model.variant.quality['mean_iou'] <= high
    assert 'agrees with fp32 in' in model.variant.note
    shutil.copy(Path(run) / 'best.pt', tmp_path / 'best.pt')
    other = recipe_file(tmp_path, 'segmentation', network='segghostnet_ued_bes')
    other.with_suffix('.card.yaml').write_text(text, encoding='utf-8')
    assert publish([str(other), *where, '--run', str(tmp_path), '--out', str(out)]) == 2
    assert "weights of 'segghostnet_ued'" in capsys.readouterr().err
