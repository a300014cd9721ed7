# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Fewer multiplications where convolutions follow each other or a resize without activation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.export.convolution import Convolution, read, write

if TYPE_CHECKING:
    from rs_onboard.zoo.export.onnx_graph import OnnxGraph

# A merged pair must save at least this share of its multiply-accumulates to be worth new rounding.
GAIN = 0.25


def merge_convolutions(graph: OnnxGraph) -> int:
    """Merge a dense convolution with a dense one that follows without activation between.

    A 1x1 convolution goes into the weights before it. Of a larger one the first takes all taps,
    each as further output channels, and what is left adds the taps, shifted: with zeros outside the
    map, exactly as before.

    Returns:
        How many pairs were merged.
    """
    count = 0
    for node in reversed(graph.sorted_nodes()):
        second = read(graph, node)
        if second is None or not second.dense or graph.only_taker(second.source) is None:
            continue
        first = read(graph, graph.makers.get(second.source))
        if first is None or not first.dense:
            continue
        merged = taps_first(first, second)
        rest = None if second.pointwise else taps_added(second)
        work = merged.work + (rest.work if rest else 0)
        if work > (1 - GAIN) * (first.work + second.work) or not same_size(second):
            continue
        made = write(graph, merged)
        graph.redirect(
            node.output, made if rest is None else write(graph, replace(rest, source=made))
        )
        graph.remove(node)
        count += 1
    graph.prune()
    return count


def same_size(convolution: Convolution) -> bool:
    """Tell whether a convolution has odd, undilated taps and keeps the size of its map."""
    rows, columns = convolution.weights.shape[2:]
    pads = [rows // 2, columns // 2] * 2
    return (
        rows % 2 == columns % 2 == 1
        and convolution.strides == (1, 1)
        and list(convolution.attributes.get('dilations', (1, 1))) == [1, 1]
        and list(convolution.attributes.get('pads', (0, 0, 0, 0))) == pads
    )


def taps_first(first: Convolution, second: Convolution) -> Convolution:
    """Compose `first` with each tap of `second`: outputs ordered by tap, then by channel."""
    taps = second.weights.transpose(2, 3, 0, 1).reshape(-1, second.weights.shape[1])
    bias = taps @ first.bias
    if second.pointwise:
        bias = bias + second.bias
    weights = np.einsum('tm,mikl->tikl', taps, first.weights)
    return replace(first, weights=weights, bias=bias)


def taps_added(second: Convolution) -> Convolution:
    """Make the convolution that shifts the taps of `second` to their places and adds them."""
    channels, _, rows, columns = second.weights.shape
    weights = np.zeros((channels, rows * columns, channels, rows, columns))
    for tap in range(rows * columns):
        weights[range(channels), tap, range(channels), tap // columns, tap % columns] = 1
    return replace(second, weights=weights.reshape(channels, -1, rows, columns))


def convolve_before_resize(graph: OnnxGraph) -> int:
    """Move a 1x1 convolution before the bilinear enlargement it follows: a quarter of the pixels.

    Both are linear and the weights of an interpolation add to one, so a bias passes unchanged.

    Returns:
        How many were moved.
    """
    count = 0
    for node in graph.of('Conv'):
        convolution = read(graph, node)
        if convolution is None or not (convolution.dense and convolution.pointwise):
            continue
        resize = graph.maker(convolution.source, 'Resize')
        if resize is None or resize.attributes.get('mode') != b'linear':
            continue
        scales = graph.constant(resize.inputs[2]) if resize.inputs[2] else None
        if scales is None or scales[2:].min() < 1:
            continue
        outputs, inputs = convolution.weights.shape[:2]
        if outputs > inputs and len(graph.takers(resize.output)) > 1:
            continue
        small = write(graph, replace(convolution, source=resize.inputs[0]))
        made = graph.add('Resize', [small, *resize.inputs[1:]], resize.attributes)
        graph.redirect(node.output, made.output)
        graph.remove(node)
        count += 1
    graph.prune()
    return count
