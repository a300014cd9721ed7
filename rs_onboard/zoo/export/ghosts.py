# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Ghost modules without their concatenation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.export.convolution import read, write

if TYPE_CHECKING:
    from rs_onboard.zoo.export.convolution import Convolution
    from rs_onboard.zoo.export.onnx_graph import Node, OnnxGraph

# ONNX Runtime joins parts without a change of layout if they fill whole blocks of channels.
BLOCK = 16
# Up to here computing a half twice is cheaper than joining it, whatever follows.
NARROW = 24


def join_ghosts(graph: OnnxGraph) -> int:
    """Write concat(a, depthwise(a)) as one depthwise convolution of concat(a, a).

    The convolution that makes `a` gives it twice, and the depthwise one gets the identity for the
    first half. ReLU changes nothing on values that have passed it. Done for narrow maps and where
    a sum or product needs the joined map in a layout its halves do not fill.

    Returns:
        How many modules were written so.
    """
    count = 0
    for concat in graph.of('Concat'):
        found = halves(graph, concat)
        if found is None:
            continue
        first, second, bent = found
        made = write(graph, doubled(first))
        if bent:
            made = graph.add('Relu', [made]).output
        made = write(graph, replace(beside_identity(second), source=made))
        if bent:
            made = graph.add('Relu', [made]).output
        graph.redirect(concat.output, made)
        graph.remove(concat)
        count += 1
    graph.prune()
    return count


def halves(graph: OnnxGraph, concat: Node) -> tuple[Convolution, Convolution, bool] | None:
    """Find the convolutions of both halves and whether both pass a ReLU; None if unlike a ghost."""
    if len(concat.inputs) != 2 or concat.attributes['axis'] != 1:
        return None
    whole, cheap = concat.inputs
    bends = [graph.maker(name, 'Relu') for name in (whole, cheap)]
    before = [bend.inputs[0] if bend else name for bend, name in zip(bends, (whole, cheap))]  # noqa: B905
    first, second = (read(graph, graph.makers.get(name)) for name in before)
    if first is None or second is None or second.source != whole:
        return None
    if (bends[0] is None) != (bends[1] is None) or len(graph.takers(whole)) != 2:
        return None
    same = second.depthwise and second.strides == (1, 1) and second.weights.shape[2] % 2 == 1
    if not (same and first.dense and worth(graph, concat, len(first.bias))):
        return None
    return first, second, bends[0] is not None


def worth(graph: OnnxGraph, concat: Node, half: int) -> bool:
    """Tell whether the joined map should be computed instead of copied."""
    mixed = any(taker.op in ('Add', 'Mul') for taker in graph.takers(concat.output))
    return half % BLOCK != 0 and (mixed or half <= NARROW)


def doubled(convolution: Convolution) -> Convolution:
    """Give every output twice, one copy behind the other."""
    return replace(
        convolution,
        weights=np.concatenate([convolution.weights] * 2),
        bias=np.concatenate([convolution.bias] * 2),
    )


def beside_identity(convolution: Convolution) -> Convolution:
    """Put as many channels that pass unchanged before those of a depthwise convolution."""
    identity = np.zeros_like(convolution.weights)
    rows, columns = identity.shape[2:]
    identity[:, 0, rows // 2, columns // 2] = 1
    return replace(
        convolution,
        weights=np.concatenate([identity, convolution.weights]),
        bias=np.concatenate([np.zeros_like(convolution.bias), convolution.bias]),
        attributes={**convolution.attributes, 'group': 2 * len(identity)},
    )
