# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where nodes run is read from the profile of one call."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort

from rs_onboard.inference.placement import read_placement
from rs_onboard.inference.runtime_settings import PROVIDERS

GRAPH = Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene' / 'fp32.onnx'


def written(tmp_path, *nodes):
    events = [{'cat': 'Session', 'name': 'model_run'}]
    events += [
        {'cat': 'Node', 'args': {'op_name': kind, 'provider': provider, 'output_size': size}}
        for kind, provider, size in nodes
    ]
    path = tmp_path / 'profile.json'
    path.write_text(json.dumps(events))
    return read_placement(path)


def test_nodes_are_counted_by_provider_and_large_ones_on_the_cpu_named(tmp_path):
    placement = written(
        tmp_path,
        ('TRTKernel_graph_0', PROVIDERS['tensorrt'], '786432'),
        ('Conv', PROVIDERS['cuda'], '786432'),
        ('Shape', PROVIDERS['cpu'], '32'),
        ('Gather', PROVIDERS['cpu'], '1024'),
        ('GridSample', PROVIDERS['cpu'], '1025'),
        ('Odd', 'OddExecutionProvider', '9'),
    )
    assert str(placement) == 'tensorrt 1, cuda 1, cpu 3, OddExecutionProvider 1'
    assert placement.heavy_on_cpu == ['GridSample']


def test_events_without_a_provider_or_a_size_are_no_trouble(tmp_path):
    path = tmp_path / 'profile.json'
    nodes = [{'op_name': 'Fence'}, {'op_name': 'Conv', 'provider': PROVIDERS['cpu']}]
    path.write_text(json.dumps([{'cat': 'Node', 'args': node} for node in nodes]))
    placement = read_placement(path)
    assert (placement.nodes, placement.heavy_on_cpu) == ({'cpu': 1}, [])


def test_a_profile_of_this_onnx_runtime_is_read(tmp_path):
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / 'run')
    session = ort.InferenceSession(GRAPH.read_bytes(), options, providers=['CPUExecutionProvider'])
    session.run(None, {'tiles': np.zeros((1, 64, 64, 3), np.uint8)})
    placement = read_placement(Path(session.end_profiling()))
    assert placement.nodes['cpu'] >= 3
    # The tile as numbers is 48 KB; its mean and what follows are a few bytes.
    assert placement.heavy_on_cpu == ['Cast']
