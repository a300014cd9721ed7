# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulates of a graph, counted from the shapes of one run of it.

A run shows every shape, also those that a graph computes from its input, and needs no `onnx`.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from rs_onboard.inference.placement import node_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Shape = Sequence[int]


def count_macs(graph: bytes, feeds: Mapping[str, NDArray[np.uint8]]) -> int | None:
    """Count the multiply-accumulates of convolutions and matrix products in one call.

    The graph is run as it is written: nothing fused, nothing folded. None where ONNX Runtime does
    not report shapes.

    Args:
        graph: A verified ONNX file.
        feeds: Its inputs.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / 'run')
        session = ort.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
        session.run(None, dict(feeds))
        nodes = node_events(Path(session.end_profiling()))
    shapes = [node for node in nodes if node.get('output_type_shape')]
    return sum(_node_macs(node) for node in shapes) if shapes else None


def _node_macs(node: Mapping[str, Any]) -> int:
    """Count those of one node: outputs times the products behind each of them."""
    kind = node['op_name']
    if kind not in {'Conv', 'ConvTranspose', 'Gemm', 'MatMul'}:
        return 0
    inputs: list[Shape] = [_shape(entry) for entry in node['input_type_shape']]
    output = _shape(node['output_type_shape'][0])
    if kind == 'Conv':
        return math.prod(output) * math.prod(inputs[1][1:])
    if kind == 'ConvTranspose':
        # Every input value meets the kernel of every output channel of its group.
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    if kind == 'Gemm':
        # Either operand may be transposed; the rows of the output are those of the first.
        return math.prod(output) * (math.prod(inputs[0]) // output[0]) if math.prod(output) else 0
    return math.prod(output) * inputs[0][-1]


def _shape(entry: Mapping[str, Shape]) -> Shape:
    """Take the shape of an entry such as {'float': [1, 3, 224, 224]}."""
    return next(iter(entry.values()))
