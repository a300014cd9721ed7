# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A model folder is loaded whole and as measured, or refused with the reason."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from rs_onboard.inference import model as model_module
from rs_onboard.inference.errors import CardError, ModelError, ProviderError
from rs_onboard.inference.model import load_model, read_verified
from rs_onboard.inference.runtime_settings import RuntimeSettings

MODELS = Path(__file__).parents[1] / 'data' / 'models'
ONE = RuntimeSettings(threads=1)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(MODELS / 'colour-scene', tmp_path / 'model')


def edit(folder, change):
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    change(card)
    (folder / 'card.yaml').write_text(yaml.safe_dump(card))


def install(folder, graph):
    """Put another graph into a model folder, with its hash on the card."""
    (folder / 'fp32.onnx').write_bytes(graph)

    def change(card):
        card['variants']['fp32']['sha256'] = hashlib.sha256(graph).hexdigest()
        card['variants']['fp32']['bytes'] = len(graph)

    edit(folder, change)


def test_a_model_is_loaded_and_runs(folder):
    model = load_model(folder, task='scene', settings=ONE)
    assert (model.card.name, model.variant.name, model.runtime.provider) == (
        'colour-scene',
        'fp32',
        'cpu',
    )
    tiles = np.zeros((2, 32, 48, 3), np.uint8)
    tiles[1, ..., 2] = 160
    outputs = model.runtime.run({'tiles': tiles})
    expected = np.exp([[0, 0, 0], [0, 0, 10]])
    expected /= expected.sum(axis=1, keepdims=True)
    assert outputs['probabilities'] == pytest.approx(expected, abs=1e-6)
    assert outputs['probabilities'].dtype == np.float32


def test_a_changed_file_is_refused(folder):
    path = folder / 'fp32.onnx'
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r'fp32.onnx: found sha256 .*; the card says .* changed'):
        load_model(folder, task='scene', settings=ONE)


def test_a_file_cut_short_is_refused_before_it_is_read(folder):
    path = folder / 'fp32.onnx'
    os.truncate(path, 200)
    with pytest.raises(ModelError, match=r'fp32.onnx: found 200 bytes; the card says 279'):
        load_model(folder, task='scene', settings=ONE)


def test_a_missing_file_is_refused(folder):
    (folder / 'fp32.onnx').unlink()
    with pytest.raises(ModelError, match=r'fp32.onnx: no such file, but the card names it'):
        load_model(folder, task='scene', settings=ONE)


def test_a_file_too_large_for_any_model_is_refused(folder, monkeypatch):
    monkeypatch.setattr(model_module, 'MAX_MODEL_BYTES', 100)
    with pytest.raises(ModelError, match='at most 100 are read'):
        load_model(folder, task='scene', settings=ONE)


def test_a_model_for_another_task_is_refused(folder):
    with pytest.raises(ModelError, match='found a model for scene; expected one for segmentation'):
        load_model(folder, task='segmentation', settings=ONE)


def test_a_missing_variant_is_refused_with_those_there_are(folder):
    with pytest.raises(ModelError, match="no variant 'int8'; the card has fp32"):
        load_model(folder, task='scene', variant='int8', settings=ONE)


def test_a_folder_without_card_is_refused(tmp_path):
    with pytest.raises(CardError, match='no such model card'):
        load_model(tmp_path, task='scene')


def test_a_provider_that_is_not_there_is_refused(folder):
    settings = RuntimeSettings(provider='acl', threads=1)
    with pytest.raises(ProviderError, match="provider 'acl' cannot be had"):
        load_model(folder, task='scene', settings=settings)
    model = load_model(
        folder, task='scene', settings=RuntimeSettings(provider='acl', policy='warn', threads=1)
    )
    assert model.runtime.provider == 'cpu'
    assert model.runtime.notice.startswith('acl cannot be had')


