# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Static int8 quantisation (QDQ: uint8 activations, int8 weights per channel) of exported graphs.

Quantised by real tiles. Nodes whose output the 256 steps describe worst stay in float, as many as
it takes to agree with the float graph.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from rs_onboard.zoo.export import IR_VERSION, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Feeds = dict[str, NDArray[np.uint8]]

# A pixel is taken for changed at this probability, of 255.
CHANGED = 128
HEAVY = ('Conv', 'Gemm', 'MatMul')
# Sums and products are faster in float: SegGhostNet at 512 x 512 took 48 ms so, 55 ms with them.
LIGHT = ('Concat', 'Relu')
# Between the GELUs of DecoupleNet only convolutions of this many weights repay the conversion to
# int8 and back: 11 ms so, 22 ms with all convolutions, 13 ms in float.
GELU_WEIGHTS = 4096
# How many of the worst nodes are left in float, one trial after the other.
TRIALS = (0, 2, 4, 8, 16)


class FeedReader(CalibrationDataReader):
    """Hands calibration feeds to the quantiser one by one."""

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self.waiting = iter(feeds)

    def get_next(self) -> Feeds | None:
        """Give the next feeds."""
        return next(self.waiting, None)


@dataclass(frozen=True)
class Quantised:
    """An int8 graph.

    Attributes:
        model: The graph.
        agreement: Share of the probability (scene) or of the pixels (segmentation, change) that has
            the class of the float graph.
        float_nodes: Nodes left in float because they hurt.
    """

    model: onnx.ModelProto
    agreement: float
    float_nodes: tuple[str, ...]


def quantise(model: onnx.ModelProto, feeds: Sequence[Feeds], *, target: float) -> Quantised:
    """Quantise a float graph.

    Args:
        model: Exported graph.
        feeds: Real tiles (1, H, W, bands) uint8 by input name: they set the ranges and measure the
            agreement.
        target: Agreement at which no further node is left in float.

    Returns:
        The first graph that reaches the target, else the one that agrees best.
    """
    prepared = prepare(model)
    operators = {node.op_type for node in prepared.graph.node}
    # An Erf belongs to a GELU, which ONNX Runtime fuses only while all of it is in float.
    gelu = 'Erf' in operators
    types = HEAVY if gelu else HEAVY + LIGHT
    small = small_convolutions(prepared) if gelu else ()
    ranked = [name for name in worst_nodes(prepared, feeds[:8]) if name not in small]
    expected = answers(model, feeds)
    best: Quantised | None = None
    for count in TRIALS:
        left = tuple(ranked[:count])
        candidate = quantise_once(prepared, feeds, types, (*small, *left))
        found = answers(candidate, feeds)
        share = float(np.mean([overlap(a, b) for a, b in zip(expected, found, strict=True)]))
        if best is None or share > best.agreement:
            best = Quantised(candidate, share, left)
        if best.agreement >= target:
            break
    assert best is not None
    return best


def small_convolutions(prepared: onnx.ModelProto) -> tuple[str, ...]:
    """Name the convolutions that are depthwise or have few weights."""
    shapes = {tensor.name: tensor.dims for tensor in prepared.graph.initializer}
    names = []
    for node in prepared.graph.node:
        if node.op_type == 'Conv':
            groups = next((a.i for a in node.attribute if a.name == 'group'), 1)
            if groups > 1 or np.prod(shapes[node.input[1]]) < GELU_WEIGHTS:
                names.append(node.name)
    return tuple(names)


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and infer shapes, staying within ai.onnx."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / 'float.onnx', Path(folder) / 'prepared.onnx'
        onnx.save(model, source)
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        return tidy(onnx.load(target))


def quantise_once(
    prepared: onnx.ModelProto,
    feeds: Sequence[Feeds],
    types: Sequence[str],
    left: Sequence[str],
) -> onnx.ModelProto:
    """Quantise all nodes of some types but those named."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / 'float.onnx', Path(folder) / 'int8.onnx'
        onnx.save(prepared, source)
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)
        try:
            quantize_static(
                str(source),
                str(target),
                FeedReader(feeds),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=list(types),
                nodes_to_exclude=list(left),
            )
        finally:
            logging.root.setLevel(level)
        return tidy(onnx.load(target))


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop declared domains that no node uses, and the tool's notes."""
    used = {node.domain for node in model.graph.node} | {''}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ''
    model.ir_version = IR_VERSION
    model.producer_name = 'rs_onboard'
    model.producer_version = ''
    return model


def worst_nodes(prepared: onnx.ModelProto, feeds: Sequence[Feeds]) -> list[str]:
    """Order the convolutions and products by how badly 256 steps describe their output.

    The figure is the standard deviation of the output in units of a step: outputs with rare far
    outliers come first.
    """
    nodes = {node.output[0]: node.name for node in prepared.graph.node if node.op_type in HEAVY}
    watched = onnx.ModelProto()
    watched.CopyFrom(prepared)
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in nodes
    )
    runner = session(watched)
    low, high, square, count = (dict.fromkeys(nodes, 0.0) for _ in range(4))
    for feed in feeds:
        for name, value in zip(nodes, runner.run(list(nodes), feed), strict=True):
            low[name] = min(low[name], float(value.min()))
            high[name] = max(high[name], float(value.max()))
            square[name] += float(np.square(value - value.mean(), dtype=np.float64).sum())
            count[name] += value.size
    fineness = {
        nodes[name]: np.sqrt(square[name] / count[name]) / max(high[name] - low[name], 1e-12)
        for name in nodes
    }
    return sorted(fineness, key=lambda name: float(fineness[name]))


def answers(model: onnx.ModelProto, feeds: Sequence[Feeds]) -> list[NDArray[np.generic]]:
    """Run a graph and keep its first output: probabilities, labels, or what has changed."""
    runner = session(model)
    name = runner.get_outputs()[0].name
    found = [runner.run([name], feed)[0] for feed in feeds]
    return [values >= CHANGED for values in found] if name == 'probability' else found


def overlap(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Share in which two answers agree.

    The classes of calibration tiles hardly ever change, since the network was trained on them;
    their probabilities do.
    """
    if first.dtype == np.float32:
        return float(np.minimum(first, second).sum(axis=1).mean())
    return float(np.mean(first == second))
