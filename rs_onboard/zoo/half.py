# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Half precision for GPUs: float16 inside the network, float32 where digits matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.graph_view import attribute, float_tensors
from rs_onboard.zoo.stored_half import widen

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAVY = frozenset({'Conv', 'ConvTranspose', 'Gemm', 'MatMul'})
# All other operators stay in float32: softmax, exponentials, means and norms lose digits in
# float16, resizing and sampling compute positions, and what leads to sizes needs whole numbers.
HALF = HEAVY | {
    'Add', 'AveragePool', 'Clip', 'Concat', 'DepthToSpace', 'Div', 'Erf', 'Expand', 'Flatten',
    'Gather', 'HardSigmoid', 'HardSwish', 'Identity', 'LeakyRelu', 'Max', 'MaxPool', 'Min', 'Mul',
    'PRelu', 'Pad', 'Relu', 'Reshape', 'Sigmoid', 'Slice', 'SpaceToDepth', 'Split', 'Squeeze',
    'Sub', 'Tanh', 'Tile', 'Transpose', 'Unsqueeze', 'Where',
}  # fmt: skip
LARGEST = float(np.finfo(np.float16).max)
TYPES = {True: TensorProto.FLOAT16, False: TensorProto.FLOAT}


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write a float graph in half precision.

    Inputs and outputs keep their types. What comes before the first convolution (normalisation)
    and operators that are sensitive stay in float32, as do nodes with constants beyond float16.
    Weights that are only stored in half precision (`stored_half`) are widened first.

    Raises:
        ExportError: The graph is not float32.
    """
    model = widen(model)
    types = {item.data_type for item in model.graph.initializer}
    operators = {node.op_type for node in model.graph.node}
    if TensorProto.FLOAT16 in types or 'DequantizeLinear' in operators:
        raise ExportError(
            'the graph is quantised or in half precision already; expected float32. Give the fp32 '
            'variant.'
        )
    if not operators & HEAVY:
        raise ExportError(
            'the graph holds no convolution or product; expected at least one to halve. Leave it '
            'in float32.'
        )
    return _Writer(model).write()


class _Writer:
    """The state of one writing: the precision of each tensor, and the nodes so far."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.floats = float_tensors(model)
        self.outputs = {value.name for value in model.graph.output}
        self.constants = {item.name: item for item in model.graph.initializer}
        for node in model.graph.node:
            value = attribute(node, 'value')
            if node.op_type == 'Constant' and isinstance(value, TensorProto):
                self.constants[node.output[0]] = value
        self.half: dict[str, bool] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: dict[str, onnx.TensorProto] = {}

    def write(self) -> onnx.ModelProto:
        """Write all nodes."""
        deep: set[str] = set()
        for node in self.model.graph.node:
            if node.op_type == 'Constant' and node.output[0] in self.constants:
                continue
            inner = node.op_type in HEAVY or bool(deep.intersection(node.input))
            if inner:
                deep.update(node.output)
            half = inner and node.op_type in HALF and self._representable(node.input)
            self._write_node(node, half=half)
        graph = self.model.graph
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(self.initialisers.values())
        onnx.checker.check_model(self.model, full_check=True)
        return self.model

    def _representable(self, names: Iterable[str]) -> bool:
        values = [self.constants[name] for name in names if name in self.constants]
        return all(
            float(np.abs(numpy_helper.to_array(item)).max(initial=0)) <= LARGEST
            for item in values
            if item.data_type == TensorProto.FLOAT
        )

    def _write_node(self, node: onnx.NodeProto, *, half: bool) -> None:
        fresh = onnx.NodeProto()
        fresh.CopyFrom(node)
        for index, name in enumerate(node.input):
            fresh.input[index] = self._as(name, half=half)
        self.nodes.append(fresh)
        for index, name in enumerate(node.output):
            if name not in self.floats:
                continue
            self.half[name] = half
            if half and name in self.outputs:
                fresh.output[index] = f'{name}_half'
                self._cast(f'{name}_half', name, half=False)
                self.half[name] = False

    def _as(self, name: str, *, half: bool) -> str:
        """Give a tensor in a precision, by a cast or another constant where needed."""
        if (constant := self.constants.get(name)) is not None:
            if constant.data_type != TensorProto.FLOAT or not half:
                kept = onnx.TensorProto()
                kept.CopyFrom(constant)
                kept.name = name
                self.initialisers[name] = kept
                return name
            value = numpy_helper.to_array(constant).astype(np.float16)
            self.initialisers[f'{name}_half'] = numpy_helper.from_array(value, f'{name}_half')
            return f'{name}_half'
        if name not in self.floats or self.half.get(name, False) == half:
            return name
        other = f'{name}_{"half" if half else "float"}'
        if other not in self.half:
            self._cast(name, other, half=half)
            self.half[other] = half
        return other

    def _cast(self, source: str, target: str, *, half: bool) -> None:
        self.nodes.append(
            helper.make_node('Cast', [source], [target], name=f'{target}_cast', to=TYPES[half])
        )
