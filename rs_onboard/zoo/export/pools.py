# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Global means and the small layers behind them in a form that needs no change of layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.export.convolution import pointwise, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.zoo.export.onnx_graph import Node, OnnxGraph

    Floats = NDArray[np.floating]

ACTIVATIONS = ('Relu', 'Sigmoid')


def pool_globally(graph: OnnxGraph) -> int:
    """Write means over rows and columns as global pools.

    Where the mean becomes a gate again, through Gemm and activations back to (N, C, 1, 1), the
    Gemm become 1x1 convolutions and the reshaping goes.

    Returns:
        How many means were changed.
    """
    count = 0
    for node in graph.of('ReduceMean'):
        if list(node.attributes.get('axes', ())) != [2, 3]:
            continue
        if node.attributes.get('keepdims', 1):
            made = graph.add('GlobalAveragePool', [node.inputs[0]]).output
            graph.redirect(node.output, made)
            graph.remove(node)
        elif chain := gate_chain(graph, node.output):
            made = graph.add('GlobalAveragePool', [node.inputs[0]]).output
            for step in chain:
                made = as_map(graph, step, made)
            graph.redirect(chain[-1].output, made)
        else:
            continue
        count += 1
    graph.prune()
    return count


def gate_chain(graph: OnnxGraph, name: str) -> list[Node]:
    """Follow Gemm and activations to where two Unsqueeze make a map; empty if they do not."""
    chain: list[Node] = []
    raised = 0
    while raised < 2:
        node = graph.only_taker(name, 'Gemm', 'Unsqueeze', *ACTIVATIONS)
        if node is None or (node.op == 'Gemm' and not plain_gemm(graph, node)):
            return []
        if node.op == 'Unsqueeze':
            axes = graph.constant(node.inputs[1])
            if axes is None or sorted(int(axis) for axis in axes) not in ([2], [3], [2, 3]):
                return []
            raised += len(axes)
        chain.append(node)
        name = node.output
    return chain


def plain_gemm(graph: OnnxGraph, node: Node) -> bool:
    """Tell whether a Gemm is x times constant transposed weights plus a constant."""
    ones = all(node.attributes.get(name, 1.0) == 1.0 for name in ('alpha', 'beta'))
    constants = all(graph.constant(name) is not None for name in node.inputs[1:])
    turned = node.attributes.get('transB', 0) == 1 and not node.attributes.get('transA', 0)
    return ones and constants and turned


def as_map(graph: OnnxGraph, step: Node, source: str) -> str:
    """Redo one step of a chain on (N, C, 1, 1)."""
    if step.op == 'Unsqueeze':
        return source
    if step.op != 'Gemm':
        return graph.add(step.op, [source]).output
    weights = np.asarray(graph.constants[step.inputs[1]], dtype=np.float64)
    bias: Floats = np.zeros(len(weights))
    if len(step.inputs) > 2:
        bias = bias + np.asarray(graph.constants[step.inputs[2]], dtype=np.float64)
    return write(graph, pointwise(source, weights, bias))
