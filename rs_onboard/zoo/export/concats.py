# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Take concatenations of channels out of a graph: copies of whole maps, and changes of layout.

What follows a concatenation is done to its parts instead, down to the dense convolution that takes
them, which becomes a sum of convolutions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.export.convolution import read, write
from rs_onboard.zoo.export.norms import bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.zoo.export.onnx_graph import Node, OnnxGraph

# ONNX Runtime blocks channels by this many on the widest processors.
BLOCK = 16
# Operators that do the same to every channel.
ALIKE = (
    'AveragePool', 'Clip', 'GlobalAveragePool', 'HardSigmoid', 'LeakyRelu', 'MaxPool', 'Relu',
    'Resize', 'Sigmoid', 'Slice',
)  # fmt: skip
# Operators whose further inputs are constants, one value a channel.
PARAMETRIC = ('BatchNormalization', 'PRelu')


def sink_concats(graph: OnnxGraph) -> int:
    """Do what follows a concatenation to its parts, where all that follows can be done so.

    Returns:
        How many operators were done in parts.
    """
    count = 0
    progress = True
    while progress:
        progress = False
        for concat in (node for node in graph.sorted_nodes() if node.op == 'Concat'):
            if graph.makers.get(concat.output) is concat and sinks(graph, concat):
                concat_ = flattened(graph, concat)
                for taker in list(graph.takers(concat_.output)):
                    pass_on(graph, concat_, taker)
                    count += 1
                progress = True
        graph.prune()
    return count


def sinks(graph: OnnxGraph, concat: Node) -> bool:
    """Tell whether a concatenation of maps can be passed on to all of its takers."""
    takers = graph.takers(concat.output)
    if not takers or concat.output in graph.outputs or bounds(graph, concat) is None:
        return False
    # Vectors are small and aligned: there is nothing to win.
    if graph.maker(concat.inputs[0], 'GlobalAveragePool') is not None:
        return False
    if not all(takes_parts(graph, concat, taker) for taker in takers):
        return False
    # Maps that fill blocks are joined without a change of layout, which costs less than sums do;
    # but a norm or PReLU must reach its convolution, and a convolution the map before a resize.
    whole = all((graph.channels(part) or 1) % BLOCK == 0 for part in concat.inputs)
    enlarged = any(graph.maker(part, 'Resize') is not None for part in concat.inputs)
    return not whole or enlarged or all(taker.op in PARAMETRIC for taker in takers)


def takes_parts(graph: OnnxGraph, concat: Node, taker: Node) -> bool:
    """Tell whether an operator can be done to the parts of a concatenation."""
    name = concat.output
    if taker.op == 'Conv':
        convolution = read(graph, taker)
        return convolution is not None and (convolution.dense or convolution.depthwise)
    if taker.op == 'Slice':
        axes = graph.constant(taker.inputs[3]) if len(taker.inputs) > 3 else None
        return axes is not None and axes.tolist() == [0] and taker.inputs[0] == name
    if taker.op in ALIKE:
        return taker.inputs[0] == name
    if taker.op in PARAMETRIC:
        return all(graph.constant(other) is not None for other in taker.inputs[1:])
    if taker.op == 'Concat':
        return bounds(graph, taker) is not None
    others = [other for other in taker.inputs if other != name]
    if len(others) != 1:
        return False
    if taker.op == 'Add':
        other = graph.maker(others[0], 'Concat')
        return other is not None and bounds(graph, other) == bounds(graph, concat)
    return taker.op == 'Mul' and gate_of(graph, others[0]) is not None


def gate_of(graph: OnnxGraph, name: str) -> Node | None:
    """Find the convolution of a gate sigmoid(conv) with one taker, None where there is none."""
    sigmoid = graph.maker(name, 'Sigmoid')
    if sigmoid is None or graph.only_taker(name) is None:
        return None
    node = graph.maker(sigmoid.inputs[0], 'Conv')
    return node if node is not None and graph.only_taker(node.output) is not None else None


def flattened(graph: OnnxGraph, concat: Node) -> Node:
    """Replace inputs that are themselves concatenations by their parts."""
    parts: list[str] = []
    for name in concat.inputs:
        inner = graph.maker(name, 'Concat')
        parts += inner.inputs if inner is not None and bounds(graph, inner) else [name]
    if parts == concat.inputs:
        return concat
    made = graph.add('Concat', parts, concat.attributes)
    graph.redirect(concat.output, made.output)
    graph.remove(concat)
    return made


def pass_on(graph: OnnxGraph, concat: Node, taker: Node) -> None:
    """Do one taker to the parts of a concatenation."""
    name = concat.output
    limits = bounds(graph, concat) or []
    convolution = read(graph, taker)
    if taker.op == 'Concat':
        parts = [x for other in taker.inputs for x in (concat.inputs if other == name else [other])]
        made = graph.add('Concat', parts, taker.attributes).output
    elif convolution is not None and convolution.dense:
        made = ''
        for part, (start, stop) in zip(concat.inputs, limits, strict=True):
            bias = np.zeros_like(convolution.bias) if made else convolution.bias
            weights = convolution.weights[:, start:stop]
            term = write(graph, replace(convolution, source=part, weights=weights, bias=bias))
            made = graph.add('Add', [made, term]).output if made else term
    else:
        do = part_maker(graph, concat, taker)
        parts = [do(index, start, stop) for index, (start, stop) in enumerate(limits)]
        made = graph.add('Concat', parts, {'axis': 1}).output
    graph.redirect(taker.output, made)
    graph.remove(taker)


def part_maker(graph: OnnxGraph, concat: Node, taker: Node) -> Callable[[int, int, int], str]:
    """Say how to do an operator to one part, given by its number and its channels."""
    convolution = read(graph, taker)
    other = next((x for x in taker.inputs if x != concat.output), '')

    def do(index: int, start: int, stop: int) -> str:
        part = concat.inputs[index]
        if convolution is not None:
            return write(graph, replace(convolution.outputs(start, stop), source=part))
        rest = list(taker.inputs[1:])
        if taker.op in PARAMETRIC:
            rest = [graph.add_constant(graph.constants[x][start:stop]) for x in rest]
        elif taker.op == 'Add':
            rest = [graph.makers[other].inputs[index]]
        elif taker.op == 'Mul':
            gate = read(graph, gate_of(graph, other))
            assert gate is not None
            rest = [graph.add('Sigmoid', [write(graph, gate.outputs(start, stop))]).output]
        return graph.add(taker.op, [part, *rest], taker.attributes).output

    return do
