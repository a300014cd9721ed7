# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The provider asked for runs, or the policy decides what happens, and says so."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime as ort
import pytest

from rs_onboard.inference.errors import ModelError, ProviderError
from rs_onboard.inference.runtime import (
    POLICIES,
    PROVIDERS,
    OnnxRuntime,
    RuntimeSettings,
    choose_provider,
    default_threads,
    fall_back,
)

GRAPH = (Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene' / 'fp32.onnx').read_bytes()

CPU = ['CPUExecutionProvider']
CUDA = ['CUDAExecutionProvider', *CPU]
TENSORRT = ['TensorrtExecutionProvider', *CUDA]


@pytest.mark.parametrize('policy', POLICIES)
@pytest.mark.parametrize(
    ('provider', 'available', 'chosen'),
    [
        ('auto', CPU, 'cpu'),
        ('auto', CUDA, 'cuda'),
        ('auto', TENSORRT, 'tensorrt'),
        ('auto', ['AzureExecutionProvider', *CPU], 'cpu'),
        ('auto', ['XnnpackExecutionProvider', *CPU], 'cpu'),
        ('cpu', TENSORRT, 'cpu'),
        ('cuda', TENSORRT, 'cuda'),
        ('xnnpack', ['XnnpackExecutionProvider', *CPU], 'xnnpack'),
    ],
)
def test_a_provider_that_is_there_is_taken_without_a_word(policy, provider, available, chosen):
    settings = RuntimeSettings(provider=provider, policy=policy)
    assert choose_provider(settings, available) == (chosen, '')


@pytest.mark.parametrize('provider', [name for name in PROVIDERS if name != 'cpu'])
def test_a_provider_that_is_missing_is_refused_by_default(provider):
    with pytest.raises(ProviderError, match=f"provider '{provider}' cannot be had: .* only cpu"):
        choose_provider(RuntimeSettings(provider=provider), CPU)


def test_the_refusal_says_what_there_is_and_what_to_do():
    with pytest.raises(ProviderError) as caught:
        choose_provider(RuntimeSettings(provider='acl'), TENSORRT)
    assert 'only cpu, cuda, tensorrt' in str(caught.value)
    assert "set provider_policy to 'warn'" in str(caught.value)


def test_warning_falls_back_and_says_so_while_allowing_says_nothing():
    warn = RuntimeSettings(provider='cuda', policy='warn')
    assert choose_provider(warn, CPU) == (
        'cpu',
        'cuda cannot be had (this ONNX Runtime has only cpu); running on cpu',
    )
    assert choose_provider(RuntimeSettings(provider='cuda', policy='allow'), CPU) == ('cpu', '')


def test_an_unknown_provider_is_refused_whatever_the_policy():
    for policy in POLICIES:
        with pytest.raises(ProviderError, match="found 'gpu'; expected auto, cpu, xnnpack, acl"):
            choose_provider(RuntimeSettings(provider='gpu', policy=policy), TENSORRT)


def test_a_fall_back_names_what_runs_instead():
    settings = RuntimeSettings(provider='tensorrt', policy='warn')
    assert fall_back(settings, 'tensorrt', 'it gave CUDAExecutionProvider', instead='cuda') == (
        'cuda',
        'tensorrt cannot be had (it gave CUDAExecutionProvider); running on cuda',
    )


class Session:
    """A session whose provider failed to start, as ONNX Runtime leaves it: without an error."""

    active = 'CPUExecutionProvider'

    def __init__(self, graph, sess_options, providers):
        Session.asked = providers

    def get_providers(self):
        return [self.active, 'CPUExecutionProvider']

    def get_inputs(self):
        return []

    get_outputs = get_inputs


@pytest.mark.parametrize(
    ('provider', 'active', 'runs'),
    [
        ('cuda', 'CPUExecutionProvider', 'cpu'),
        ('tensorrt', 'CUDAExecutionProvider', 'cuda'),
        ('tensorrt', 'CPUExecutionProvider', 'cpu'),
    ],
)
def test_a_provider_that_fails_to_start_is_noticed(monkeypatch, provider, active, runs):
    monkeypatch.setattr(ort, 'get_available_providers', lambda: TENSORRT)
    monkeypatch.setattr(ort, 'InferenceSession', Session)
    monkeypatch.setattr(Session, 'active', active)
    with pytest.raises(ProviderError, match=f"'{provider}' cannot be had: it gave {active}"):
        OnnxRuntime(b'', RuntimeSettings(provider=provider), what='m.onnx')
    runtime = OnnxRuntime(b'', RuntimeSettings(provider=provider, policy='warn'), what='m.onnx')
    assert runtime.provider == runs
    assert runtime.notice.endswith(f'running on {runs}')
    allowed = OnnxRuntime(b'', RuntimeSettings(provider=provider, policy='allow'), what='m.onnx')
    assert (allowed.provider, allowed.notice) == (runs, '')


def test_the_cpu_stands_behind_every_other_provider(monkeypatch):
    monkeypatch.setattr(ort, 'get_available_providers', lambda: TENSORRT)
    monkeypatch.setattr(ort, 'InferenceSession', Session)
    for provider, chain in (('cpu', CPU), ('cuda', CUDA), ('tensorrt', TENSORRT)):
        monkeypatch.setattr(Session, 'active', PROVIDERS[provider])
        runtime = OnnxRuntime(b'', RuntimeSettings(provider=provider), what='m.onnx')
        assert (runtime.provider, Session.asked) == (provider, chain)


def test_inputs_and_outputs_are_described():
    runtime = OnnxRuntime(GRAPH, RuntimeSettings(threads=1), what='m.onnx')
    (tiles,), (probabilities,) = runtime.inputs, runtime.outputs
    assert (tiles.name, tiles.dtype, tiles.shape) == ('tiles', 'uint8', ('N', 'H', 'W', 3))
    assert (probabilities.dtype, probabilities.shape) == ('float', ('N', 3))


def test_a_graph_that_does_not_load_names_the_file_and_the_version():
    with pytest.raises(ModelError, match=rf'm.onnx: ONNX Runtime {ort.__version__} cannot load it'):
        OnnxRuntime(b'nonsense', RuntimeSettings(), what='m.onnx')


@pytest.mark.parametrize(('cores', 'threads'), [({0}, 1), ({0, 1}, 1), (set(range(8)), 7)])
def test_one_core_is_left_for_the_rest(monkeypatch, cores, threads):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: cores, raising=False)
    assert default_threads() == threads
