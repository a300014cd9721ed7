# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Fold batch norms into the convolutions around them, also across sums and concatenations.

The exporter folds a norm that directly follows a convolution; these are the others.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.export.convolution import per_channel, read, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.zoo.export.onnx_graph import Node, OnnxGraph

    Floats = NDArray[np.floating]


def fold_norms_back(graph: OnnxGraph) -> int:
    """Fold norms into the convolutions before them, through sums and concatenations.

    Returns:
        How many norms went.
    """
    count = 0
    for norm in graph.of('BatchNormalization'):
        scale, shift = affine(graph, norm)
        if absorbs(graph, norm.inputs[0]):
            graph.redirect(norm.output, absorb(graph, norm.inputs[0], scale, shift))
            graph.remove(norm)
            count += 1
    graph.prune()
    return count


def fold_norms_ahead(graph: OnnxGraph) -> int:
    """Fold norms into convolutions without padding that follow, also behind a concatenation.

    Zeros added around the map are not normalised, so a padded convolution cannot take a norm.

    Returns:
        How many norms went.
    """
    count = 0
    for norm in graph.of('BatchNormalization'):
        scale, shift = affine(graph, norm)
        places = followers(graph, norm.output)
        if not places:
            continue
        for node, first in places:
            scale_input(graph, node, first, scale, shift)
        graph.redirect(norm.output, norm.inputs[0])
        graph.remove(norm)
        count += 1
    graph.prune()
    return count


def affine(graph: OnnxGraph, norm: Node) -> tuple[Floats, Floats]:
    """Read what a norm multiplies by and what it adds, (C,) float64 each."""
    weight, bias, mean, variance = (
        np.asarray(graph.constants[name], dtype=np.float64) for name in norm.inputs[1:5]
    )
    scale = weight / np.sqrt(variance + norm.attributes.get('epsilon', 1e-5))
    return scale, bias - mean * scale


def bounds(graph: OnnxGraph, concat: Node) -> list[tuple[int, int]] | None:
    """Say which channels of a concatenation each input makes; None where that is unknown."""
    widths = [graph.channels(name) for name in concat.inputs]
    if concat.attributes['axis'] != 1 or None in widths:
        return None
    return list(pairwise(accumulate((width or 0 for width in widths), initial=0)))


def absorbs(graph: OnnxGraph, name: str) -> bool:
    """Tell whether whatever makes a tensor, for one taker, can scale it."""
    node = graph.makers.get(name)
    if node is None or graph.only_taker(name) is None:
        return False
    if node.op == 'Add':
        return all(absorbs(graph, part) for part in node.inputs)
    if node.op == 'Concat':
        return bounds(graph, node) is not None and all(absorbs(graph, x) for x in node.inputs)
    return read(graph, node) is not None


def absorb(graph: OnnxGraph, name: str, scale: Floats, shift: Floats) -> str:
    """Make a scaled and shifted copy of a tensor; `absorbs` said that it can be."""
    node = graph.makers[name]
    if node.op == 'Add':
        first = absorb(graph, node.inputs[0], scale, shift)
        second = absorb(graph, node.inputs[1], scale, np.zeros_like(shift))
        return graph.add('Add', [first, second]).output
    if node.op == 'Concat':
        parts = [
            absorb(graph, part, scale[start:stop], shift[start:stop])
            for part, (start, stop) in zip(node.inputs, bounds(graph, node) or (), strict=True)
        ]
        return graph.add('Concat', parts, node.attributes).output
    convolution = read(graph, node)
    assert convolution is not None
    return write(graph, convolution.rescaled(scale, shift))


def followers(graph: OnnxGraph, name: str) -> list[tuple[Node, int]]:
    """List the convolutions that can take the norm of a tensor, and its first channel there.

    Empty where any taker cannot.
    """
    places: list[tuple[Node, int]] = []
    for node in graph.takers(name):
        if node.op == 'Concat' and node.inputs.count(name) == 1:
            limits = bounds(graph, node)
            if limits is None or node.output in graph.outputs:
                return []
            first = limits[node.inputs.index(name)][0]
            behind = graph.takers(node.output)
        else:
            first, behind = 0, [node]
        for taker in behind:
            convolution = read(graph, taker)
            if convolution is None or convolution.padded:
                return []
            if not (convolution.dense or convolution.depthwise):
                return []
            places.append((taker, first))
    return [] if name in graph.outputs else places


def scale_input(graph: OnnxGraph, node: Node, first: int, scale: Floats, shift: Floats) -> None:
    """Let a convolution without padding scale and shift its input channels from `first` on."""
    convolution = read(graph, node)
    assert convolution is not None
    span = slice(first, first + len(scale))
    weights, bias = convolution.weights.copy(), convolution.bias.copy()
    if convolution.dense:
        bias += np.einsum('oikl,i->o', weights[:, span], shift)
        weights[:, span] *= scale[:, None, None]
    else:
        bias[span] += weights[span].sum((1, 2, 3)) * shift
        weights[span] *= scale[:, None, None, None]
    made = write(graph, replace(convolution, weights=weights, bias=bias))
    graph.redirect(node.output, made)
    graph.remove(node)


def norms_as_convolutions(graph: OnnxGraph) -> int:
    """Write norms before a PReLU as depthwise 1x1 convolutions, which take part in its rewrite.

    Returns:
        How many norms went.
    """
    count = 0
    for norm in graph.of('BatchNormalization'):
        if graph.only_taker(norm.output, 'PRelu') is not None:
            made = write(graph, per_channel(norm.inputs[0], *affine(graph, norm)))
            graph.redirect(norm.output, made)
            graph.remove(norm)
            count += 1
    return count
