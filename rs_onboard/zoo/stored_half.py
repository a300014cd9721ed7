# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Smaller files: weights lie in float16 in the file and are float32 again before the first call.

Each stored weight has a Cast to float32 right behind it, which ONNX Runtime folds while it makes
the session: it computes in float32 like before, with the weights rounded. A graph that *computes*
in float16 is made by `half`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rs_onboard.zoo.graph_view import GraphView, attribute

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Below this many elements the Cast takes much of what is saved, and a session is made later.
LEAST_ELEMENTS = 1024
# Rounding to float16 moves a normal number by at most this share of it.
ROUNDING = 2.0**-11
SUFFIX = '_stored'
# Operators whose second input may be stored: most errors cancel in their sums, whereas a rounded
# position, limit or size is off by all of it.
PRODUCTS = frozenset({'Conv', 'Gemm', 'MatMul'})


def store_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 weights of convolutions and products in float16.

    A weight stays as it is where float16 holds it worse than its 11 digits: where a number is
    beyond 65504, or where the numbers that are summed for one output are so small that the coarse
    steps of float16 next to 0 exceed 2**-11 of the largest of them.

    Args:
        model: A graph, float or int8; it is not changed.

    Returns:
        The graph with the same tensors; what is stored already stays so.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    view = GraphView(stored)
    casts = []
    for tensor in stored.graph.initializer:
        name = tensor.name
        readers = view.readers.get(name, [])
        if tensor.data_type != TensorProto.FLOAT or name in view.outputs or not readers:
            continue
        weight = numpy_helper.to_array(tensor)
        if weight.size < LEAST_ELEMENTS or not all(_holds(weight, name, at) for at in readers):
            continue
        tensor.CopyFrom(numpy_helper.from_array(weight.astype(np.float16), f'{name}{SUFFIX}'))
        casts.append(
            helper.make_node(
                'Cast', [tensor.name], [name], name=f'{name}_cast', to=TensorProto.FLOAT
            )
        )
    nodes = [*casts, *stored.graph.node]
    del stored.graph.node[:]
    stored.graph.node.extend(nodes)
    onnx.checker.check_model(stored, full_check=True)
    return stored


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """Make stored weights plain float32 again, with exactly the numbers of the file.

    Args:
        model: A graph; it is not changed.

    Returns:
        The graph without casts of stored weights; as it was where there are none.
    """
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    view = GraphView(wide)
    gone = set()
    for tensor in wide.graph.initializer:
        cast = view.only_reader(tensor.name)
        if tensor.data_type != TensorProto.FLOAT16 or cast is None or cast.op_type != 'Cast':
            continue
        if attribute(cast, 'to') != TensorProto.FLOAT or cast.output[0] in view.outputs:
            continue
        gone.add(cast.output[0])
        weight = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(weight, cast.output[0]))
    nodes = [node for node in wide.graph.node if node.output[0] not in gone]
    del wide.graph.node[:]
    wide.graph.node.extend(nodes)
    return wide


def _holds(weight: NDArray[Any], name: str, reader: onnx.NodeProto) -> bool:
    """Say whether float16 holds a weight to 11 digits for a node that reads it."""
    if reader.op_type not in PRODUCTS or list(reader.input).index(name) != 1:
        return False
    rows = reader.op_type == 'Conv' or attribute(reader, 'transB', 0)
    axis = 0 if rows else weight.ndim - 1
    with np.errstate(over='ignore'):
        error = np.abs(weight.astype(np.float16).astype(np.float32) - weight)
    others = tuple(index for index in range(weight.ndim) if index != axis)
    largest = np.abs(weight).max(axis=others)
    # An infinite or undefined error compares as false.
    return bool(np.all(error.max(axis=others) <= ROUNDING * largest))
