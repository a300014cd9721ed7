# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A folder is proven by running it at every kind of size its card promises."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from rs_onboard.inference import verify
from rs_onboard.inference.card import InputSpec, load_card
from rs_onboard.inference.errors import CardError, ModelError
from rs_onboard.inference.model import Model
from rs_onboard.inference.runtime_settings import RuntimeSettings, TensorInfo
from rs_onboard.inference.verify import run_at, sizes_promised, strays, verify_folder

MODELS = Path(__file__).parents[1] / 'data' / 'models'
ONE = RuntimeSettings(provider='cpu', threads=1)
RGB = ('red', 'green', 'blue')


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(MODELS / 'colour-scene', tmp_path / 'model')


def install(folder, graph):
    (folder / 'fp32.onnx').write_bytes(graph)
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    card['variants']['fp32'] |= {'sha256': hashlib.sha256(graph).hexdigest(), 'bytes': len(graph)}
    (folder / 'card.yaml').write_text(yaml.safe_dump(card))


@pytest.mark.parametrize(
    'name', ['colour-scene', 'colour-segmentation', 'colour-change', 'colour-detection']
)
def test_a_good_folder_of_every_task_passes_at_all_sizes(name):
    (verdict,) = verify_folder(MODELS / name, ONE)
    assert (verdict.problem, verdict.provider) == ('', 'cpu')
    assert verdict.shapes[:2] == ((1, 128, 128), (5, 128, 128))
    assert {height != width for _, height, width in verdict.shapes} == {True, False}


def test_a_dynamic_card_promises_smallest_rectangular_and_odd_sizes():
    spec = InputSpec(RGB, 256, 256, 32, 100, dynamic=True)
    assert sizes_promised(spec) == [(256, 256), (128, 128), (128, 160), (288, 224)]
    free = InputSpec(RGB, 512, 512, 1, 128, dynamic=True)
    assert sizes_promised(free) == [(512, 512), (128, 128), (128, 141), (525, 499)]
    fixed = InputSpec(RGB, 256, 128, 1, 1, dynamic=False)
    assert sizes_promised(fixed) == [(256, 128)]


@pytest.mark.parametrize('name', ['one-tile', 'fixed-size', 'custom-operator', 'weights-outside'])
def test_a_graph_that_must_not_fly_is_a_verdict_not_an_error(folder, name):
    install(folder, (MODELS / 'broken' / f'{name}.onnx').read_bytes())
    (verdict,) = verify_folder(folder, ONE)
    assert str(folder / 'fp32.onnx') in verdict.problem
    assert '\n' not in verdict.problem


def test_one_bad_variant_does_not_stop_the_others(folder):
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    card['variants'] = {
        'int8': {**card['variants']['fp32'], 'sha256': '0' * 64},
        **card['variants'],
    }
    (folder / 'card.yaml').write_text(yaml.safe_dump(card))
    found = {verdict.variant: verdict.problem for verdict in verify_folder(folder, ONE)}
    assert 'sha256' in found['int8']
    assert found['fp32'] == ''


def test_a_truncated_file_fails(folder):
    graph = (folder / 'fp32.onnx').read_bytes()
    (folder / 'fp32.onnx').write_bytes(graph[: len(graph) // 2])
    (verdict,) = verify_folder(folder, ONE)
    assert verdict.problem
    install(folder, graph[: len(graph) // 2])
    (verdict,) = verify_folder(folder, ONE)
    assert verdict.problem


def test_without_a_card_there_is_nothing_to_verify(tmp_path):
    with pytest.raises(CardError, match='card'):
        list(verify_folder(tmp_path, ONE))


def test_files_that_the_card_does_not_name_are_found(folder):
    (folder / 'fp16.onnx').write_bytes(b'')
    (folder / 'README.md').write_bytes(b'')
    assert strays(load_card(folder)) == ['fp16.onnx']


class Answers:
    """A runtime whose answer is a function of the tiles."""

    provider, notice, outputs = 'cpu', '', ()
    inputs = (TensorInfo('tiles', 'uint8', ('N', 'H', 'W', 3)),)

    def __init__(self, answer):
        self.run = lambda feeds: answer(feeds['tiles'])


def model(name, answer):
    card = load_card(MODELS / name)
    return Model(card, card.variants['fp32'], Answers(answer))


def labels(tiles, value=0):
    shape = tiles.shape[:3]
    return {'labels': np.full(shape, value, np.uint8), 'confidence': np.full(shape, 9, np.uint8)}


def test_outputs_of_a_frozen_size_are_refused():
    frozen = model('colour-segmentation', lambda tiles: labels(tiles[:, :16, :16]))
    run_at(frozen, 16, 16)
    with pytest.raises(ModelError, match=r'at 16x32, 1 tiles: found labels of shape \(1, 16, 16\)'):
        run_at(frozen, 16, 32)


def test_labels_beyond_the_classes_are_refused():
    with pytest.raises(ModelError, match='found label 3; expected at most 2'):
        run_at(model('colour-segmentation', lambda tiles: labels(tiles, 3)), 16, 16)


def test_probabilities_that_are_no_numbers_are_refused():
    broken = model(
        'colour-scene', lambda tiles: {'probabilities': np.full((len(tiles), 3), np.nan)}
    )
    with pytest.raises(ModelError, match='sum to'):
        run_at(broken, 16, 16)


def test_a_batch_that_changes_the_answer_is_refused():
    def mixes(tiles):
        mean = tiles.mean()
        return {'probabilities': np.tile([mean / 255, 1 - mean / 255, 0], (len(tiles), 1))}

    with pytest.raises(ModelError, match='when the same tile comes with others'):
        run_at(model('colour-scene', mixes), 16, 16)


def boxes(count, tile=0, class_id=0):
    return {
        'boxes': np.zeros((count, 5), np.float32),
        'scores': np.zeros(count, np.float32),
        'classes': np.full(count, class_id, np.int64),
        'tile': np.full(count, tile, np.int64),
    }


def test_detections_of_unknown_tiles_or_classes_are_refused():
    run_at(model('colour-detection', lambda tiles: boxes(0)), 16, 16)
    with pytest.raises(ModelError, match='found tile from 1 to 1; expected 0 to 0'):
        run_at(model('colour-detection', lambda tiles: boxes(2, tile=1)), 16, 16)
    with pytest.raises(ModelError, match='found classes'):
        run_at(model('colour-detection', lambda tiles: boxes(2, class_id=77)), 16, 16)


def test_detections_that_depend_on_the_batch_are_refused():
    with pytest.raises(ModelError, match='detections'):
        run_at(model('colour-detection', lambda tiles: boxes(len(tiles))), 16, 16)


def test_half_precision_stays_within_the_tolerance_of_sums():
    rng = np.random.default_rng(0)
    values = rng.dirichlet(np.ones(400), 5).astype(np.float16)
    assert np.abs(values.astype(np.float64).sum(axis=1) - 1).max() < verify.SUM_TOLERANCE
