# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a canonical float graph with QuantizeLinear and DequantizeLinear around chosen nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rs_onboard.zoo.graph_view import GraphView, replace_nodes
from rs_onboard.zoo.quantise.kinds import SAME_VALUES, SLOPES, Candidate, slope_form
from rs_onboard.zoo.quantise.ranges import Span, unite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

# How much wider than its own the range of a tensor with other readers may become to be joined.
WIDENED = 1.5
# Biases are int32; this leaves room for the sums they start.
BIAS_LIMIT = 2.0**29


def insert(
    model: onnx.ModelProto,
    found: Mapping[str, Candidate],
    chosen: frozenset[str],
    ranges: Mapping[str, Span],
) -> onnx.ModelProto:
    """Quantise the chosen nodes of a canonical graph.

    Args:
        model: Canonical float graph.
        found: Its candidates.
        chosen: Names of the nodes to quantise.
        ranges: Range of every tensor they take or make.
    """
    return Writer(model, found, chosen, ranges).write()


class Writer:
    """The state of one writing: which tensors have an int8 form, and the nodes so far."""

    def __init__(
        self,
        model: onnx.ModelProto,
        found: Mapping[str, Candidate],
        chosen: frozenset[str],
        ranges: Mapping[str, Span],
    ) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.view = GraphView(self.model)
        slopes = {
            self.view.maker[found[name].node.input[0]].name: found[name].node
            for name in chosen
            if found[name].kind in SLOPES
        }
        self.slopes = {name: node for name, node in slopes.items() if name in chosen}
        merged = {node.name for node in self.slopes.values()}
        self.chosen = {
            name: found[name]
            for name in found
            if name in chosen and (name in merged or found[name].kind not in SLOPES)
        }
        self.skipped = merged | {
            item.absorbed.name for item in self.chosen.values() if item.absorbed is not None
        }
        self.spans = self._shared(ranges)
        # Tensors of which float nodes, too, read the int8 form, because no other is made.
        self.made = {end for item in self.chosen.values() for end in self._ends(item)}
        self.nodes: list[onnx.NodeProto] = []

    def _ends(self, item: Candidate) -> tuple[str, ...]:
        if (slope := self.slopes.get(item.node.name)) is not None:
            return tuple(slope.output)
        return (item.end,) if item.absorbed is not None else tuple(item.node.output)

    def _shared(self, ranges: Mapping[str, Span]) -> dict[str, Span]:
        """Give each tensor its range; tensors of the same values the same one."""
        own: dict[str, Span] = {}
        groups = Groups()
        for item in self.chosen.values():
            ends = self._ends(item)
            for name in (*item.inputs, *ends):
                own.setdefault(name, ranges[name])
                groups.add(name)
            if item.absorbed is not None and ends:
                top = min(max(ranges[item.end].high, 0.0), item.saturates)
                own[item.end] = Span(0.0, top)
            if item.node.op_type in SAME_VALUES:
                for name in ends:
                    groups.join(item.inputs[0], name)
            if item.kind == 'concat':
                own[item.end] = unite(own[name] for name in item.inputs)
                for name in self._joining(item, own, groups):
                    groups.join(item.end, name)
        return {
            name: unite(own[member] for member in members)
            for members in groups.members()
            for name in members
        }

    def _joining(self, item: Candidate, own: Mapping[str, Span], groups: Groups) -> Iterator[str]:
        """Name the inputs of a concatenation that take its range, and are then only copied.

        The others are converted: a range much wider than their own would cost their other readers
        digits, and one that does not end where a Relu or Clip does would let through what that
        cuts off.
        """
        whole = own[item.end]
        ends = {known.end: known for known in self.chosen.values() if known.absorbed is not None}
        for name in item.inputs:
            cut = [ends[member] for member in groups.group(name) if member in ends]
            if cut and (whole.low < 0 or any(known.saturates < whole.high for known in cut)):
                continue
            maker = self.view.maker.get(name)
            alone = self.view.only_reader(name) is not None
            copied = maker is not None and maker.op_type == 'Concat'
            close = width(whole) <= WIDENED * width(own[name])
            if close or (alone and not copied):
                yield name

    def write(self) -> onnx.ModelProto:
        """Write all nodes."""
        needed = {name for item in self.chosen.values() for name in item.inputs}
        for value in self.model.graph.input:
            if value.name in needed:
                self._convert(value.name, self.spans[value.name])
        for node in list(self.model.graph.node):
            if node.name in self.skipped:
                continue
            item = self.chosen.get(node.name)
            if item is None:
                self._write_float(node)
            elif node.name in self.slopes:
                self._write_sloped(item, self.slopes[node.name])
                continue
            else:
                self._write_int8(item)
            for name in node.output if item is None else self._ends(item):
                if name in needed or name in self.made:
                    self._convert(name, self.spans[name])
        replace_nodes(self.model, self.nodes)
        del self.model.graph.value_info[:]
        return self.model

    def _write_float(self, node: onnx.NodeProto) -> None:
        fresh = onnx.NodeProto()
        fresh.CopyFrom(node)
        for index, name in enumerate(node.input):
            if name in self.made:
                fresh.input[index] = f'{name}_dq'
        self.nodes.append(fresh)

    def _write_int8(self, item: Candidate) -> None:
        fresh = onnx.NodeProto()
        fresh.CopyFrom(item.node)
        for index, name in enumerate(item.node.input):
            if name in item.inputs:
                fresh.input[index] = f'{name}_dq'
        if item.absorbed is not None:
            fresh.output[0] = item.end
        if item.node.op_type == 'Conv':
            weights = self._weights(item.node, 1.0, item.node.name)
            del fresh.input[1:]
            fresh.input.extend(weights)
        elif item.node.op_type == 'MatMul':
            weight = np.asarray(self.view.constant(item.node.input[1]), np.float32)
            fresh.input[1] = self._constant(weight, steps_of(weight, 1), f'{item.node.name}_w', 1)
        self.nodes.append(fresh)

    def _write_sloped(self, item: Candidate, slope_node: onnx.NodeProto) -> None:
        """Write convolution and PRelu as the sum of two convolutions; see `slope_form`."""
        slope = np.asarray(self.view.constant(slope_node.input[1]), np.float64).reshape(-1)
        end = slope_node.output[0]
        span = self.spans[end]
        if slope_form(self.view, slope_node) == 'halves':
            parts = [(np.ones_like(slope), Span(0.0, span.high)), (slope, Span(span.low, 0.0))]
        else:
            bounds = max(-span.low, span.high)
            most = float(np.abs(slope).max()) or 1.0
            top = span.high * float(np.max(1 - slope))
            parts = [(1 - slope, Span(0.0, top)), (slope, Span(-bounds * most, bounds * most))]
        names = []
        for index, (factor, part_span) in enumerate(parts):
            name = f'{item.node.output[0]}_part{index}'
            fresh = onnx.NodeProto()
            fresh.CopyFrom(item.node)
            fresh.name = f'{item.node.name}_part{index}'
            weights = self._weights(item.node, factor, fresh.name)
            del fresh.input[:], fresh.output[:]
            fresh.input.extend((f'{item.inputs[0]}_dq', *weights))
            fresh.output.append(name)
            self.nodes.append(fresh)
            self._convert(name, part_span)
            names.append(f'{name}_dq')
        self.nodes.append(helper.make_node('Add', names, [end], name=f'{slope_node.name}_sum'))
        self._convert(end, span)

    def _weights(
        self, node: onnx.NodeProto, factor: float | NDArray[np.float64], name: str
    ) -> list[str]:
        """Write weights and bias of a convolution, times a factor a channel; give their names."""
        weight = np.asarray(self.view.constant(node.input[1]), np.float64)
        scale = np.broadcast_to(np.asarray(factor), (len(weight),))
        weight = weight * scale.reshape((-1,) + (1,) * (weight.ndim - 1))
        steps = steps_of(weight, 0)
        step_in, _ = step_and_zero(self.spans[node.input[0]])
        names = []
        bias = None
        if len(node.input) > 2:
            bias = np.asarray(self.view.constant(node.input[2]), np.float64) * scale
            steps = np.maximum(steps, np.abs(bias) / (step_in * BIAS_LIMIT))
        names.append(self._constant(weight, steps.astype(np.float32), f'{name}_w', 0))
        if bias is not None:
            both = (steps.astype(np.float32) * step_in).astype(np.float32)
            names.append(self._constant(bias, both, f'{name}_b', 0, np.int32))
        return names

    def _constant(
        self,
        value: NDArray[np.floating],
        steps: NDArray[np.float32],
        name: str,
        axis: int,
        dtype: type[np.signedinteger] = np.int8,
    ) -> str:
        """Write a constant in whole steps, dequantised; give the name of its float form."""
        shape = [1] * value.ndim
        shape[axis] = -1
        whole = np.rint(value / steps.reshape(shape).astype(np.float64))
        if dtype is np.int8:
            whole = np.clip(whole, -127, 127)
        initialisers = self.model.graph.initializer
        initialisers.append(numpy_helper.from_array(whole.astype(dtype), f'{name}_q'))
        initialisers.append(numpy_helper.from_array(steps.astype(np.float32), f'{name}_s'))
        zeros = np.zeros(steps.shape, dtype)
        initialisers.append(numpy_helper.from_array(zeros, f'{name}_z'))
        self.nodes.append(
            helper.make_node(
                'DequantizeLinear',
                [f'{name}_q', f'{name}_s', f'{name}_z'],
                [f'{name}_dq'],
                name=f'{name}_dequantise',
                axis=axis,
            )
        )
        return f'{name}_dq'

    def _convert(self, name: str, span: Span) -> None:
        """Append conversion to uint8 and back."""
        step, zero = step_and_zero(span)
        constants = (f'{name}_s', f'{name}_z')
        for constant, value in zip(constants, (step, np.uint8(zero)), strict=True):
            self.model.graph.initializer.append(
                numpy_helper.from_array(np.asarray(value), constant)
            )
        self.nodes += [
            helper.make_node(
                'QuantizeLinear', [name, *constants], [f'{name}_q'], name=f'{name}_quantise'
            ),
            helper.make_node(
                'DequantizeLinear',
                [f'{name}_q', *constants],
                [f'{name}_dq'],
                name=f'{name}_dequantise',
            ),
        ]


