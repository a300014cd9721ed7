# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""PReLU as sums of convolutions and ReLU, which ONNX Runtime runs in its blocked layout.

For slope s, PReLU(y) = s y + (1 - s) relu(y). ONNX Runtime runs PRelu itself in the plain layout
alone, in float alone, and reorders the map before and after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.export.convolution import per_channel, read, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.zoo.export.convolution import Convolution
    from rs_onboard.zoo.export.onnx_graph import OnnxGraph

    Floats = NDArray[np.floating]

# Multiply-accumulates per output value up to which a convolution is computed twice.
CHEAP = 128


def split_prelus(graph: OnnxGraph) -> int:
    """Write every PReLU with one slope a channel as s y + (1 - s) relu(y).

    A cheap convolution before it is computed twice, scaled by s and by 1 - s: its activation and
    the sum then cost no pass over the map of their own. Behind others, two depthwise 1x1
    convolutions scale the map.

    Returns:
        How many were written so.
    """
    count = 0
    for node in graph.of('PRelu'):
        channels = graph.channels(node.inputs[0])
        known = graph.constant(node.inputs[1])
        if channels is None or known is None or known.size not in (1, channels):
            continue
        slopes: Floats = np.ravel(np.asarray(known, dtype=np.float64))
        slopes = np.broadcast_to(slopes, channels)
        before = read(graph, graph.makers.get(node.inputs[0]))
        alone = graph.only_taker(node.inputs[0]) is not None
        if before is not None and alone and before.weights[0].size <= CHEAP:
            made = twice(graph, before, slopes)
        else:
            made = scaled(graph, node.inputs[0], slopes)
        graph.redirect(node.output, made)
        graph.remove(node)
        count += 1
    graph.prune()
    return count


def twice(graph: OnnxGraph, before: Convolution, slopes: Floats) -> str:
    """Add conv * s + sign * relu(conv * |1 - s|)."""
    nothing = np.zeros(len(slopes))
    straight = write(graph, before.rescaled(slopes, nothing))
    bent = write(graph, before.rescaled(np.abs(1 - slopes), nothing))
    bent = graph.add('Relu', [bent]).output
    if (slopes > 1).any():
        bent = write(graph, per_channel(bent, np.where(slopes > 1, -1.0, 1.0), nothing))
    return graph.add('Add', [straight, bent]).output


def scaled(graph: OnnxGraph, name: str, slopes: Floats) -> str:
    """Add y * s + relu(y) * (1 - s)."""
    nothing = np.zeros(len(slopes))
    bent = graph.add('Relu', [name]).output
    straight = write(graph, per_channel(name, slopes, nothing))
    return graph.add('Add', [straight, write(graph, per_channel(bent, 1 - slopes, nothing))]).output