def test_bytes_that_are_no_graph_are_refused(folder):
    for graph, message in (
        (b'not a graph at all', 'found bytes that are no ONNX file'),
        (b'', 'found 0 bytes'),
        (b'\x08\x08', 'no ONNX file .it has no graph.; expected one complete model'),
    ):
        (folder / 'fp32.onnx').write_bytes(graph)
        if graph:
            install(folder, graph)
        with pytest.raises(ModelError, match=message):
            load_model(folder, task='scene', settings=ONE)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('four-bands', r"input 'tiles' has shape .*4\]; the card names 3 bands"),
        ('one-tile', r"input 'tiles' has shape \[1, .*; expected any number of tiles"),
        ('fixed-size', r'has shape .*64, 64, 3\]; the card says any size px'),
        ('float-tiles', r"input 'tiles' is float of shape .*; expected uint8 of rank 4"),
        ('other-output', r"found outputs \['scores'\]; a scene model has \['probabilities'\]"),
        ('two-outputs', r"found outputs \['both', 'probabilities'\]"),
        ('six-classes', 'output has 6 classes; the card names 3'),
        ('third-dimension', r"output 'probabilities' is float .*; expected float of rank 2"),
        ('custom-operator', r"operator sets 'odd' \(operator Softmin\); expected ONNX operators"),
        ('foreign-import', r"operator sets 'com.microsoft' \(imported\); expected ONNX operators"),
        ('weights-outside', "tensor 'far' in another file; expected all weights in this one"),
        ('weights-outside-in-a-branch', "tensor 'far' in another file; expected all weights"),
        ('huge-initialiser', "'huge' that declares 1000000000000 elements .* holds 4; expected"),
        ('expands', "found Expand 'grown' of 1e\\+12 elements; expected at most 268435456"),
        ('endless-loop', 'found operator Loop, which repeats .*; expected a graph that ends'),
        ('newer-opset', r'found opset 99; ONNX Runtime .* takes 13 to \d+ here. Export it again'),
        ('older-opset', r'found opset 9; ONNX Runtime .* takes 13 to \d+ here'),
    ],
)
def test_a_graph_that_is_not_of_its_task_is_refused(folder, name, message, monkeypatch):
    install(folder, (MODELS / 'broken' / f'{name}.onnx').read_bytes())
    (folder / 'outside.bin').write_bytes(np.ones(4096, np.float32).tobytes())
    monkeypatch.chdir(folder)
    # Not even a session is opened: the runtime may take memory before it refuses.
    monkeypatch.setattr(model_module, 'OnnxRuntime', None)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder, task='scene', settings=ONE)
    assert str(caught.value).startswith(str(folder / 'fp32.onnx'))


def test_a_mask_graph_with_other_classes_than_its_card_is_refused(tmp_path):
    folder = shutil.copytree(MODELS / 'colour-segmentation', tmp_path / 'model')
    install(folder, (MODELS / 'broken' / 'four-labels.onnx').read_bytes())
    with pytest.raises(ModelError, match='output has 4 classes; the card names 3'):
        load_model(folder, task='segmentation', settings=ONE)


def test_a_graph_of_one_size_needs_a_card_of_that_size(folder):
    install(folder, (MODELS / 'broken' / 'fixed-size.onnx').read_bytes())
    edit(folder, lambda card: card['input'].update(dynamic=False))
    with pytest.raises(ModelError, match=r'64, 64, 3\]; the card says 128x128 px'):
        load_model(folder, task='scene', settings=ONE)
    edit(folder, lambda card: card['input'].update(height=64, width=64))
    assert load_model(folder, task='scene', settings=ONE).card.input.height == 64


def test_a_scene_graph_is_no_segmentation_graph(folder):
    edit(folder, lambda card: card.update(task='segmentation'))
    message = r"outputs \['probabilities'\]; a segmentation model has \['confidence', 'labels'\]"
    with pytest.raises(ModelError, match=message):
        load_model(folder, task='segmentation', settings=ONE)


def test_the_bytes_that_were_hashed_are_the_bytes_that_run(folder):
    model = load_model(folder, task='scene', settings=ONE)
    graph = read_verified(folder / 'fp32.onnx', model.variant)
    assert hashlib.sha256(graph).hexdigest() == model.variant.sha256
    (folder / 'fp32.onnx').write_bytes(b'replaced')
    outputs = model.runtime.run({'tiles': np.zeros((1, 16, 16, 3), np.uint8)})
    assert outputs['probabilities'].shape == (1, 3)


def test_inputs_that_do_not_fit_are_a_model_error(folder):
    model = load_model(folder, task='scene', settings=ONE)
    with pytest.raises(ModelError, match=r'inference on tiles \(1, 16, 16, 4\) failed'):
        model.runtime.run({'tiles': np.zeros((1, 16, 16, 4), np.uint8)})
    with pytest.raises(ModelError, match=r'inference on other \(1,\) failed'):
        model.runtime.run({'other': np.zeros(1, np.uint8)})
