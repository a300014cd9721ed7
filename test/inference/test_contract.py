# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs, outputs and class counts of a graph are those of its task and its card."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rs_onboard.inference.card import load_card
from rs_onboard.inference.contract import CONTRACTS, check_class_count, check_contract
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.graph_file import GraphFile, Node, Tensor
from rs_onboard.inference.runtime_settings import TensorInfo

CARD = load_card(Path(__file__).parents[1] / 'data' / 'models' / 'colour-segmentation')
TILES = ('N', 'H', 'W', 3)


def card_for(task):
    return dataclasses.replace(CARD, task=task)


def parts(task, **changes):
    """Inputs and outputs of a task, some of them changed: (element type, shape) by name."""
    found = []
    for wanted in CONTRACTS[task]:
        infos = []
        for name, dtype, rank in wanted:
            shape = TILES if rank == 4 else ('M', 5) if name == 'boxes' else ('N', 'H', 'W')[:rank]
            if task == 'scene' and name == 'probabilities':
                shape = ('N', 3)
            infos.append(TensorInfo(name, *changes.get(name, (dtype, shape))))
        found.append(infos)
    return found


@pytest.mark.parametrize('task', CONTRACTS)
def test_every_task_has_a_graph_that_passes(task):
    check_contract(card_for(task), 'm.onnx', *parts(task))


@pytest.mark.parametrize(
    ('task', 'name', 'found', 'message'),
    [
        ('scene', 'probabilities', ('float16', ('N', 3)), 'is float16 of .*; expected float of'),
        ('scene', 'probabilities', ('float', ('N', 4)), 'output has 4 classes; the card names 3'),
        (
            'segmentation',
            'labels',
            ('int64', ('N', 'H', 'W')),
            "'labels' is int64 .*; expected uint8",
        ),
        ('segmentation', 'confidence', ('uint8', ('N', 1, 'H', 'W')), 'expected uint8 of rank 3'),
        ('change', 'probability', ('float', ('N', 'H', 'W')), 'expected uint8 of rank 3'),
        (
            'change',
            'after',
            ('uint8', ('N', 'H', 'W', 4)),
            "'after' has .*; the card names 3 bands",
        ),
        ('change', 'before', ('uint8', (2, 'H', 'W', 3)), "'before' has .* any number of tiles"),
        ('detection', 'boxes', ('float', ('M', 4)), 'expected float of rank 2 with 5 numbers in a'),
        ('detection', 'boxes', ('float', ('M', 'K')), 'expected float of rank 2 with 5 numbers'),
        ('detection', 'tile', ('int32', ('M',)), "'tile' is int32 .*; expected int64 of rank 1"),
    ],
)
def test_wrong_types_ranks_and_counts_are_refused(task, name, found, message):
    with pytest.raises(ModelError, match=message) as caught:
        check_contract(card_for(task), 'm.onnx', *parts(task, **{name: found}))
    assert str(caught.value).startswith('m.onnx: ')


def test_missing_more_and_doubled_tensors_are_refused():
    inputs, outputs = parts('segmentation')
    for wrong in (outputs[:1], [*outputs, outputs[0]], [*outputs, TensorInfo('x', 'float', ())]):
        with pytest.raises(ModelError, match=r"found outputs .*has \['confidence', 'labels'\]"):
            check_contract(CARD, 'm.onnx', inputs, wrong)
    with pytest.raises(
        ModelError, match=r"found inputs \[\]; a segmentation model has \['tiles'\]"
    ):
        check_contract(CARD, 'm.onnx', [], outputs)


def mask_graph(*nodes, **shapes):
    constants = {name: Tensor(1, shape, None) for name, shape in shapes.items()}
    return GraphFile(8, {'': 17}, nodes, {}, constants, (), ())


def node(operator, inputs, output):
    return Node(operator, tuple(inputs), (output,), {}, {})


TAIL = (
    node('Cast', ['index'], 'labels'),
    node('ArgMax', ['large'], 'index'),
    node('Resize', ['logits', '', '', 'size'], 'large'),
)


def test_classes_of_a_mask_are_counted_at_its_last_convolution():
    convolution = node('Conv', ['x', 'w', 'b'], 'logits')
    check_class_count(CARD, 'm.onnx', mask_graph(*TAIL, convolution, w=(3, 8, 1, 1)))
    with pytest.raises(ModelError, match=r'm.onnx: output has 6 classes; the card names 3'):
        check_class_count(CARD, 'm.onnx', mask_graph(*TAIL, convolution, w=(6, 8, 1, 1)))


def test_classes_of_a_quantised_mask_are_counted_too():
    nodes = (
        node('DequantizeLinear', ['q', 's', 'z'], 'logits'),
        node('QuantizeLinear', ['p', 's', 'z'], 'q'),
        node('Conv', ['x', 'w'], 'p'),
        node('DequantizeLinear', ['packed', 's', 'z'], 'w'),
    )
    with pytest.raises(ModelError, match='output has 6 classes; the card names 3'):
        check_class_count(CARD, 'm.onnx', mask_graph(*TAIL, *nodes, packed=(6, 8, 1, 1)))


def test_classes_of_a_mask_whose_weights_are_stored_in_half_precision_are_counted_too():
    nodes = (node('Conv', ['x', 'w', 'b'], 'logits'), node('Cast', ['stored'], 'w'))
    with pytest.raises(ModelError, match='output has 6 classes; the card names 3'):
        check_class_count(CARD, 'm.onnx', mask_graph(*TAIL, *nodes, stored=(6, 8, 1, 1)))


@pytest.mark.parametrize(
    'nodes',
    [
        (),
        (node('Mul', ['x', 'y'], 'logits'),),
        (node('Relu', ['large'], 'logits'),),
        (node('Conv', ['x'], 'logits'),),
        (node('Conv', ['x', 'computed'], 'logits'),),
        (node('Identity', [], 'logits'),),
    ],
)
def test_where_the_classes_are_not_seen_nothing_is_said(nodes):
    check_class_count(CARD, 'm.onnx', mask_graph(*TAIL, *nodes))
    check_class_count(card_for('scene'), 'm.onnx', mask_graph(*TAIL))
