# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The provider asked for runs, or the policy decides what happens, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_onboard.inference.engines import Purpose
from rs_onboard.inference.errors import ProviderError
from rs_onboard.inference.placement import Placement
from rs_onboard.inference.providers import (
    choose_provider,
    fall_back,
    judge_placement,
    provider_chain,
)
from rs_onboard.inference.runtime_settings import POLICIES, PROVIDERS, RuntimeSettings

CPU = ['CPUExecutionProvider']
CUDA = ['CUDAExecutionProvider', *CPU]
TENSORRT = ['TensorrtExecutionProvider', *CUDA]

WHOLE = Placement({'cuda': 118, 'cpu': 12}, [])
PARTIAL = Placement({'cuda': 100, 'cpu': 30}, ['Resize', 'ArgMax', 'Resize'])


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


@pytest.mark.parametrize('policy', POLICIES)
def test_shape_arithmetic_on_the_cpu_is_no_fall_back(policy):
    settings = RuntimeSettings(provider='cuda', policy=policy)
    assert judge_placement(settings, 'cuda', WHOLE) == ('cuda', '')


def test_layers_left_to_the_cpu_are_refused_told_or_allowed():
    found = r'leaves 3 of 130 nodes \(ArgMax, Resize\) to the CPU'
    with pytest.raises(ProviderError, match=rf"'cuda' {found}; expected the whole graph on it"):
        judge_placement(RuntimeSettings(provider='cuda'), 'cuda', PARTIAL)
    warn = RuntimeSettings(provider='cuda', policy='warn')
    assert judge_placement(warn, 'cuda', PARTIAL) == (
        'cuda',
        'cuda leaves 3 of 130 nodes (ArgMax, Resize) to the CPU',
    )
    allow = RuntimeSettings(provider='cuda', policy='allow')
    assert judge_placement(allow, 'cuda', PARTIAL) == ('cuda', '')


def test_many_kinds_of_nodes_left_to_the_cpu_are_not_all_listed():
    placement = Placement({'cuda': 1, 'cpu': 6}, list('ABCDEF'))
    _, notice = judge_placement(RuntimeSettings('cuda', 'warn'), 'cuda', placement)
    assert '(A, B, C, D, ...)' in notice


def test_xnnpack_may_share_a_graph_with_the_cpu_but_not_leave_it_all():
    settings = RuntimeSettings(provider='xnnpack')
    shared = Placement({'xnnpack': 3, 'cpu': 90}, ['Conv'] * 90)
    assert judge_placement(settings, 'xnnpack', shared) == ('xnnpack', '')
    nothing = Placement({'cpu': 93}, ['Conv'] * 93)
    with pytest.raises(ProviderError, match="'xnnpack' cannot be had: it takes no node"):
        judge_placement(settings, 'xnnpack', nothing)
    warn = RuntimeSettings(provider='xnnpack', policy='warn')
    provider, notice = judge_placement(warn, 'xnnpack', nothing)
    assert (provider, notice[-14:]) == ('cpu', 'running on cpu')


def test_a_graph_that_tensorrt_takes_nothing_of_runs_on_cuda():
    warn = RuntimeSettings(provider='tensorrt', policy='warn')
    assert judge_placement(warn, 'tensorrt', WHOLE)[0] == 'cuda'


def names(chain):
    return [name for name, _ in chain]


def test_the_cpu_stands_behind_every_other_provider():
    for provider, expected in (
        ('cpu', CPU),
        ('cuda', CUDA),
        ('tensorrt', TENSORRT),
        ('xnnpack', ['XnnpackExecutionProvider', *CPU]),
        ('acl', ['ACLExecutionProvider', *CPU]),
    ):
        assert names(provider_chain(provider, RuntimeSettings(), threads=3)) == expected


def test_xnnpack_gets_the_threads_for_its_own_pool():
    chain = provider_chain('xnnpack', RuntimeSettings(), threads=3)
    assert chain[0][1] == {'intra_op_num_threads': '3'}


def test_the_gpu_is_chosen_by_number_and_its_memory_grows_as_asked():
    (name, options), *_ = provider_chain('cuda', RuntimeSettings(device=1), threads=1)
    assert (name, options['device_id']) == (PROVIDERS['cuda'], '1')
    assert options['arena_extend_strategy'] == 'kSameAsRequested'


@pytest.mark.parametrize(
    ('precision', 'half', 'int8'),
    [('fp32', 'False', 'False'), ('fp16', 'True', 'False'), ('int8', 'True', 'True')],
)
def test_tensorrt_builds_one_engine_for_one_tile_size(precision, half, int8):
    purpose = Purpose('0' * 64, precision, {'before': (4, 256, 256, 3), 'after': (4, 256, 256, 3)})
    chain = provider_chain(
        'tensorrt', RuntimeSettings(), threads=1, purpose=purpose, engine_folder=Path('/cache/key')
    )
    options = chain[0][1]
    assert (options['trt_fp16_enable'], options['trt_int8_enable']) == (half, int8)
    assert options['trt_profile_min_shapes'] == 'before:1x256x256x3,after:1x256x256x3'
    assert options['trt_profile_max_shapes'] == 'before:4x256x256x3,after:4x256x256x3'
    assert options['trt_profile_opt_shapes'] == options['trt_profile_max_shapes']
    assert options['trt_engine_cache_path'] == str(Path('/cache/key'))


def test_tensorrt_without_a_purpose_keeps_its_engine_in_memory():
    options = provider_chain('tensorrt', RuntimeSettings(), threads=1)[0][1]
    assert options == {'device_id': '0'}
