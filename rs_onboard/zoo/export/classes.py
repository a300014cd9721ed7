# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Labels and confidence of segmentation from one map a class instead of reductions over classes.

ONNX Runtime reduces over an axis that is not the last element by element; maximum, comparison and
sum of whole maps are vectorised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from rs_onboard.zoo.export.onnx_graph import Node, OnnxGraph

# Beyond, passes over the map cost more than the reductions.
MOST_CLASSES = 16


@dataclass(frozen=True)
class Decision:
    """The end of a segmentation graph.

    Attributes:
        logits: (N, classes, H, W).
        classes: Their number.
        labels: Makes the labels (N, H, W) uint8.
        total: Makes the sum (N, H, W) of exp(logit - highest logit).
    """

    logits: str
    classes: int
    labels: Node
    total: Node


def reduce_by_class(graph: OnnxGraph) -> int:
    """Compute highest logit, label and sum of exponentials from one map a class.

    Of equal logits the first wins, as before.

    Returns:
        1 where the graph labels pixels so, else 0.
    """
    found = [decision for node in graph.of('ArgMax') if (decision := decision_of(graph, node))]
    for decision in found:
        ones = graph.add_constant(np.ones(decision.classes, np.int64), 'ones')
        inputs = [decision.logits, ones]
        maps = graph.add('Split', inputs, {'axis': 1}, outputs=decision.classes).outputs
        top = graph.add('Max', maps).output
        powers = [graph.add('Exp', [graph.add('Sub', [x, top]).output]).output for x in maps]
        replace(graph, decision.total, graph.add('Sum', powers).output)
        label = constant(graph, decision.classes - 1)
        for index in range(decision.classes - 2, -1, -1):
            highest = graph.add('Equal', [maps[index], top]).output
            label = graph.add('Where', [highest, constant(graph, index), label]).output
        replace(graph, decision.labels, label)
    graph.prune()
    return len(found)


def constant(graph: OnnxGraph, label: int) -> str:
    """Add a label as a constant (1, 1, 1, 1)."""
    return graph.add_constant(np.full((1, 1, 1, 1), label, np.uint8), 'label')


def replace(graph: OnnxGraph, node: Node, name: str) -> None:
    """Take (N, 1, H, W) `name` for the (N, H, W) output of a node."""
    axis = graph.add_constant(np.array([1], np.int64), 'axis')
    made = graph.add('Squeeze', [name, axis])
    graph.redirect(node.output, made.output)
    graph.remove(node)


def decision_of(graph: OnnxGraph, argmax: Node) -> Decision | None:
    """Recognise argmax as uint8 beside the sum of exp(logits - highest) over the same logits."""
    logits = argmax.inputs[0]
    classes = graph.channels(logits)
    if argmax.attributes.get('axis', 0) != 1 or argmax.attributes.get('keepdims', 1):
        return None
    labels = graph.only_taker(argmax.output, 'Cast')
    if labels is None or labels.attributes['to'] != TensorProto.UINT8:
        return None
    if classes is None or not 2 <= classes <= MOST_CLASSES:
        return None
    for node in graph.takers(logits):
        if node.op == 'Sub' and node.inputs[0] == logits:
            top = graph.maker(node.inputs[1], 'ReduceMax')
            power = graph.only_taker(node.output, 'Exp')
            total = graph.only_taker(power.output, 'ReduceSum') if power else None
            if top is None or total is None or top.inputs[0] != logits:
                continue
            axes = graph.constant(total.inputs[1])
            over = [list(top.attributes.get('axes', ())), [] if axes is None else axes.tolist()]
            if over == [[1], [1]] and not total.attributes.get('keepdims', 1):
                return Decision(logits, classes, labels, total)
    return None
