# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Export of a trained network to the ONNX graph of a model folder, compared with torch."""

from __future__ import annotations

from rs_onboard.zoo.export.compare import (
    compare_with_torch,
    comparison_batches,
    session,
    tile_of,
)
from rs_onboard.zoo.export.graphs import (
    INPUT,
    ChangeGraph,
    DeployedGraph,
    DetectionGraph,
    SceneGraph,
    SegmentationGraph,
    deploy,
    input_names,
)
from rs_onboard.zoo.export.normalisation import Normalisation, published_normalisation
from rs_onboard.zoo.export.trace import IR_VERSION, OPSET, export_model, to_onnx

__all__ = [
    'INPUT',
    'IR_VERSION',
    'OPSET',
    'ChangeGraph',
    'DeployedGraph',
    'DetectionGraph',
    'Normalisation',
    'SceneGraph',
    'SegmentationGraph',
    'compare_with_torch',
    'comparison_batches',
    'deploy',
    'export_model',
    'input_names',
    'published_normalisation',
    'session',
    'tile_of',
    'to_onnx',
]
