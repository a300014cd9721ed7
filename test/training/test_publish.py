# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""From a training run to a model folder that flight accepts."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

from small_sets import class_folders, index_masks, recipe_file

from rs_onboard.cli.main import main
from rs_onboard.inference.model import load_model
from rs_onboard.training.data.index_masks import load_index_masks
from rs_onboard.training.evaluation.measure import evaluate
from rs_onboard.zoo.quantise import Quantised

CARD = """
summary: Tells dark from bright.
input: {side: 128, minimum: 128}
gsd: {trained_m: 1.0, low_m: 0.5, high_m: 2.0}
weights:
  origin: trained in a test
  licence: Apache-2.0
  data:
    - {name: drawn, licence: CC0-1.0, origin: this test}
evaluation: Two images.
limits: [Knows nothing else.]
baseline: {name: plain, training: the same, quality: {accuracy: 0.5}}
"""


@pytest.fixture(autouse=True)
def unquantised(monkeypatch):
    """Quantisation has tests of its own and takes longer than all the rest."""

    def pretend(model, feeds, *, target):
        assert {len(tile) for feed in feeds for tile in feed.values()} == {1}
        return Quantised(model, 1.0, (), 'minmax', 1.0, (), 'pretends to be int8')

    monkeypatch.setattr('rs_onboard.training.publish.quantise', pretend)


def with_card(recipe):
    recipe.with_suffix('.card.yaml').write_text(CARD, encoding='utf-8')
    return str(recipe)


def test_a_run_becomes_a_model_folder_whose_card_says_what_flight_code_measures(tmp_path, capsys):
    folder = index_masks(tmp_path)
    recipe = with_card(recipe_file(tmp_path, 'segmentation', epochs=3))
    run, out = tmp_path / 'run', tmp_path / 'models' / 'tiny'
    where = ['--data', str(tmp_path)]
    assert main(['publish', recipe, *where, '--run', str(run), '--out', str(out)]) == 2
    assert 'best.pt: no such file' in capsys.readouterr().err
    assert main(['train', recipe, *where, '--out', str(run)]) == 0
    assert main(['publish', recipe, *where, '--run', str(run), '--out', str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ['card.yaml', 'fp32.onnx', 'int8.onnx']
    test = load_index_masks(folder, ['test'], ['unlabeled']).splits['test']
    for variant in ('fp32', 'int8'):
        model = load_model(out, task='segmentation', variant=variant)
        assert model.card.class_names == ('dark', 'bright')
        assert model.card.baseline.quality == {'accuracy': 0.5}
        assert {row.threads for row in model.variant.latencies} == {1, 2}
        figures = evaluate(model, test).figures
        assert model.variant.quality['mean_iou'] == pytest.approx(figures['mean_iou'], abs=1e-4)
        low, high = (model.variant.quality[f'mean_iou_{end}'] for end in ('low', 'high'))
        assert low <= model.variant.quality['mean_iou'] <= high
    assert 'pretends to be int8' in model.variant.note
    shutil.copy(Path(run) / 'best.pt', tmp_path / 'best.pt')
    other = with_card(recipe_file(tmp_path, 'segmentation', network='segghostnet_ued_bes'))
    assert main(['publish', other, *where, '--run', str(tmp_path), '--out', str(out)]) == 2
    assert 'weights of segghostnet_ued' in capsys.readouterr().err


def test_a_union_of_sets_is_measured_set_by_set_and_only_permitted_images_are_shown(
    tmp_path, capsys
):
    for name in ('here', 'there'):
        class_folders(tmp_path / name)
        (tmp_path / name / 'scenes').rename(tmp_path / f'set_{name}')
    (tmp_path / 'both.labels.yaml').write_text(
        'red: {set_here: red, set_there: red}\nlawn: {set_here: green, set_there: green}\n',
        encoding='utf-8',
    )
    path = recipe_file(tmp_path, 'scene', epochs=1)
    sets = '{sets: [{path: set_here}, {path: set_there, side: 112}], val: val, labels: '
    text = path.read_text(encoding='utf-8')
    labels = tmp_path / 'both.labels.yaml'
    text = text.replace('data: {path: scenes, val: val}', f'data: {sets}{labels}}}')
    path.write_text(text, encoding='utf-8')
    recipe, run, out = with_card(path), tmp_path / 'run', tmp_path / 'models' / 'tiny'
    where = ['--data', str(tmp_path)]
    assert main(['train', recipe, *where, '--out', str(run)]) == 0
    options = [recipe, *where, '--run', str(run), '--out', str(out), '--pictures']
    assert main(['publish', *options, 'set_here']) == 0
    model = load_model(out, task='scene')
    assert [known.aliases for known in model.card.classes] == [(), ('green',)]
    quality = model.variant.quality
    parts = [quality[f'accuracy_set_{name}'] for name in ('here', 'there')]
    assert quality['accuracy'] == pytest.approx(sum(parts) / 2)
    assert quality['accuracy_set_here_low'] <= parts[0] <= quality['accuracy_set_here_high']
    if parts[0] < 1:
        assert cv2.imread(str(out / 'failures.jpg')).shape[1] == 1280
    capsys.readouterr()
    assert main(['publish', *options, 'elsewhere']) == 2
    message = "no such set; expected one of ['set_here', 'set_there']"
    assert message in capsys.readouterr().err
