# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A graph with who makes and who reads each tensor, to find and replace patterns in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class GraphView:
    """Look-ups over a graph; rebuilt after every change of it.

    Attributes:
        graph: The graph itself.
        maker: Node by the name of each tensor it makes.
        readers: Nodes by the name of each tensor they read.
        constants: Initialisers by name.
        outputs: Names of the graph outputs.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.maker = {name: node for node in self.graph.node for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(node)
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.outputs = {value.name for value in self.graph.output}

    def constant(self, name: str) -> NDArray[Any] | None:
        """Give the value of an initialiser or Constant node; None where `name` is neither."""
        if (tensor := self.constants.get(name)) is not None:
            found: NDArray[Any] = numpy_helper.to_array(tensor)
            return found
        node = self.maker.get(name)
        if node is not None and node.op_type == 'Constant':
            value = attribute(node, 'value')
            if isinstance(value, onnx.TensorProto):
                made: NDArray[Any] = numpy_helper.to_array(value)
                return made
        return None

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """Give the node that reads a tensor nobody else reads."""
        readers = self.readers.get(name, [])
        if len(readers) != 1 or name in self.outputs:
            return None
        return readers[0]


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """Give the value of an attribute."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def groups_of(node: onnx.NodeProto) -> int:
    """Give the number of groups of a convolution."""
    return int(attribute(node, 'group', 1))


def float_tensors(model: onnx.ModelProto) -> set[str]:
    """Name the tensors of element type float32."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    infos = (*inferred.value_info, *inferred.input, *inferred.output)
    return {
        info.name for info in infos if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }


def replace_nodes(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Give the graph other nodes and drop the initialisers that none of them reads."""
    kept = list(nodes)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    read = {name for node in kept for name in node.input}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)
