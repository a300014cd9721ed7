# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Half precision: the same interface, half the size, nearly the same answers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from small_graphs import Builder, gated_network, tiles  # noqa: E402

from rs_onboard.zoo.errors import ExportError  # noqa: E402
from rs_onboard.zoo.export import session  # noqa: E402
from rs_onboard.zoo.half import to_half  # noqa: E402

HALF, FULL = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


def elements(model):
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    return {info.name: info.type.tensor_type.elem_type for info in inferred.graph.value_info}


def test_half_graph_keeps_interface_and_answers():
    model = gated_network()
    half = to_half(model)
    assert [str(value.type) for value in half.graph.input] == [
        str(value.type) for value in model.graph.input
    ]
    assert half.ByteSize() < 0.75 * model.ByteSize()
    one, two = session(model), session(half)
    for feed in tiles(2):
        (labels, logits), (ours, close) = one.run(None, feed), two.run(None, feed)
        assert (ours.dtype, close.dtype) == (np.uint8, np.float32)
        assert np.mean(labels == ours) > 0.98
        np.testing.assert_allclose(close, logits, atol=0.02 * np.ptp(logits))


def test_normalisation_means_and_softmax_stay_in_float32():
    build = Builder()
    x = build.image()
    mean = build.node('GlobalAveragePool', build.conv(x, 3, 4))
    scores = build.node('Softmax', build.conv(mean, 4, 4), axis=1)
    half = to_half(build.model({'probabilities': (scores, FULL)}))
    types = elements(half)
    made = {node.op_type: types.get(node.output[0], FULL) for node in half.graph.node}
    assert made['Conv'] == HALF
    assert made['Mul'] == made['GlobalAveragePool'] == made['Softmax'] == FULL
    assert half.graph.output[0].type.tensor_type.elem_type == FULL


def test_constants_beyond_half_precision_stay_in_float32():
    build = Builder()
    x = build.conv(build.image(), 3, 4)
    product = build.node('Mul', x, build.constant(1e6))
    half = to_half(build.model({'labels': (build.node('Relu', product), FULL)}))
    types = elements(half)
    made = {
        node.op_type: types[node.output[0]] for node in half.graph.node if node.output[0] in types
    }
    assert (made['Conv'], made['Mul']) == (HALF, FULL)
    assert np.isfinite(session(half).run(None, tiles(1)[0])[0]).all()


def test_a_tensor_used_in_both_precisions_is_converted_once():
    build = Builder()
    x = build.conv(build.image(), 3, 4)
    both = [build.node('Exp', x), build.node('Exp', x), build.node('Relu', x)]
    half = to_half(build.model({'labels': (build.node('Sum', *both), FULL)}))
    casts = [
        (node.input[0], node.attribute[0].i) for node in half.graph.node if node.op_type == 'Cast'
    ]
    assert len(casts) == len(set(casts))
    assert (x, FULL) in casts


def test_graphs_that_are_no_longer_float32_are_refused():
    half = to_half(gated_network())
    with pytest.raises(ExportError, match='half precision already'):
        to_half(half)
    build = Builder()
    with pytest.raises(ExportError, match='no convolution or product'):
        to_half(build.model({'labels': (build.image(), FULL)}))
