# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph that can be rewritten: nodes, constants, who makes and who takes a tensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(eq=False)
class Node:
    """One operator.

    Attributes:
        op: Operator type of ai.onnx.
        inputs: Names of tensors, empty for an optional one left out.
        outputs: Names of tensors.
        attributes: By name: numbers, strings, lists of them, or protobuf messages.
    """

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]


class OnnxGraph:
    """Nodes and constants of a model, in any order until `to_model` sorts them.

    Rewrites change it through `add`, `remove`, `set_input` and `redirect`, which keep track of the
    makers and takers of every tensor.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self.inputs = [value.name for value in graph.input]
        self.outputs = [value.name for value in graph.output]
        self.constants: dict[str, Array] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        self.makers: dict[str, Node] = {}
        self._takers: dict[str, list[Node]] = {}
        self.nodes: dict[int, Node] = {}
        self._count = 0
        for proto in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
            if proto.op_type == 'Constant' and 'value' in attributes:
                self.constants[proto.output[0]] = numpy_helper.to_array(attributes['value'])
            elif proto.op_type == 'Identity' and proto.input[0] in self.constants:
                # The exporter stores equal parameters once.
                self.constants[proto.output[0]] = self.constants[proto.input[0]]
            else:
                self._insert(Node(proto.op_type, list(proto.input), list(proto.output), attributes))
        inferred = onnx.shape_inference.infer_shapes(model)
        self.shapes: dict[str, tuple[int | str | None, ...]] = {
            value.name: tuple(
                dim.dim_value if dim.HasField('dim_value') else dim.dim_param or None
                for dim in value.type.tensor_type.shape.dim
            )
            for value in (*inferred.graph.value_info, *graph.input, *graph.output)
            if value.type.tensor_type.HasField('shape')
        }

    def _insert(self, node: Node) -> None:
        self.nodes[id(node)] = node
        for name in node.outputs:
            self.makers[name] = node
        for name in set(node.inputs):
            self._takers.setdefault(name, []).append(node)

    def of(self, *ops: str) -> list[Node]:
        """List the nodes of some operator types."""
        return [node for node in self.nodes.values() if node.op in ops]

    def takers(self, name: str) -> list[Node]:
        """List the nodes that take a tensor, each once."""
        return self._takers.get(name, [])

    def maker(self, name: str, *ops: str) -> Node | None:
        """Find the node that makes a tensor, if it is of one of the types (all without any)."""
        node = self.makers.get(name)
        return node if node is not None and (not ops or node.op in ops) else None

    def only_taker(self, name: str, *ops: str) -> Node | None:
        """Find the single node that takes a tensor, if it is of one of the types."""
        takers = self.takers(name)
        if len(takers) != 1 or name in self.outputs:
            return None
        return takers[0] if not ops or takers[0].op in ops else None

    def constant(self, name: str) -> Array | None:
        """Give the value of a constant tensor."""
        return self.constants.get(name)

    def add_constant(self, value: Array, hint: str = 'constant') -> str:
        """Add a constant and name it."""
        name = self.new_name(hint)
        self.constants[name] = value
        return name

    def new_name(self, hint: str) -> str:
        """Make a tensor name that is not in use."""
        self._count += 1
        return f'{hint}#{self._count}'

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
        *,
        output: str = '',
        outputs: int = 1,
    ) -> Node:
        """Add a node.

        Args:
            op: Operator type.
            inputs: Tensor names.
            attributes: Attributes.
            output: Name of its output, made up if empty.
            outputs: How many outputs to make up.
        """
        names = [output] if output else [self.new_name(op) for _ in range(outputs)]
        node = Node(op, list(inputs), names, dict(attributes or {}))
        self._insert(node)
        return node

    def remove(self, node: Node) -> None:
        """Take a node away; somebody else must make its outputs if they are still taken."""
        del self.nodes[id(node)]
        for name in node.outputs:
            if self.makers.get(name) is node:
                del self.makers[name]
        for name in set(node.inputs):
            self._takers[name].remove(node)

    def set_input(self, node: Node, index: int, name: str) -> None:
        """Let a node take another tensor."""
        old = node.inputs[index]
        node.inputs[index] = name
        if old not in node.inputs:
            self._takers[old].remove(node)
        takers = self._takers.setdefault(name, [])
        if node not in takers:
            takers.append(node)

    def redirect(self, old: str, new: str) -> None:
        """Let all takers of `old`, and the graph's outputs, have `new` instead."""
        for node in list(self.takers(old)):
            for index, name in enumerate(node.inputs):
                if name == old:
                    self.set_input(node, index, new)
        if old in self.outputs:
            maker = self.makers[new]
            renamed = self.makers.pop(old, None)
            if renamed is not None:
                renamed.outputs[renamed.outputs.index(old)] = self.new_name('replaced')
                self.makers[renamed.outputs[0]] = renamed
            maker.outputs[maker.outputs.index(new)] = old
            self.makers[old] = self.makers.pop(new)
            for node in list(self.takers(new)):
                for index, name in enumerate(node.inputs):
                    if name == new:
                        self.set_input(node, index, old)

    def channels(self, name: str) -> int | None:
        """Count the channels (second dimension) of a tensor of rank 4, None where unknown."""
        shape = self.shapes.get(name, ())
        if len(shape) == 4 and isinstance(shape[1], int):
            return shape[1]
        if (value := self.constant(name)) is not None:
            return int(value.shape[-3]) if value.ndim >= 3 else 1
        node = self.makers.get(name)
        found: int | None = None
        if node is None:
            return None
        if node.op == 'Conv' and (weights := self.constant(node.inputs[1])) is not None:
            found = int(weights.shape[0])
        elif node.op in ('Concat', 'Add', 'Mul', 'Sub', 'Max'):
            parts = [self.channels(part) for part in node.inputs]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts) and node.attributes.get('axis', 1) == 1:
                found = sum(known) if node.op == 'Concat' else max(known)
        elif node.op in PER_CHANNEL:
            found = self.channels(node.inputs[0])
        if found is not None:
            self.shapes[name] = (None, found, None, None)
        return found

    def prune(self) -> None:
        """Take away nodes and constants that reach no output."""
        wanted = list(self.outputs)
        alive: set[int] = set()
        while wanted:
            node = self.makers.get(wanted.pop())
            if node is not None and id(node) not in alive:
                alive.add(id(node))
                wanted += node.inputs
        for node in [node for key, node in self.nodes.items() if key not in alive]:
            self.remove(node)
        used = {name for node in self.nodes.values() for name in node.inputs} | set(self.outputs)
        self.constants = {name: value for name, value in self.constants.items() if name in used}

    def share_constants(self) -> None:
        """Store equal constants once: copied parts of a graph bring many."""
        known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        for name, value in self.constants.items():
            first = known.setdefault((value.dtype.str, value.shape, value.tobytes()), name)
            if first != name and name not in self.outputs:
                self.redirect(name, first)

    def sorted_nodes(self) -> list[Node]:
        """Order the nodes so that each comes after the makers of its inputs."""
        done: set[int] = set()
        order: list[Node] = []
        for root in list(self.nodes.values()):
            stack = [(root, False)]
            while stack:
                node, ready = stack.pop()
                if ready:
                    order.append(node)
                elif id(node) not in done:
                    done.add(id(node))
                    stack.append((node, True))
                    stack += [
                        (self.makers[name], False)
                        for name in reversed(node.inputs)
                        if name in self.makers and id(self.makers[name]) not in done
                    ]
        return order

    def to_model(self) -> onnx.ModelProto:
        """Write the graph as a model with the inputs and outputs it came with."""
        self.share_constants()
        self.prune()
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        graph = model.graph
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in self.constants.items()
        )
        graph.node.extend(to_protos(self.sorted_nodes()))
        return model


# Operators whose output has the channels of their first input.
PER_CHANNEL = (
    'AveragePool', 'BatchNormalization', 'Clip', 'GlobalAveragePool', 'HardSigmoid', 'LeakyRelu',
    'Identity', 'MaxPool', 'PRelu', 'Relu', 'Resize', 'Sigmoid', 'Slice',
)  # fmt: skip


def to_protos(nodes: Iterable[Node]) -> list[onnx.NodeProto]:
    """Write nodes, each named by its operator and number."""
    return [
        helper.make_node(
            node.op, node.inputs, node.outputs, name=f'{node.op}_{number}', **node.attributes
        )
        for number, node in enumerate(nodes)
    ]
