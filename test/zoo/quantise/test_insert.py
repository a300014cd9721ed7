# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is written in int8, how exactly, and what is left alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from small_graphs import Builder, gated_network, sloped_network, tiles  # noqa: E402

from rs_onboard.zoo.export import session  # noqa: E402
from rs_onboard.zoo.quantise.canonical import canonical  # noqa: E402
from rs_onboard.zoo.quantise.insert import insert, step_and_zero  # noqa: E402
from rs_onboard.zoo.quantise.kinds import candidates, without_islands  # noqa: E402
from rs_onboard.zoo.quantise.ranges import Span, histograms, spans  # noqa: E402


def quantised(model, feeds, left=()):
    """Quantise all of a graph but some kinds; returns the canonical and the int8 graph."""
    prepared = canonical(model)
    found = candidates(prepared)
    names = {t for item in found.values() for t in (*item.inputs, item.end, *item.node.output)}
    ranges = spans(histograms(prepared, sorted(names), feeds), 'minmax')
    chosen = [name for name, item in found.items() if item.kind not in left]
    return prepared, insert(prepared, found, without_islands(found, chosen), ranges)


def largest_error(model, other, feeds):
    """Largest difference of the last output, as a share of its range."""
    one, two = session(model), session(other)
    worst = 0.0
    for feed in feeds:
        a, b = one.run(None, feed)[-1], two.run(None, feed)[-1]
        worst = max(worst, float(np.abs(a - b).max() / np.ptp(a)))
    return worst


def operators(model):
    return Counter(node.op_type for node in model.graph.node)


def test_the_whole_block_is_in_int8_and_close_to_float():
    feeds = tiles(3)
    model = gated_network()
    prepared, int8 = quantised(model, feeds)
    assert largest_error(model, int8, feeds) < 0.03
    assert {entry.domain for entry in int8.opset_import} == {''}
    count = operators(int8)
    # Three convolutions with slopes are written twice.
    assert count['Conv'] == operators(prepared)['Conv'] + 3
    assert count['PRelu'] == count['Relu'] == 0
    weights = [item for item in int8.graph.initializer if item.data_type == onnx.TensorProto.INT8]
    assert len([item for item in weights if len(item.dims) == 4]) == count['Conv']


def test_the_same_input_gives_the_same_bytes():
    feeds = tiles(2)
    one, two = (quantised(gated_network(), feeds)[1].SerializeToString() for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ('low', 'high'), [(0.0, 0.9), (0.5, 1.7), (-0.4, 0.9)], ids=['usual', 'steep', 'negative']
)
def test_slopes_between_convolutions_become_two_int8_convolutions(low, high):
    feeds = tiles(3)
    model = sloped_network(np.linspace(low, high, 8))
    _, int8 = quantised(model, feeds)
    assert operators(int8)['PRelu'] == 0
    assert operators(int8)['Conv'] == 4
    assert largest_error(model, int8, feeds) < 0.03


def test_slopes_on_both_sides_of_zero_and_one_stay_in_float():
    feeds = tiles(2)
    model = sloped_network(np.linspace(-0.5, 1.5, 8))
    _, int8 = quantised(model, feeds)
    assert operators(int8)['PRelu'] == 1
    assert largest_error(model, int8, feeds) < 0.02


@pytest.mark.parametrize('pooled', [False, True])
def test_a_relu_still_cuts_where_its_output_is_joined_with_negative_values(pooled):
    build = Builder()
    x = build.image()
    bent = build.node('Relu', build.conv(x, 3, 8, 3))
    if pooled:
        bent = build.node('MaxPool', bent, kernel_shape=[3, 3], pads=[1] * 4)
    joined = build.node('Concat', bent, build.conv(x, 3, 8, 3), axis=1)
    out = build.conv(build.conv(joined, 16, 8), 8, 4)
    model = build.model({'labels': (out, 1)})
    feeds = tiles(3)
    _, int8 = quantised(model, feeds)
    assert operators(int8)['Relu'] == 0
    assert largest_error(model, int8, feeds) < 0.03


def test_a_gelu_is_left_whole_for_the_runtime_to_fuse():
    build = Builder()
    x = build.conv(build.image(), 3, 8)
    bent = build.node('Erf', build.node('Div', x, build.constant(2**0.5)))
    product = build.node('Mul', x, build.node('Add', bent, build.constant(1.0)))
    gelu = build.node('Mul', product, build.constant(0.5))
    out = build.conv(build.conv(gelu, 8, 8), 8, 8)
    model = build.model({'out': (out, 1)})
    assert not [item for item in candidates(canonical(model)).values() if item.kind == 'multiply']


def test_a_node_between_float_nodes_is_not_converted_for_nothing():
    build = Builder()
    x = build.image()
    both = build.node('Concat', build.node('Tanh', x), build.node('Exp', x), axis=1)
    model = build.model({'out': (build.conv(build.node('Tanh', both), 6, 4), 1)})
    found = candidates(canonical(model))
    assert any(item.kind == 'concat' for item in found.values())
    assert not without_islands(found, found)


@pytest.mark.parametrize('span', [Span(0.0, 6.0), Span(-3.0, 1.0), Span(-2.0, 0.0), Span(0, 0)])
def test_zero_and_both_ends_are_representable(span):
    step, zero = step_and_zero(span)
    assert 0 <= zero <= 255
    low, high = (0 - zero) * float(step), (255 - zero) * float(step)
    assert low <= span.low + step
    assert high >= span.high - step
