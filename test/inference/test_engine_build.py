# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Engines are built in a process of their own, watched, limited and heard when it fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rs_onboard.inference import engine_build
from rs_onboard.inference.engine_build import build_engine, main
from rs_onboard.inference.errors import ModelError

GRAPH = Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene' / 'fp32.onnx'
CPU = [('CPUExecutionProvider', {})]
SHAPES = [{'tiles': (1, 32, 32, 3)}, {'tiles': (4, 32, 32, 3)}]


def build(code=None, *, graph=None, chain=CPU):
    lines = []
    command = engine_build.COMMAND if code is None else (sys.executable, '-c', code)
    data = GRAPH.read_bytes() if graph is None else graph
    build_engine(data, chain, SHAPES, what='m.onnx', progress=lines.append, command=command)
    return lines


def test_the_child_opens_the_graph_and_runs_it_on_every_shape():
    (line,) = build()
    assert line.startswith('m.onnx: TensorRT engine built in ')


def test_a_graph_the_child_cannot_run_is_said_with_its_last_words():
    with pytest.raises(ModelError, match=r'm.onnx: TensorRT cannot build an engine .*status 1.*: '):
        build(graph=b'nonsense')
    # This wheel has no such provider and takes another, which is no engine.
    chain = [('TensorrtExecutionProvider', {}), *CPU]
    with pytest.raises(ModelError, match='found provider CPUExecutionProvider; expected Tensorrt'):
        build(chain=chain)


def test_a_crash_of_the_compiler_ends_the_child_alone():
    with pytest.raises(ModelError, match=r'exit status -6\): .*assertion failed'):
        build('import os; os.write(2, b"assertion failed"); os.abort()')


def test_a_long_build_says_how_long_it_has_taken(monkeypatch):
    monkeypatch.setattr(engine_build, 'TELL_EVERY_S', 0.0)
    lines = build('import time; time.sleep(0.5)')
    assert 'building the TensorRT engine, 0 s so far' in lines[0]


def test_a_build_without_end_is_ended(monkeypatch):
    monkeypatch.setattr(engine_build, 'LIMIT_S', 0.3)
    with pytest.raises(ModelError, match=r'm.onnx: the TensorRT engine was not built within 0 s'):
        build('import time; time.sleep(60)')


def test_the_request_is_read_from_its_folder(tmp_path):
    (tmp_path / 'graph.onnx').write_bytes(GRAPH.read_bytes())
    (tmp_path / 'request.json').write_text(json.dumps({'chain': CPU, 'shapes': SHAPES}))
    assert main([str(tmp_path)]) == 0
