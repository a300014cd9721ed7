# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Variants are made, measured before and after, and written with what they cost and gain."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from rs_onboard.cli.main import main  # noqa: E402
from rs_onboard.inference.card import load_card  # noqa: E402

COLOURS = {'red': (200, 40, 40), 'green': (40, 200, 40), 'blue': (40, 40, 200)}
SCENE = Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene'


def convolving_scene():
    """A scene model with two convolutions whose answer is the strongest colour."""
    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.02, (8, 3, 3, 3)).astype(np.float32)
    first[:3, :, 1, 1] += np.eye(3, dtype=np.float32)
    second = np.zeros((3, 8, 1, 1), np.float32)
    second[:, :3, 0, 0] = np.eye(3)
    nodes = [
        helper.make_node('Cast', ['tiles'], ['float'], name='cast', to=TensorProto.FLOAT),
        helper.make_node('Mul', ['float', 'scale'], ['scaled'], name='mul'),
        helper.make_node('Transpose', ['scaled'], ['x'], name='t', perm=[0, 3, 1, 2]),
        helper.make_node('Conv', ['x', 'first'], ['a'], name='conv1', pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['a'], ['b'], name='relu'),
        helper.make_node('Conv', ['b', 'second'], ['c'], name='conv2'),
        helper.make_node('ReduceMean', ['c'], ['mean'], name='mean', axes=[2, 3], keepdims=0),
        helper.make_node('Softmax', ['mean'], ['probabilities'], name='softmax', axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        'scene',
        [helper.make_tensor_value_info('tiles', TensorProto.UINT8, ['N', 'H', 'W', 3])],
        [helper.make_tensor_value_info('probabilities', TensorProto.FLOAT, ['N', 3])],
        [
            numpy_helper.from_array(np.float32(1 / 16), 'scale'),
            numpy_helper.from_array(first, 'first'),
            numpy_helper.from_array(second, 'second'),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


@pytest.fixture
def folder(tmp_path):
    place = Path(shutil.copytree(SCENE, tmp_path / 'model'))
    data = convolving_scene().SerializeToString()
    (place / 'fp32.onnx').write_bytes(data)
    card = yaml.safe_load((place / 'card.yaml').read_text())
    card['input'] |= {'height': 64, 'width': 64}
    card['variants'] = {
        'fp32': {
            'file': 'fp32.onnx',
            'sha256': hashlib.sha256(data).hexdigest(),
            'bytes': len(data),
            'note': 'the first',
        }
    }
    (place / 'card.yaml').write_text(yaml.safe_dump(card))
    return place


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(1)
    root = tmp_path / 'set'
    for name, colour in COLOURS.items():
        (root / 'images' / name).mkdir(parents=True)
        for index in range(4):
            noise = rng.normal(0, 20, (64, 64, 3))
            image = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            path = root / 'images' / name / f'{index}.png'
            cv2.imwrite(str(path), image[:, :, ::-1])
    return root


def quantize(folder, *options):
    return main(['models', 'quantize', str(folder), *map(str, options)])


def test_int8_is_written_with_quality_latency_and_note(folder, images, capsys):
    assert quantize(folder, '--calibration', images, '--data', images) == 0
    out = capsys.readouterr().out
    header, before, after, *_ = out.splitlines()
    assert 'accuracy [%]' in header
    assert before.split()[0] == 'fp32'
    assert before.split()[-2:] == ['100.00', '100.00']
    assert after.split()[0] == 'int8'
    card = load_card(folder)
    assert card.variants['int8'].quality['accuracy'] == 1.0
    assert {row.threads for row in card.variants['int8'].latencies} == {1, 2}
    assert 'figures of 12 images of split val' in card.variants['int8'].note
    assert card.variants['int8'].note in out
    assert card.variants['fp32'].note == 'the first'
    assert main(['models', 'verify', str(folder)]) == 0


def test_int8_holds_integers_and_fp16_half_precision(folder, images):
    assert quantize(folder, '--calibration', images, '--variants', 'int8', 'fp16') == 0
    operators = {node.op_type for node in onnx.load(folder / 'int8.onnx').graph.node}
    assert 'QuantizeLinear' in operators
    kinds = {item.data_type for item in onnx.load(folder / 'fp16.onnx').graph.initializer}
    assert TensorProto.FLOAT16 in kinds
    note = load_card(folder).variants['fp16'].note
    assert 'made for GPUs' in note
    assert 'of the time of fp32' in note or 'not faster than fp32' in note


def test_the_time_of_fp32_is_shown_without_labelled_images_too(folder, images, capsys):
    assert quantize(folder, '--variants', 'fp16') == 0
    header, before, _, note = capsys.readouterr().out.splitlines()
    assert header.split()[-2:] == ['of', 'fp32']
    assert before.split()[-1] == '1.00'
    assert note.startswith('fp16: half precision')
    assert load_card(folder).variants['fp16'].quality == {}


@pytest.mark.parametrize(
    ('options', 'fragment'),
    [
        ([], 'give --calibration DIR'),
        (['--calibration', '{tmp}/none'], 'expected images'),
        (['--calibration', '{tmp}/empty'], 'expected images'),
        (['--calibration', '{tmp}/set', '--data', '{tmp}/none'], 'no such folder'),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(
    folder, images, tmp_path, options, fragment, capsys
):
    (tmp_path / 'empty').mkdir()
    before = (folder / 'card.yaml').read_bytes()
    assert quantize(folder, *(option.format(tmp=tmp_path) for option in options)) == 2
    assert fragment in capsys.readouterr().err
    assert (folder / 'card.yaml').read_bytes() == before


def test_a_changed_graph_is_not_quantised(folder, images, capsys):
    (folder / 'fp32.onnx').write_bytes((folder / 'fp32.onnx').read_bytes()[:-3])
    assert quantize(folder, '--calibration', images) == 2
    assert 'the card says' in capsys.readouterr().err


def test_a_folder_without_fp32_cannot_be_quantised(folder, images, capsys):
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    card['variants'] = {'int8': card['variants']['fp32']}
    (folder / 'card.yaml').write_text(yaml.safe_dump(card))
    assert quantize(folder, '--calibration', images) == 2
    assert 'has the variants int8; expected fp32' in capsys.readouterr().err
