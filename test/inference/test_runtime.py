# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Sessions run as set, what they give stays as it is, and a provider that fails is noticed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

from rs_onboard.inference import runtime as runtime_module
from rs_onboard.inference.engines import MANIFEST, Purpose
from rs_onboard.inference.errors import ModelError, ProviderError
from rs_onboard.inference.runtime import OnnxRuntime, default_threads
from rs_onboard.inference.runtime_settings import PROVIDERS, RuntimeSettings

GRAPH = (Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene' / 'fp32.onnx').read_bytes()

TENSORRT = [PROVIDERS['tensorrt'], PROVIDERS['cuda'], PROVIDERS['cpu']]
EVERY = list(PROVIDERS.values())
PURPOSE = Purpose('5' * 64, 'fp16', {'tiles': (4, 64, 64, 3)})


class Tensor:
    def __init__(self, name, kind, shape):
        self.name, self.type, self.shape = name, kind, shape


class Library:
    """ONNX Runtime as it behaves on machines that the tests do not run on.

    Attributes:
        active: Full name of the provider that starts; None starts the one asked for.
        on_cpu: Operators with large results that the provider leaves to the CPU.
    """

    __version__ = '1.23.2'
    ExecutionMode = ort.ExecutionMode

    def __init__(self):
        self.active = None
        self.on_cpu = []
        self.sessions = []
        self.built = []
        self.breaks = False

    def get_available_providers(self):
        return EVERY

    class SessionOptions(SimpleNamespace):
        def __init__(self):
            super().__init__(entries={}, enable_profiling=False)

        def add_session_config_entry(self, key, value):
            self.entries[key] = value

    def build(self, graph, chain, shapes, *, what, progress):
        folder = Path(chain[0][1]['trt_engine_cache_path'])
        (folder / 'graph.engine').write_bytes(b'engine')
        self.built.append((folder, shapes))

    def InferenceSession(self, graph, sess_options, providers, **_):  # noqa: N802  (its name there)
        session = Session(self, sess_options, providers)
        self.sessions.append(session)
        return session


class Session:
    def __init__(self, library, options, providers):
        self.library, self.options, self.asked = library, options, providers
        self.calls = []
        self.falls_back = True

    def disable_fallback(self):
        self.falls_back = False

    @property
    def provider(self):
        return self.library.active or self.asked[0][0]

    def get_providers(self):
        return [self.provider, PROVIDERS['cpu']]

    def get_inputs(self):
        return [Tensor('tiles', 'tensor(uint8)', ['N', 'H', 'W', 3])]

    def get_outputs(self):
        return [Tensor('labels', 'tensor(uint8)', ['N', 'H', 'W'])]

    def run(self, names, feeds):
        self.calls.append(feeds['tiles'].shape)
        if self.library.breaks:
            raise RuntimeError('CUDA error 700')
        return [feeds['tiles'][..., 0]]

    def end_profiling(self):
        nodes = [{'op_name': 'Conv', 'provider': self.provider, 'output_size': '9000'}]
        nodes += [
            {'op_name': name, 'provider': PROVIDERS['cpu'], 'output_size': '9000'}
            for name in self.library.on_cpu
        ]
        path = Path(self.options.profile_file_prefix + '_1.json')
        path.write_text(json.dumps([{'cat': 'Node', 'args': node} for node in nodes]))
        return str(path)


@pytest.fixture
def library(monkeypatch):
    fake = Library()
    monkeypatch.setattr(runtime_module, 'ort', fake)
    monkeypatch.setattr(runtime_module, 'gpu_name', lambda _: 'Orin sm_87')
    monkeypatch.setattr(runtime_module, 'tensorrt_version', lambda: '10.3.0')
    monkeypatch.setattr(runtime_module, 'build_engine', fake.build)
    return fake


def opened(tmp_path, provider, policy='refuse', **settings):
    lines = []
    settings = RuntimeSettings(provider, policy, engine_cache=tmp_path / 'engines', **settings)
    runtime = OnnxRuntime(b'', settings, what='m.onnx', purpose=PURPOSE, progress=lines.append)
    return runtime, lines


@pytest.mark.parametrize(
    ('provider', 'active', 'runs'),
    [
        ('cuda', 'CPUExecutionProvider', 'cpu'),
        ('tensorrt', 'CUDAExecutionProvider', 'cuda'),
        ('tensorrt', 'CPUExecutionProvider', 'cpu'),
    ],
)
def test_a_provider_that_fails_to_start_is_noticed(tmp_path, library, provider, active, runs):
    library.active = active
    with pytest.raises(ProviderError, match=f"'{provider}' cannot be had: it gave {active}"):
        OnnxRuntime(b'', RuntimeSettings(provider=provider), what='m.onnx')
    runtime = OnnxRuntime(b'', RuntimeSettings(provider=provider, policy='warn'), what='m.onnx')
    assert runtime.provider == runs
    assert runtime.notice.endswith(f'running on {runs}')
    # What stands in is opened as itself, without options of the provider that failed.
    assert library.sessions[-1].asked[0][0] == PROVIDERS[runs]
    allowed = OnnxRuntime(b'', RuntimeSettings(provider=provider, policy='allow'), what='m.onnx')
    assert (allowed.provider, allowed.notice) == (runs, '')


def test_a_graph_that_falls_back_in_part_is_noticed(tmp_path, library):
    library.on_cpu = ['GridSample']
    with pytest.raises(ProviderError, match=r"'cuda' leaves 1 of 2 nodes \(GridSample\)"):
        opened(tmp_path, 'cuda')
    runtime, _ = opened(tmp_path, 'cuda', 'warn')
    assert runtime.notice == 'cuda leaves 1 of 2 nodes (GridSample) to the CPU'
    assert (runtime.provider, runtime.placement) == ('cuda', 'cuda 1, cpu 1')


def test_onnx_runtime_never_changes_the_provider_by_itself(tmp_path, library):
    for provider in PROVIDERS:
        opened(tmp_path, provider)
    assert [session.falls_back for session in library.sessions] == [False] * len(library.sessions)


def test_the_cpu_is_not_profiled(tmp_path, library):
    runtime, _ = opened(tmp_path, 'cpu')
    assert (runtime.provider, runtime.notice, runtime.placement) == ('cpu', '', '')
    (session,) = library.sessions
    assert not session.options.enable_profiling
    assert session.calls == []


def test_an_engine_is_built_once_and_used_from_then_on(tmp_path, library):
    first, lines = opened(tmp_path, 'tensorrt')
    assert first.provider == 'tensorrt'
    assert any('building the TensorRT engine for Orin sm_87' in line for line in lines)
    # Built for one tile and for a full call, elsewhere than where it is used.
    ((beside, shapes),) = library.built
    assert shapes == ({'tiles': (1, 64, 64, 3)}, {'tiles': (4, 64, 64, 3)})
    (folder,) = (tmp_path / 'engines').iterdir()
    assert beside != folder
    assert sorted(path.name for path in folder.iterdir()) == ['graph.engine', MANIFEST]
    (session,) = library.sessions
    assert session.asked[0][1]['trt_engine_cache_path'] == str(folder)
    _, lines = opened(tmp_path, 'tensorrt')
    assert (lines, len(library.built)) == ([], 1)


def test_a_machine_that_does_not_tell_its_gpu_builds_at_every_start(tmp_path, library, monkeypatch):
    monkeypatch.setattr(runtime_module, 'gpu_name', lambda _: '')
    _, lines = opened(tmp_path, 'tensorrt')
    assert lines[0].startswith('engine cache: not used')
    assert not (tmp_path / 'engines').exists()


def test_tensorrt_never_builds_in_flight(tmp_path, library):
    runtime, _ = opened(tmp_path, 'tensorrt')
    runtime._bound = None
    tiles = np.ones((3, 64, 64, 3), np.uint8)
    assert runtime.run({'tiles': tiles})['labels'].shape == (3, 64, 64)
    for shape in ((5, 64, 64, 3), (1, 32, 64, 3)):
        with pytest.raises(ModelError, match=r'engine was built for 1 to 4 tiles of \(64, 64, 3\)'):
            runtime.run({'tiles': np.ones(shape, np.uint8)})


def test_a_provider_that_breaks_on_its_first_call_is_a_model_error(tmp_path, library):
    library.breaks = True
    with pytest.raises(ModelError, match=r'm.onnx: cuda cannot run it on .*CUDA error 700'):
        opened(tmp_path, 'cuda')


def test_threads_spinning_and_memory_are_as_set(tmp_path, library):
    opened(tmp_path, 'cpu', threads=3)
    opened(tmp_path, 'cpu', threads=3, spinning=True, arena=False, memory_pattern=True)
    usual, other = (session.options for session in library.sessions)
    spinning = 'session.intra_op.allow_spinning'
    assert (usual.intra_op_num_threads, usual.entries[spinning]) == (3, '0')
    assert (usual.enable_cpu_mem_arena, usual.enable_mem_pattern) == (True, False)
    assert other.entries[spinning] == '1'
    assert (other.enable_cpu_mem_arena, other.enable_mem_pattern) == (False, True)


def test_xnnpack_brings_its_own_threads(tmp_path, library):
    opened(tmp_path, 'xnnpack', threads=3, spinning=True)
    (session,) = library.sessions
    assert session.options.intra_op_num_threads == 1
    assert session.options.entries['session.intra_op.allow_spinning'] == '0'
    assert session.asked[0] == (PROVIDERS['xnnpack'], {'intra_op_num_threads': '3'})


def test_inputs_and_outputs_are_described():
    runtime = OnnxRuntime(GRAPH, RuntimeSettings(threads=1), what='m.onnx')
    (tiles,), (probabilities,) = runtime.inputs, runtime.outputs
    assert (tiles.name, tiles.dtype, tiles.shape) == ('tiles', 'uint8', ('N', 'H', 'W', 3))
    assert (probabilities.dtype, probabilities.shape) == ('float', ('N', 3))


def test_a_result_does_not_change_while_later_frames_run():
    runtime = OnnxRuntime(GRAPH, RuntimeSettings(threads=1), what='m.onnx')
    dark = runtime.run({'tiles': np.zeros((2, 32, 32, 3), np.uint8)})['probabilities']
    before = dark.copy()
    for value in (50, 100, 150):
        tiles = np.zeros((2, 32, 32, 3), np.uint8)
        tiles[..., 1] = value
        runtime.run({'tiles': tiles})
    assert np.array_equal(dark, before)


def test_a_graph_that_does_not_load_names_the_file_and_the_version():
    with pytest.raises(ModelError, match=rf'm.onnx: ONNX Runtime {ort.__version__} cannot load it'):
        OnnxRuntime(b'nonsense', RuntimeSettings(), what='m.onnx')


@pytest.mark.parametrize(('cores', 'threads'), [({0}, 1), ({0, 1}, 1), (set(range(8)), 7)])
def test_one_core_is_left_for_the_rest(monkeypatch, cores, threads):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: cores, raising=False)
    assert default_threads() == threads