class Groups:
    """Names in groups that grow together (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def add(self, name: str) -> None:
        """Make a group of one, unless the name is known."""
        self._parent.setdefault(name, name)

    def root(self, name: str) -> str:
        """Name the group of a member."""
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def join(self, one: str, two: str) -> None:
        """Make the groups of two members one."""
        self._parent[self.root(two)] = self.root(one)

    def group(self, name: str) -> list[str]:
        """List the members of the group of a name."""
        root = self.root(name)
        return [member for member in self._parent if self.root(member) == root]

    def members(self) -> list[list[str]]:
        """List all groups."""
        groups: dict[str, list[str]] = {}
        for name in self._parent:
            groups.setdefault(self.root(name), []).append(name)
        return list(groups.values())


def width(span: Span) -> float:
    """Give the length of a range."""
    return span.high - span.low


def step_and_zero(span: Span) -> tuple[np.float32, int]:
    """Give scale and zero point of uint8 for a range."""
    step = np.float32(max(span.high - span.low, 1e-8) / 255)
    return step, int(np.clip(np.rint(-span.low / step), 0, 255))


def steps_of(weight: NDArray[np.floating], axis: int) -> NDArray[np.float32]:
    """Give the symmetric int8 step of each output channel."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    peak = np.abs(weight).max(axis=others)
    return np.asarray(np.maximum(peak, 1e-8) / 127, np.float32)
