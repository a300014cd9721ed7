# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Weights stored in half precision: half the file, and float32 when it runs."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from onnx import numpy_helper  # noqa: E402
from small_graphs import Builder, tiles  # noqa: E402

from rs_onboard.zoo.errors import ExportError  # noqa: E402
from rs_onboard.zoo.export import session  # noqa: E402
from rs_onboard.zoo.half import to_half  # noqa: E402
from rs_onboard.zoo.quantise import quantise  # noqa: E402
from rs_onboard.zoo.stored_half import LEAST_ELEMENTS, store_half, widen  # noqa: E402

HALF, FULL = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


def network():
    """Convolutions of more and of fewer weights than are worth it, a product and a norm."""
    build = Builder()
    x = build.node('Relu', build.norm(build.conv(build.image(), 3, 32, kernel=3), 32))
    x = build.node('Relu', build.conv(x, 32, 64))
    x = build.conv(x, 64, 64, kernel=3, groups=64)
    rows = build.node('Transpose', x, perm=[0, 2, 3, 1])
    product = build.node('MatMul', rows, build.constant(build.rng.normal(size=(64, 48)) / 8))
    scores = build.node('Transpose', product, perm=[0, 3, 1, 2])
    labels = build.node('ArgMax', scores, axis=1, keepdims=0)
    outputs = {'labels': (build.node('Cast', labels, to=2), 2, 3), 'logits': (scores, FULL)}
    return build.model(outputs)


def one_weight(weight, operator='MatMul', **attributes):
    """A graph of one product with a weight."""
    build = Builder()
    if operator == 'Conv':
        return build.model({'y': (build.node('Conv', build.image(), build.constant(weight)), FULL)})
    flat = build.node('Reshape', build.image(), build.constant([-1, 32], np.int64))
    y = build.node(operator, flat, build.constant(weight), **attributes)
    return build.model({'y': (y, FULL, 2)})


def kinds(model):
    return [tensor.data_type for tensor in model.graph.initializer]


def weights(model):
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def test_large_weights_are_stored_in_half_and_all_others_stay():
    model = network()
    stored = store_half(model)
    before, after = weights(model), weights(stored)
    large = {name for name, value in before.items() if value.size >= LEAST_ELEMENTS}
    assert len(large) == 2
    assert {name for name, value in after.items() if value.dtype == np.float16} == {
        f'{name}_stored' for name in large
    }
    assert all(np.array_equal(after[name], before[name]) for name in set(before) - large)
    assert stored.ByteSize() < 0.75 * model.ByteSize()


def test_widening_gives_the_graph_with_the_rounded_weights():
    model = network()
    wide = widen(store_half(model))
    assert wide.graph.node == model.graph.node
    found = weights(wide)
    assert list(found) == list(weights(model))
    for name, value in weights(model).items():
        stored = value.astype(np.float16) if value.size >= LEAST_ELEMENTS else value
        np.testing.assert_array_equal(found[name], stored.astype(value.dtype))


def test_what_is_done_already_stays_as_it_is():
    model = network()
    stored = store_half(model)
    assert store_half(stored) == stored
    assert widen(model) == model
    assert store_half(widen(stored)) == stored


def test_the_runtime_computes_what_the_widened_graph_does_to_the_bit():
    stored = store_half(network())
    one, two = session(stored), session(widen(stored))
    for feed in tiles(2):
        for found, expected in zip(one.run(None, feed), two.run(None, feed), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('level', ['ORT_ENABLE_BASIC', 'ORT_ENABLE_ALL'])
def test_the_runtime_folds_the_casts_when_it_makes_the_session(tmp_path, level):
    optimised = {}
    for name, model in {'stored': store_half(network()), 'float': network()}.items():
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(tmp_path / f'{name}.onnx')
        data = model.SerializeToString()
        ort.InferenceSession(data, options, providers=['CPUExecutionProvider'])
        optimised[name] = onnx.load(options.optimized_model_filepath)
    stored, plain = optimised['stored'], optimised['float']
    assert HALF not in kinds(stored)
    assert [node.op_type for node in stored.graph.node] == [
        node.op_type for node in plain.graph.node
    ]


def test_a_weight_that_half_precision_holds_badly_stays_in_float32():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(32, 64))
    assert HALF in kinds(store_half(one_weight(weight)))
    too_large, all_small, nothing = weight.copy(), weight.copy(), weight.copy()
    too_large[3, 3] = 7e4
    all_small[:, 5] *= 1e-6
    nothing[0, 0] = np.nan
    for kept in (too_large, all_small, nothing):
        model = one_weight(kept)
        assert store_half(model) == model


def test_small_weights_are_measured_by_the_sum_they_belong_to():
    rng = np.random.default_rng(0)
    one_input = rng.normal(size=(32, 64))
    one_input[5] *= 1e-6
    assert HALF in kinds(store_half(one_weight(one_input)))
    unused = rng.normal(size=(32, 64))
    unused[:, 5] = 0
    assert HALF in kinds(store_half(one_weight(unused)))
    rows = np.ascontiguousarray(one_input.T)
    assert HALF in kinds(store_half(one_weight(rows, 'Gemm', transB=1)))
    by_output = rng.normal(size=(400, 3, 1, 1))
    by_output[5] *= 1e-6
    assert HALF not in kinds(store_half(one_weight(by_output, 'Conv')))
    by_output[5] = 1e-6
    by_output[5, 0] = 1
    assert HALF in kinds(store_half(one_weight(by_output, 'Conv')))


def test_large_constants_that_are_no_weights_stay_in_float32():
    model = one_weight(np.linspace(0, 511, LEAST_ELEMENTS).reshape(-1, 32), 'Add')
    assert store_half(model) == model


def test_a_weight_that_is_also_an_output_stays_in_float32():
    model = one_weight(np.ones((32, 64)))
    model.graph.output.append(onnx.helper.make_tensor_value_info('constant_2', FULL, [32, 64]))
    assert [tensor.name for tensor in model.graph.initializer][-1] == 'constant_2'
    assert store_half(model) == model


def test_int8_is_made_of_a_stored_graph_as_of_the_widened_one():
    stored = store_half(network())
    made = quantise(stored, tiles(2), target=0.5).model
    assert HALF not in kinds(made)
    assert onnx.TensorProto.INT8 in kinds(made)


def test_a_graph_that_computes_in_half_precision_is_made_of_a_stored_one_and_no_stored_one_itself():
    stored = store_half(network())
    half = to_half(stored)
    assert half == to_half(widen(stored))
    assert widen(half) == half
    with pytest.raises(ExportError, match='half precision'):
        quantise(half, tiles(1), target=0.5)
