# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions of an ONNX graph as arrays: read, tell apart, scale and write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rs_onboard.zoo.export.onnx_graph import Node, OnnxGraph

    Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Convolution:
    """What a `Conv` node computes.

    Attributes:
        source: Tensor it takes.
        weights: (out, in / group, rows, columns) float64.
        bias: (out,) float64.
        attributes: Attributes of the node.
    """

    source: str
    weights: Floats
    bias: Floats
    attributes: Mapping[str, Any]

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.attributes.get('group', 1))

    @property
    def dense(self) -> bool:
        """Whether every output sees every input channel."""
        return self.groups == 1

    @property
    def depthwise(self) -> bool:
        """Whether every output sees one input channel, its own."""
        return self.groups == self.weights.shape[0] and self.weights.shape[1] == 1

    @property
    def strides(self) -> tuple[int, ...]:
        """Rows and columns a step."""
        return tuple(self.attributes.get('strides', (1, 1)))

    @property
    def padded(self) -> bool:
        """Whether zeros are added around the map."""
        padding = any(self.attributes.get('pads', ()))
        return padding or self.attributes.get('auto_pad', b'NOTSET') not in (b'NOTSET', b'VALID')

    @property
    def pointwise(self) -> bool:
        """Whether every pixel is computed from itself alone, at the same size."""
        return self.weights.shape[2:] == (1, 1) and self.strides == (1, 1) and not self.padded

    @property
    def work(self) -> int:
        """Multiply-accumulates for an output pixel, all channels."""
        return int(self.weights.size)

    def rescaled(self, scale: Floats, shift: Floats) -> Convolution:
        """Scale and shift the output, a number each a channel."""
        return replace(
            self,
            weights=self.weights * scale[:, None, None, None],
            bias=self.bias * scale + shift,
        )

    def outputs(self, start: int, stop: int) -> Convolution:
        """Keep some output channels of a dense convolution, or some channels of a depthwise one."""
        attributes = dict(self.attributes)
        if not self.dense:
            attributes['group'] = stop - start
        return replace(
            self,
            weights=self.weights[start:stop],
            bias=self.bias[start:stop],
            attributes=attributes,
        )


def read(graph: OnnxGraph, node: Node | None) -> Convolution | None:
    """Read a 2-D convolution with constant weights; None where the node is none."""
    if node is None or node.op != 'Conv':
        return None
    weights = graph.constant(node.inputs[1])
    if weights is None or weights.ndim != 4:
        return None
    bias: Floats = np.zeros(weights.shape[0])
    if len(node.inputs) > 2 and node.inputs[2]:
        known = graph.constant(node.inputs[2])
        if known is None:
            return None
        bias = known.astype(np.float64)
    return Convolution(node.inputs[0], weights.astype(np.float64), bias, node.attributes)


def write(graph: OnnxGraph, convolution: Convolution) -> str:
    """Add a convolution and name its output."""
    inputs = [convolution.source, graph.add_constant(single(convolution.weights), 'weights')]
    if convolution.bias.any():
        inputs.append(graph.add_constant(single(convolution.bias), 'bias'))
    return graph.add('Conv', inputs, convolution.attributes).output


def per_channel(source: str, scale: Floats, shift: Floats) -> Convolution:
    """Make the depthwise 1x1 convolution that scales and shifts each channel."""
    attributes = {'kernel_shape': [1, 1], 'group': len(scale)}
    return Convolution(source, np.reshape(scale, (-1, 1, 1, 1)), np.asarray(shift), attributes)


def pointwise(source: str, weights: Floats, bias: Floats) -> Convolution:
    """Make the dense 1x1 convolution with a (out, in) matrix."""
    return Convolution(source, weights[:, :, None, None], bias, {'kernel_shape': [1, 1]})


def single(value: Floats) -> NDArray[np.float32]:
    """Round to float32."""
    return np.ascontiguousarray(value, dtype=np.float32)
