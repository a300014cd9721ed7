# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Run the two dates of change detection one after the other instead of as one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_onboard.zoo.export.onnx_graph import Node, OnnxGraph


def separate_dates(graph: OnnxGraph) -> int:
    """Copy what lies between the joining of both dates to one batch and the slices that part them.

    Half of the maps stay in the cache, and neither the joined batch nor the slices are written.

    Returns:
        1 where there was such a batch, else 0.
    """
    for joint in graph.of('Concat'):
        if joint.attributes['axis'] != 0 or len(joint.inputs) != 2:
            continue
        if len(graph.shapes.get(joint.output, ())) != 4:
            continue
        inside, ends = between(graph, joint)
        if not ends or any(name in graph.outputs for node in inside for name in node.outputs):
            continue
        for date, source in enumerate(joint.inputs):
            names = copied(graph, inside, {joint.output: source})
            for end in ends:
                if starts_at_zero(graph, end) == (date == 0):
                    graph.redirect(end.output, names[end.inputs[0]])
        graph.prune()
        return 1
    return 0


def between(graph: OnnxGraph, joint: Node) -> tuple[list[Node], list[Node]]:
    """List the nodes that depend on a batch, up to the slices of it, and those slices."""
    reached = {joint.output}
    inside: list[Node] = []
    ends: list[Node] = []
    for node in graph.sorted_nodes():
        if not reached.intersection(node.inputs):
            continue
        if node.inputs[0] in reached and slices_batch(graph, node):
            ends.append(node)
        else:
            inside.append(node)
            reached.update(node.outputs)
    return inside, ends


def slices_batch(graph: OnnxGraph, node: Node) -> bool:
    """Tell whether a node cuts the batch of a map."""
    if len(graph.shapes.get(node.inputs[0], ())) != 4:
        return False
    axes = graph.constant(node.inputs[3]) if node.op == 'Slice' and len(node.inputs) > 3 else None
    return axes is not None and axes.tolist() == [0]


def starts_at_zero(graph: OnnxGraph, node: Node) -> bool:
    """Tell whether a slice keeps the first date."""
    start = graph.constant(node.inputs[1])
    return start is not None and start.tolist() == [0]


def copied(graph: OnnxGraph, nodes: list[Node], names: dict[str, str]) -> dict[str, str]:
    """Copy nodes, in their order, renaming inputs by `names`; give the new names of all outputs."""
    for node in nodes:
        inputs = [names.get(name, name) for name in node.inputs]
        made = graph.add(node.op, inputs, node.attributes, outputs=len(node.outputs))
        for old, new in zip(node.outputs, made.outputs, strict=True):
            names[old] = new
            if old in graph.shapes:
                graph.shapes[new] = (None, *graph.shapes[old][1:])
    return names
