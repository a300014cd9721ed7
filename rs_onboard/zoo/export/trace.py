# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Trace a deployed network to ONNX; rewrite it for the runtime unless a plain one is wanted."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import onnx
import torch

from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export.graphs import deploy
from rs_onboard.zoo.export.rewrite import rewrite, rewrites_for

if TYPE_CHECKING:
    from torch import nn

    from rs_onboard.zoo.export.graphs import DeployedGraph
    from rs_onboard.zoo.export.normalisation import Normalisation
    from rs_onboard.zoo.network import InputRule, NetworkEntry

OPSET = 17
# ONNX Runtime 1.16, the oldest supported, reads IR versions up to 9.
IR_VERSION = 8


def export_model(
    entry: NetworkEntry,
    network: nn.Module,
    *,
    normalisation: Normalisation | None = None,
    size: tuple[int, int] | None = None,
    plain: bool = False,
) -> onnx.ModelProto:
    """Export a network with its weights to the graph of a model folder.

    It is not compared with torch: `compare_with_torch` does that.

    Args:
        entry: What it is.
        network: The network with its weights; it is put into evaluation mode.
        normalisation: What its weights were trained with; what the published ones expect if None.
        size: (height, width) to trace at, any that the network takes; the result is dynamic.
        plain: Leave the graph as traced, without rewrites for the runtime.

    Raises:
        ExportError: The network has no deployed form.
    """
    graph = deploy(entry, network, normalisation)
    return to_onnx(
        graph, bands=graph.bands, size=size or smallest_size(entry.input_rule), plain=plain
    )


def smallest_size(rule: InputRule) -> tuple[int, int]:
    """Give a small (height, width), a rectangle where the network takes one."""
    step = max(rule.multiple, 16)
    side = -(-max(rule.minimum, 32) // step) * step
    return (side, side) if rule.square else (side, side + step)


def to_onnx(
    graph: DeployedGraph, *, bands: int, size: tuple[int, int], plain: bool = False
) -> onnx.ModelProto:
    """Trace the graph at (height, width) with dynamic batch, height and width.

    Args:
        graph: The deployed network.
        bands: Its input bands.
        size: (height, width) to trace at.
        plain: Leave the graph as traced.

    Raises:
        ExportError: The graph uses operators outside the standard.
    """
    model = trace(graph, bands=bands, size=size)
    if not plain:
        model = rewrite(model, rewrites_for(graph.name))
    domains = {entry.domain for entry in model.opset_import} - {'', 'ai.onnx'}
    if domains:
        raise ExportError(f'exported graph uses domains {sorted(domains)}; only ai.onnx may fly')
    model.ir_version = IR_VERSION
    model.producer_name = 'rs_onboard'
    model.producer_version = ''
    model.doc_string = ''
    onnx.checker.check_model(model, full_check=True)
    return model


def trace(graph: DeployedGraph, *, bands: int, size: tuple[int, int]) -> onnx.ModelProto:
    """Run torch's tracing exporter."""
    names = graph.input_names
    examples = tuple(torch.zeros((1, *size, bands), dtype=torch.uint8) for _ in names)
    axes: dict[str, dict[int, str]] = {name: {0: 'N', 1: 'H', 2: 'W'} for name in names}
    for name in graph.output_names:
        axes[name] = dict(graph.output_axes)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracer warns of its own future and of every shape it turns into a graph node.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            graph,
            examples,
            buffer,
            input_names=list(names),
            output_names=list(graph.output_names),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())
