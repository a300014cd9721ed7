# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Variants come into a model folder beside the others, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

onnx = pytest.importorskip('onnx')

from rs_onboard.inference.card import Latency, load_card  # noqa: E402
from rs_onboard.inference.errors import CardError  # noqa: E402
from rs_onboard.inference.model import load_model  # noqa: E402
from rs_onboard.inference.signature import SIGNATURE_FILE  # noqa: E402
from rs_onboard.zoo.errors import ExportError  # noqa: E402
from rs_onboard.zoo.model_folder import Measured, add_variant  # noqa: E402

SCENE = Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene'


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(SCENE, tmp_path / 'colour-scene'))


def graph():
    return onnx.load(SCENE / 'fp32.onnx')


def test_a_variant_is_added_and_replaced_and_the_others_stay(folder):
    before = load_card(folder)
    row = Latency('board', 'cpu', 1, 1, 32, 32, 4.2)
    card = add_variant(folder, 'int8', Measured(graph(), {'accuracy': 0.91234}, (row,), 'first'))
    assert list(card.variants) == ['fp32', 'int8']
    assert card.variants['fp32'] == before.variants['fp32']
    assert card.variants['int8'].quality == {'accuracy': 0.9123}
    assert card.variants['int8'].latencies == (row,)
    add_variant(folder, 'fp16', Measured(graph(), {}, (), ''))
    card = add_variant(folder, 'int8', Measured(graph(), {}, (), 'second'))
    assert list(card.variants) == ['fp32', 'fp16', 'int8']
    assert card.variants['int8'].note == 'second'
    assert card.limits == before.limits
    assert load_model(folder, task='scene', variant='int8').card.name == before.name
    assert sorted(path.name for path in folder.iterdir()) == [
        *('card.yaml', 'fp16.onnx', 'fp32.onnx', 'int8.onnx')
    ]


def test_a_signature_of_the_old_card_goes(folder):
    (folder / SIGNATURE_FILE).write_bytes(b'x' * 64)
    add_variant(folder, 'int8', Measured(graph(), {}, (), ''))
    assert not (folder / SIGNATURE_FILE).exists()


def test_what_is_refused_changes_nothing(folder):
    card, names = (folder / 'card.yaml').read_bytes(), sorted(folder.iterdir())
    with pytest.raises(ExportError, match='int8 graph is empty; export it again'):
        add_variant(folder, 'int8', Measured(onnx.ModelProto(), {}, (), ''))
    bad = Latency('board', 'cpu', 0, 1, 32, 32, 4.2)
    with pytest.raises(CardError, match='threads'):
        add_variant(folder, 'int8', Measured(graph(), {}, (bad,), ''))
    assert (folder / 'card.yaml').read_bytes() == card
    assert sorted(folder.iterdir()) == names
    with pytest.raises(CardError, match='no such model folder'):
        add_variant(folder / 'none', 'int8', Measured(graph(), {}, (), ''))
