# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Exact rewrites of a float graph into the few forms that quantisation knows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

from rs_onboard.zoo.graph_view import GraphView, attribute, replace_nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants, then write every slope as PRelu, every channel mean as GlobalAveragePool.

    Norms, slopes and Relu behind a concatenation move in front of it, where they melt into the
    convolutions. The result computes what `model` does, up to rounding.
    """
    prepared = prepare(model)
    rewrites = (
        join_slopes,
        norms_before_concat,
        slopes_before_concat,
        relus_before_concat,
        means_as_pools,
    )
    for rewrite in rewrites:
        rewrite(prepared)
    return prepared


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and norms, infer shapes, staying within ai.onnx; give each node a name."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / 'float.onnx', Path(folder) / 'prepared.onnx'
        onnx.save(model, source)
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        prepared = onnx.load(target)
    used = {node.domain for node in prepared.graph.node} | {''}
    kept = [entry for entry in prepared.opset_import if entry.domain in used]
    del prepared.opset_import[:]
    prepared.opset_import.extend(kept)
    del prepared.metadata_props[:]
    seen: set[str] = set()
    for index, node in enumerate(prepared.graph.node):
        node.doc_string = ''
        if not node.name or node.name in seen:
            node.name = f'{node.op_type}_{index}'
        seen.add(node.name)
    prepared.ir_version = model.ir_version
    return prepared


def join_slopes(model: onnx.ModelProto) -> None:
    """Write s * x + (1 - s) * relu(x) as PRelu(x, s)."""
    view = GraphView(model)
    gone: set[str] = set()
    nodes = []
    for node in model.graph.node:
        found = slope_of(view, node) if node.op_type == 'Add' else None
        if found is None:
            nodes.append(node)
            continue
        source, slope, members = found
        gone.update(members)
        name = f'{node.output[0]}_slope'
        model.graph.initializer.append(numpy_helper.from_array(slope, name))
        nodes.append(helper.make_node('PRelu', [source, name], list(node.output), name=node.name))
    replace_nodes(model, (node for node in nodes if node.name not in gone))


def slope_of(
    view: GraphView, add: onnx.NodeProto
) -> tuple[str, NDArray[np.float32], set[str]] | None:
    """Match the sum of a scaled tensor and its scaled Relu.

    Returns:
        The tensor, its slopes (C, 1, 1) and the names of the nodes in between.
    """
    parts = [view.maker.get(name) for name in add.input]
    scaled: dict[str, tuple[str, NDArray[np.generic], onnx.NodeProto]] = {}
    for part in parts:
        if part is None or part.op_type != 'Mul' or view.only_reader(part.output[0]) is None:
            return None
        factors = [view.constant(name) for name in part.input]
        if (factors[0] is None) == (factors[1] is None):
            return None
        index = 0 if factors[1] is not None else 1
        factor = factors[1 - index]
        assert factor is not None
        maker = view.maker.get(part.input[index])
        kind = 'relu' if maker is not None and maker.op_type == 'Relu' else 'plain'
        scaled[kind] = (part.input[index], factor, part)
    if set(scaled) != {'relu', 'plain'}:
        return None
    relu = view.maker[scaled['relu'][0]]
    source, slope = scaled['plain'][0], np.asarray(scaled['plain'][1], np.float32)
    rest = np.asarray(scaled['relu'][1], np.float32)
    if relu.input[0] != source or not np.allclose(slope + rest, 1, atol=1e-5):
        return None
    members = {part.name for _, _, part in scaled.values()}
    if view.only_reader(relu.output[0]) is not None:
        members.add(relu.name)
    channels = slope.reshape(-1)
    return source, channels.reshape(-1, 1, 1), members


def joined_convolutions(view: GraphView, name: str) -> list[onnx.NodeProto] | None:
    """Give the convolutions whose outputs, read by nobody else, are concatenated to a tensor."""
    concat = view.maker.get(name)
    if concat is None or concat.op_type != 'Concat' or attribute(concat, 'axis') != 1:
        return None
    if view.only_reader(name) is None:
        return None
    parts = []
    for part in concat.input:
        maker = view.maker.get(part)
        if maker is None or maker.op_type != 'Conv' or view.only_reader(part) is None:
            return None
        if view.constant(maker.input[1]) is None:
            return None
        parts.append(maker)
    return parts


def norms_before_concat(model: onnx.ModelProto) -> None:
    """Fold a norm into the convolutions whose concatenation it norms."""
    view = GraphView(model)
    nodes = []
    for node in model.graph.node:
        parts = None
        if node.op_type == 'BatchNormalization':
            parts = joined_convolutions(view, node.input[0])
        if parts is None:
            nodes.append(node)
            continue
        values = [view.constant(name) for name in node.input[1:5]]
        scale, shift, mean, variance = (np.asarray(value, np.float64) for value in values)
        epsilon = attribute(node, 'epsilon', 1e-5)
        factor = scale / np.sqrt(variance + epsilon)
        offset = shift - mean * factor
        start = 0
        for part in parts:
            start += scale_convolution(model, view, part, factor[start:], offset[start:])
        concat = view.maker[node.input[0]]
        concat.output[0] = node.output[0]
    replace_nodes(model, nodes)


def scale_convolution(
    model: onnx.ModelProto,
    view: GraphView,
    node: onnx.NodeProto,
    factor: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> int:
    """Multiply the outputs of a convolution by the leading factors and add the leading offsets.

    Returns:
        The number of its output channels.
    """
    weight = np.asarray(view.constant(node.input[1]), np.float64)
    count = len(weight)
    given = view.constant(node.input[2]) if len(node.input) > 2 else None
    bias = np.zeros(count) if given is None else given.astype(np.float64)
    shape = (-1,) + (1,) * (weight.ndim - 1)
    names = (f'{node.output[0]}_weight', f'{node.output[0]}_bias')
    arrays = (weight * factor[:count].reshape(shape), bias * factor[:count] + offset[:count])
    for name, array in zip(names, arrays, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
    data = node.input[0]
    del node.input[:]
    node.input.extend((data, *names))
    return count


def slopes_before_concat(model: onnx.ModelProto) -> None:
    """Give each convolution its own slopes where their concatenation has them."""
    view = GraphView(model)
    before: dict[str, list[onnx.NodeProto]] = {}
    gone = set()
    for node in model.graph.node:
        parts = joined_convolutions(view, node.input[0]) if node.op_type == 'PRelu' else None
        if parts is None:
            continue
        slope = np.asarray(view.constant(node.input[1]), np.float32)
        widths = [len(np.asarray(view.constant(part.input[1]))) for part in parts]
        if len(slope) != sum(widths):
            continue
        concat = view.maker[node.input[0]]
        start = 0
        fresh = []
        for part, width in zip(parts, widths, strict=True):
            name = f'{part.output[0]}_slope'
            chosen = np.ascontiguousarray(slope[start : start + width])
            model.graph.initializer.append(numpy_helper.from_array(chosen, name))
            sloped = f'{part.output[0]}_sloped'
            fresh.append(
                helper.make_node('PRelu', [part.output[0], name], [sloped], name=f'{name}_node')
            )
            start += width
        del concat.input[:]
        concat.input.extend(item.output[0] for item in fresh)
        concat.output[0] = node.output[0]
        before[concat.name] = fresh
        gone.add(node.name)
    nodes = []
    for node in model.graph.node:
        if node.name not in gone:
            nodes += [*before.get(node.name, ()), node]
    replace_nodes(model, nodes)


def relus_before_concat(model: onnx.ModelProto) -> None:
    """Give each part of a concatenation its own Relu where the whole has one."""
    view = GraphView(model)
    nodes = []
    gone = set()
    for node in model.graph.node:
        relu = view.only_reader(node.output[0]) if node.op_type == 'Concat' else None
        if relu is not None and relu.op_type == 'Relu':
            for index, part in enumerate(node.input):
                bent = f'{node.output[0]}_bent{index}'
                nodes.append(helper.make_node('Relu', [part], [bent], name=bent))
                node.input[index] = bent
            node.output[0] = relu.output[0]
            gone.add(relu.name)
        nodes.append(node)
    replace_nodes(model, (node for node in nodes if node.name not in gone))


def means_as_pools(model: onnx.ModelProto) -> None:
    """Write the mean over height and width as GlobalAveragePool, which has an int8 form.

    The mean over the height alone becomes a product with a row of 1 / H: between int8 nodes ONNX
    Runtime keeps channels last, and reduces over the height at a tenth of the usual speed there.
    """
    nodes = []
    for node in model.graph.node:
        axes = sorted(attribute(node, 'axes', [])) if node.op_type == 'ReduceMean' else []
        kept = attribute(node, 'keepdims', 1) == 1
        if axes in ([2, 3], [-2, -1]):
            nodes += global_pool(node, kept=kept)
        elif axes in ([2], [-2]) and kept:
            nodes += row_product(model, node)
        else:
            nodes.append(node)
    replace_nodes(model, nodes)


def global_pool(node: onnx.NodeProto, *, kept: bool) -> list[onnx.NodeProto]:
    """Write a mean over height and width."""
    pooled = node.output[0] if kept else f'{node.output[0]}_pooled'
    nodes = [helper.make_node('GlobalAveragePool', [node.input[0]], [pooled], name=node.name)]
    if not kept:
        name = f'{node.name}_flat'
        nodes.append(helper.make_node('Flatten', [pooled], list(node.output), name=name, axis=1))
    return nodes


def row_product(model: onnx.ModelProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Write a mean over the height of (N, C, H, W), dimensions kept."""
    base = node.output[0]
    constants = {
        'third': np.array([2]),
        'one': np.array([1]),
        'unit': np.ones(1, np.float32),
    }
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(value, f'{base}_{name}'))

    def step(operator: str, inputs: list[str], output: str) -> onnx.NodeProto:
        names = [item if item == node.input[0] else f'{base}_{item}' for item in inputs]
        return helper.make_node(operator, names, [output], name=f'{output}_{operator}')

    cast = step('Cast', ['height'], f'{base}_count')
    cast.attribute.append(helper.make_attribute('to', onnx.TensorProto.FLOAT))
    size = step('Concat', ['one', 'height'], f'{base}_size')
    size.attribute.append(helper.make_attribute('axis', 0))
    return [
        step('Shape', [node.input[0]], f'{base}_shape'),
        step('Gather', ['shape', 'third'], f'{base}_height'),
        cast,
        step('Div', ['unit', 'count'], f'{base}_share'),
        size,
        step('Expand', ['share', 'size'], f'{base}_row'),
        step('MatMul', ['row', node.input[0]], base),
    ]
