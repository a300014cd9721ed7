# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Variants are made, measured before and after, and written with what they cost and gain."""

from __future__ import annotations

import pytest
import yaml

pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from colour_scenes import convolving_scene, write_colour_images, write_scene_folder  # noqa: E402
from onnx import TensorProto  # noqa: E402

from rs_onboard.cli.main import main  # noqa: E402
from rs_onboard.inference.card import load_card  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    return write_scene_folder(tmp_path / 'model', convolving_scene())


@pytest.fixture
def images(tmp_path):
    return write_colour_images(tmp_path / 'set')


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
