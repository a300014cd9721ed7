# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which nodes of a canonical graph have an int8 form in ONNX Runtime, and of what kind they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from rs_onboard.zoo.graph_view import GraphView, float_tensors, groups_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import onnx

Kind = Literal[
    'table', 'multiply', 'mean', 'add', 'concat', 'pool', 'relu', 'move', 'slope', 'dense slope',
    'product', 'depthwise', 'small', 'pointwise', 'spatial',
]  # fmt: skip
# In the order in which the search tries to leave them in float.
KINDS: tuple[Kind, ...] = get_args(Kind)
# What does the arithmetic. All other kinds only keep data in int8 between these.
HEAVY: frozenset[Kind] = frozenset({'small', 'pointwise', 'spatial', 'depthwise', 'product'})
# Whose own range of results can take the place of a Relu.
SATURATING: frozenset[Kind] = HEAVY | {'add', 'multiply'}
SLOPES: frozenset[Kind] = frozenset({'slope', 'dense slope'})
# Convolutions of fewer weights hardly repay a conversion.
SMALL_WEIGHTS = 4096
PLAIN: Mapping[str, Kind] = {
    'Concat': 'concat',
    'GlobalAveragePool': 'mean',
    'AveragePool': 'pool',
    'MaxPool': 'pool',
    'Sigmoid': 'table',
    'LeakyRelu': 'table',
    'Relu': 'relu',
    'Transpose': 'move',
    'Slice': 'move',
    'Split': 'move',
    'Reshape': 'move',
    'Flatten': 'move',
    'Squeeze': 'move',
    'Unsqueeze': 'move',
    'DepthToSpace': 'move',
}
# Resize is missing: ONNX Runtime interpolates 2x in uint8 at a sixth of the speed of float.
# Their output has the values of their input, so both share scale and zero point.
SAME_VALUES = frozenset({name for name, kind in PLAIN.items() if kind == 'move'} | {'MaxPool'})


@dataclass(frozen=True)
class Candidate:
    """A node that has an int8 form.

    Attributes:
        node: The node.
        kind: Its kind.
        inputs: The float tensors it takes.
        end: The tensor it makes, behind the Relu or Clip that saturation replaces.
        absorbed: That Relu or Clip; None where there is none.
        saturates: Highest value of the Clip.
    """

    node: onnx.NodeProto
    kind: Kind
    inputs: tuple[str, ...]
    end: str
    absorbed: onnx.NodeProto | None
    saturates: float


def candidates(model: onnx.ModelProto) -> dict[str, Candidate]:
    """Find the nodes that have an int8 form, by name and in the order of the graph."""
    view = GraphView(model)
    floats = float_tensors(model)
    found: dict[str, Candidate] = {}
    absorbed = gelu_products(view)
    for node in model.graph.node:
        kind = kind_of(view, node)
        if kind is None or node.name in absorbed or view.outputs.intersection(node.output):
            continue
        inputs = tuple(dict.fromkeys(data_inputs(view, node)))
        if not floats.issuperset((*inputs, *node.output)):
            continue
        end, clip, top = node.output[0], None, np.inf
        if kind in SATURATING:
            end, clip, top = saturation(view, end)
        if clip is not None:
            absorbed.add(clip.name)
        found[node.name] = Candidate(node, kind, inputs, end, clip, top)
    return found


def gelu_products(view: GraphView) -> set[str]:
    """Name the products within GELUs: ONNX Runtime fuses a GELU only while all of it is float."""
    names = set()
    for node in view.graph.node:
        if node.op_type == 'Erf':
            for add in view.readers.get(node.output[0], ()):
                names |= {item.name for item in view.readers.get(add.output[0], ())}
    return names


def kind_of(view: GraphView, node: onnx.NodeProto) -> Kind | None:
    """Name the kind of a node; None where it has no int8 form."""
    if node.op_type == 'Conv':
        weight = view.constant(node.input[1])
        biased = len(node.input) > 2 and view.constant(node.input[2]) is None
        if weight is None or biased or weight.ndim != 4:
            return None
        if groups_of(node) > 1:
            return 'depthwise'
        if weight.size < SMALL_WEIGHTS:
            return 'small'
        return 'pointwise' if weight.shape[2:] == (1, 1) else 'spatial'
    if node.op_type == 'MatMul':
        weight = view.constant(node.input[1])
        return 'product' if weight is not None and weight.ndim == 2 else None
    if node.op_type == 'PRelu':
        if not slope_form(view, node):
            return None
        return 'slope' if groups_of(view.maker[node.input[0]]) > 1 else 'dense slope'
    if node.op_type in {'Add', 'Mul'}:
        if any(view.constant(name) is not None for name in node.input):
            return None
        return 'add' if node.op_type == 'Add' else 'multiply'
    return PLAIN.get(node.op_type)


def slope_form(view: GraphView, node: onnx.NodeProto) -> Literal['', 'halves', 'rest']:
    """Say how a PRelu right behind a convolution can be written with two int8 convolutions.

    `halves`: relu(y) + min(0, s * y), for slopes from 0 on. `rest`: s * y + relu((1 - s) * y), for
    slopes up to 1. The two convolutions have weights scaled by the slopes; both Relu and minimum
    come for nothing, as the ends of the range of uint8.
    """
    convolution = view.maker.get(node.input[0])
    slope = view.constant(node.input[1])
    if convolution is None or kind_of(view, convolution) is None or slope is None:
        return ''
    if convolution.op_type != 'Conv' or view.only_reader(node.input[0]) is None:
        return ''
    if slope.size not in {1, len(np.asarray(view.constant(convolution.input[1])))}:
        return ''
    if np.all(slope >= 0):
        return 'halves'
    return 'rest' if np.all(slope <= 1) else ''


def data_inputs(view: GraphView, node: onnx.NodeProto) -> Iterable[str]:
    """Name the inputs that carry images or features, not weights or sizes."""
    if node.op_type in {'Concat', 'Add', 'Mul'}:
        return [name for name in node.input if view.constant(name) is None]
    return list(node.input[:1])


def saturation(view: GraphView, name: str) -> tuple[str, onnx.NodeProto | None, float]:
    """Find the Relu or Clip from 0 that alone reads a tensor: its output, itself, its upper end."""
    reader = view.only_reader(name)
    if reader is not None and not view.outputs.intersection(reader.output):
        if reader.op_type == 'Relu':
            return reader.output[0], reader, np.inf
        if reader.op_type == 'Clip' and len(reader.input) > 1:
            ends = [view.constant(end) if end else None for end in reader.input[1:]]
            if ends[0] is not None and float(ends[0]) == 0:
                top = np.inf if len(ends) < 2 or ends[1] is None else float(ends[1])
                return reader.output[0], reader, top
    return name, None, np.inf


def without_islands(found: Mapping[str, Candidate], chosen: Iterable[str]) -> frozenset[str]:
    """Leave out what would only convert to int8 and back.

    A node that is not heavy stays if something quantised makes one of its inputs and, unless it is
    a mean, which shrinks its input to almost nothing, something quantised reads its output.
    """
    kept = set(chosen)
    while True:
        made = {found[name].end for name in kept}
        made |= {out for name in kept for out in found[name].node.output}
        read = {tensor for name in kept for tensor in found[name].inputs}
        drop = {
            name
            for name in kept
            if found[name].kind not in HEAVY
            and (
                not made.intersection(found[name].inputs)
                or (
                    found[name].kind != 'mean'
                    and not read.intersection({found[name].end, *found[name].node.output})
                )
            )
        }
        if not drop:
            return frozenset(kept)
        kept -= drop
