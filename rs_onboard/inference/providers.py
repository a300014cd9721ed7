# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Execution providers: their names, which one runs, what happens when it cannot, their options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.inference.errors import ProviderError
from rs_onboard.inference.runtime_settings import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.inference.engines import Purpose
    from rs_onboard.inference.placement import Placement
    from rs_onboard.inference.runtime_settings import RuntimeSettings

# Fastest first; "auto" takes the first that this build of ONNX Runtime has. XNNPACK and ACL are for
# those who measured them on their board: nobody publishes numbers, and they hold fp32 alone.
AUTO_ORDER = ('tensorrt', 'cuda', 'cpu')

GPU_PROVIDERS = frozenset({'cuda', 'tensorrt'})

# Names of nodes shown in a message.
SHOWN = 4


def choose_provider(settings: RuntimeSettings, available: Sequence[str]) -> tuple[str, str]:
    """Choose a provider among those this build of ONNX Runtime has.

    Returns:
        The key of `PROVIDERS` and what users must know about the choice.

    Raises:
        ProviderError: The name is unknown, or the provider is missing and the policy refuses.
    """
    if settings.provider == 'auto':
        for name in AUTO_ORDER:
            if PROVIDERS[name] in available:
                return name, ''
    elif settings.provider not in PROVIDERS:
        raise ProviderError(
            f'provider: found {settings.provider!r}; expected auto, {", ".join(PROVIDERS)}.'
        )
    elif PROVIDERS[settings.provider] in available:
        return settings.provider, ''
    have = ', '.join(name for name, full in PROVIDERS.items() if full in available)
    return fall_back(settings, settings.provider, f'this ONNX Runtime has only {have}')


def fall_back(
    settings: RuntimeSettings, wanted: str, reason: str, *, instead: str = 'cpu'
) -> tuple[str, str]:
    """Fall back to another provider if the policy lets us.

    Returns:
        The provider that runs instead and what users must know about it.

    Raises:
        ProviderError: The policy is `refuse`.
    """
    if settings.policy == 'refuse':
        raise ProviderError(
            f'provider {wanted!r} cannot be had: {reason}. Install the ONNX Runtime build for it, '
            "choose provider 'cpu', or set provider_policy to 'warn'."
        )
    notice = f'{wanted} cannot be had ({reason}); running on {instead}'
    return instead, notice if settings.policy == 'warn' else ''


def judge_placement(
    settings: RuntimeSettings, provider: str, placement: Placement
) -> tuple[str, str]:
    """Judge where the nodes of a graph really run.

    A GPU provider leaves to the CPU what it has no kernel for, and every such node costs two copies
    a frame. XNNPACK and ACL take what they know by design and run on the same cores: for them only
    a graph of which they take nothing is a fall-back.

    Returns:
        The provider that runs the graph and what users must know about it.

    Raises:
        ProviderError: Part of the graph fell back, and the policy is `refuse`.
    """
    if not placement.nodes.get(provider):
        rest = max(placement.nodes, key=lambda name: placement.nodes[name], default='cpu')
        return fall_back(settings, provider, 'it takes no node of this graph', instead=rest)
    if provider not in GPU_PROVIDERS or not placement.heavy_on_cpu:
        return provider, ''
    kinds = sorted(set(placement.heavy_on_cpu))
    shown = ', '.join(kinds[:SHOWN]) + (', ...' if len(kinds) > SHOWN else '')
    text = f'{len(placement.heavy_on_cpu)} of {sum(placement.nodes.values())} nodes ({shown})'
    if settings.policy == 'refuse':
        raise ProviderError(
            f'provider {provider!r} leaves {text} to the CPU; expected the whole graph on it. '
            "Choose another variant or provider, or set provider_policy to 'warn'."
        )
    return provider, f'{provider} leaves {text} to the CPU' if settings.policy == 'warn' else ''


def provider_chain(
    provider: str,
    settings: RuntimeSettings,
    *,
    threads: int,
    purpose: Purpose | None = None,
    engine_folder: Path | None = None,
) -> list[tuple[str, dict[str, str]]]:
    """List the providers of a session, each with its options, in the order they take nodes.

    Args:
        provider: The provider chosen.
        settings: How to run it.
        threads: Threads of the provider, for those with threads of their own.
        purpose: What the graph is run on; None where that is not known.
        engine_folder: Where TensorRT reads and writes its engine; None keeps it in memory.
    """
    chain: list[tuple[str, dict[str, str]]] = []
    if provider == 'tensorrt':
        options = _tensorrt_options(settings, purpose, engine_folder)
        chain.append((PROVIDERS['tensorrt'], options))
    if provider in GPU_PROVIDERS:
        chain.append(
            (
                PROVIDERS['cuda'],
                {
                    'device_id': str(settings.device),
                    # On Jetson the GPU shares its memory with all else; doubling takes too much.
                    'arena_extend_strategy': 'kSameAsRequested',
                    # The exhaustive search tries every kernel at start-up and after each new shape.
                    'cudnn_conv_algo_search': 'HEURISTIC',
                },
            )
        )
    elif provider == 'xnnpack':
        chain.append((PROVIDERS['xnnpack'], {'intra_op_num_threads': str(threads)}))
    elif provider != 'cpu':
        chain.append((PROVIDERS[provider], {}))
    chain.append((PROVIDERS['cpu'], {}))
    return chain


def _tensorrt_options(
    settings: RuntimeSettings, purpose: Purpose | None, engine_folder: Path | None
) -> dict[str, str]:
    options = {'device_id': str(settings.device)}
    if purpose is not None:
        # An int8 graph says itself which layers are int8; what is left runs in half precision.
        options['trt_fp16_enable'] = str(purpose.precision != 'fp32')
        options['trt_int8_enable'] = str(purpose.precision == 'int8')
        for end, shapes in (
            ('min', purpose.least),
            ('opt', purpose.shapes),
            ('max', purpose.shapes),
        ):
            options[f'trt_profile_{end}_shapes'] = ','.join(
                f'{name}:{"x".join(map(str, shape))}' for name, shape in shapes.items()
            )
    if engine_folder is not None:
        options['trt_engine_cache_enable'] = 'True'
        options['trt_engine_cache_path'] = str(engine_folder)
    return options
