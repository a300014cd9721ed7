# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs in canonical form compute the same and hold only what quantisation knows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

from small_graphs import Builder, gated_network, tiles

from rs_onboard.zoo.export import session
from rs_onboard.zoo.quantise.canonical import canonical


def operators(model):
    return Counter(node.op_type for node in model.graph.node)


def assert_equal_answers(one, two, feeds):
    first, second = session(one), session(two)
    for feed in feeds:
        for a, b in zip(first.run(None, feed), second.run(None, feed), strict=True):
            np.testing.assert_allclose(a.astype(float), b.astype(float), atol=2e-5)


def test_slopes_and_norms_move_before_the_concatenation_and_the_answers_stay():
    model = gated_network()
    found = canonical(model)
    assert_equal_answers(model, found, tiles(2) + tiles(1, side=48))
    count = operators(found)
    assert count['PRelu'] == 3
    assert count['GlobalAveragePool'] == 1
    assert not {'BatchNormalization', 'ReduceMean'} & set(count)
    concat = next(node for node in found.graph.node if node.op_type == 'Concat')
    makers = {node.output[0]: node.op_type for node in found.graph.node}
    assert {makers[name] for name in concat.input} == {'PRelu'}


def test_the_mean_over_the_height_is_a_product_at_every_size():
    build = Builder()
    x = build.conv(build.image(), 3, 4)
    rows = build.node('ReduceMean', x, axes=[2], keepdims=1)
    vector = build.node('ReduceMean', x, axes=[-2, -1], keepdims=0)
    model = build.model({'rows': (rows, 1), 'vector': (vector, 1, 2)})
    found = canonical(model)
    assert operators(found)['MatMul'] == 1
    assert 'ReduceMean' not in operators(found)
    assert_equal_answers(model, found, tiles(1) + tiles(1, side=52))


def test_a_sum_that_is_no_slope_stays_a_sum():
    build = Builder()
    x = build.conv(build.image(), 3, 4)
    half = build.node('Mul', x, build.constant(0.5))
    bent = build.node('Mul', build.node('Relu', x), build.constant(0.75))
    model = build.model({'out': (build.node('Add', half, bent), 1)})
    found = canonical(model)
    assert 'PRelu' not in operators(found)
    assert_equal_answers(model, found, tiles(1))


def test_a_relu_behind_a_concatenation_moves_to_its_parts():
    build = Builder()
    x = build.image()
    joined = build.node('Concat', build.conv(x, 3, 4), build.conv(x, 3, 4), axis=1)
    model = build.model({'out': (build.conv(build.node('Relu', joined), 8, 4), 1)})
    found = canonical(model)
    makers = {node.output[0]: node.op_type for node in found.graph.node}
    concat = next(node for node in found.graph.node if node.op_type == 'Concat')
    assert [makers[name] for name in concat.input] == ['Relu', 'Relu']
    assert_equal_answers(model, found, tiles(1))
