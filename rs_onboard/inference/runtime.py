# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime behind the runtime protocol: settings, provider policy, sessions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import onnxruntime as ort

from rs_onboard.inference.errors import ModelError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

ProviderPolicy = Literal['refuse', 'warn', 'allow']
POLICIES: tuple[ProviderPolicy, ...] = ('refuse', 'warn', 'allow')

# Names users type and the names ONNX Runtime gives them.
PROVIDERS: Mapping[str, str] = {
    'cpu': 'CPUExecutionProvider',
    'xnnpack': 'XnnpackExecutionProvider',
    'acl': 'ACLExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}

# Fastest first; "auto" takes the first that this build of ONNX Runtime has.
AUTO_ORDER = ('tensorrt', 'cuda', 'cpu')


class TensorInfo(NamedTuple):
    """Name, element type (`uint8`, `float`, ...) and shape of an input or output.

    A dynamic dimension is its name or None.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class RuntimeSettings:
    """How models are run.

    Attributes:
        provider: A key of `PROVIDERS`, or `auto`.
        policy: What to do when the provider cannot be had: `refuse` to start, `warn` and run on
            the CPU, or `allow` it.
        threads: Threads of one model; 0 takes the cores of this machine less one.
        spinning: Keep threads spinning between runs: a little faster, and the cores stay hot.
    """

    provider: str = 'auto'
    policy: ProviderPolicy = 'refuse'
    threads: int = 0
    spinning: bool = False


class Runtime(Protocol):
    """A loaded graph.

    Attributes:
        provider: Name of the provider that runs it, a key of `PROVIDERS`.
        notice: What users must know about the choice of provider; empty where there is nothing.
        inputs: Its inputs.
        outputs: Its outputs.
    """

    provider: str
    notice: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    def run(self, feeds: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.generic]]:
        """Run the graph once on named inputs; returns the outputs by name."""


class OnnxRuntime:
    """A graph in ONNX Runtime.

    Raises:
        ProviderError: The provider cannot be had under the policy.
        ModelError: ONNX Runtime refuses the graph.
    """

    def __init__(self, graph: bytes, settings: RuntimeSettings, *, what: str) -> None:
        self.provider, self.notice = choose_provider(settings, ort.get_available_providers())
        try:
            self._session = ort.InferenceSession(
                graph,
                sess_options=_options(settings),
                providers=_chain(self.provider),
            )
        except Exception as exc:  # noqa: BLE001  (the binding raises its own, undocumented, types)
            reason = ' '.join(str(exc).split())[:400]
            raise ModelError(
                f'{what}: ONNX Runtime {ort.__version__} cannot load it: {reason}. '
                'Export it again, or install the version it was made for.'
            ) from None
        active = self._session.get_providers()[0]
        if active != PROVIDERS[self.provider]:
            # A provider that fails to start makes ONNX Runtime fall back without an error.
            names = {full: name for name, full in PROVIDERS.items()}
            self.provider, self.notice = fall_back(
                settings,
                self.provider,
                f'it gave {active}',
                instead=names.get(active, active),
            )
        self.inputs = tuple(_info(item) for item in self._session.get_inputs())
        self.outputs = tuple(_info(item) for item in self._session.get_outputs())
        self._names = [item.name for item in self.outputs]

    def run(self, feeds: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.generic]]:
        """See `Runtime.run`.

        Raises:
            ModelError: ONNX Runtime fails on these inputs.
        """
        try:
            values = self._session.run(self._names, feeds)
        except Exception as exc:  # noqa: BLE001  (as above)
            reason = ' '.join(str(exc).split())[:400]
            shapes = ', '.join(f'{name} {array.shape}' for name, array in feeds.items())
            raise ModelError(f'inference on {shapes} failed: {reason}') from None
        return dict(zip(self._names, values, strict=True))


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


def default_threads() -> int:
    """Return the cores this process may use, less one for capture, conversion and the rest."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return max(1, (cores or 2) - 1)


def _chain(provider: str) -> list[str]:
    names = [PROVIDERS[provider]]
    if provider == 'tensorrt':
        names.append(PROVIDERS['cuda'])
    if provider != 'cpu':
        names.append(PROVIDERS['cpu'])
    return names


def _options(settings: RuntimeSettings) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads or default_threads()
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry(
        'session.intra_op.allow_spinning', '1' if settings.spinning else '0'
    )
    options.log_severity_level = 3
    return options


def _info(item: ort.NodeArg) -> TensorInfo:
    dtype = item.type.removeprefix('tensor(').removesuffix(')')
    return TensorInfo(item.name, dtype, tuple(item.shape))
