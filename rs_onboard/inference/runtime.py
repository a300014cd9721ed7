# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime behind the runtime protocol: settings and sessions."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime as ort

from rs_onboard.inference.binding import BoundSession
from rs_onboard.inference.engine_build import build_engine
from rs_onboard.inference.engines import default_cache, engine_key, ensure_engine
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.gpu import gpu_name, tensorrt_version
from rs_onboard.inference.placement import read_placement
from rs_onboard.inference.providers import (
    GPU_PROVIDERS,
    choose_provider,
    fall_back,
    judge_placement,
    provider_chain,
)
from rs_onboard.inference.runtime_settings import PROVIDERS, RuntimeSettings, TensorInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rs_onboard.inference.engines import Progress, Purpose


class Runtime(Protocol):
    """A loaded graph.

    Attributes:
        provider: Name of the provider that runs it, a key of `PROVIDERS`.
        notice: What users must know about the choice of provider; empty where there is nothing.
        placement: Where its nodes run ("cuda 118, cpu 12"); empty where all run on the CPU.
        inputs: Its inputs.
        outputs: Its outputs.
    """

    provider: str
    notice: str
    placement: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    def run(self, feeds: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.generic]]:
        """Run the graph once on named inputs; returns the outputs by name.

        What is returned belongs to the caller: later calls do not change it.
        """


class OnnxRuntime:
    """A graph in ONNX Runtime.

    Args:
        graph: The ONNX file.
        settings: How to run it.
        what: The file, for messages.
        purpose: What it will be run on. Without it TensorRT keeps its engine in memory, and nodes
            that a provider leaves to the CPU are not looked for.
        progress: Told what takes long.

    Raises:
        ProviderError: The provider cannot be had under the policy.
        ModelError: ONNX Runtime refuses the graph.
    """

    def __init__(
        self,
        graph: bytes,
        settings: RuntimeSettings,
        *,
        what: str,
        purpose: Purpose | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._graph, self._settings, self._what = graph, settings, what
        self._purpose = purpose
        self._progress = progress or (lambda _: None)
        self.placement = ''
        self.provider, self.notice = choose_provider(settings, ort.get_available_providers())
        self._session = self._start()
        del self._graph
        self.inputs = tuple(_info(item) for item in self._session.get_inputs())
        self.outputs = tuple(_info(item) for item in self._session.get_outputs())
        self._names = [item.name for item in self.outputs]
        self._bound: BoundSession | None = None
        if self.provider in GPU_PROVIDERS:
            self._bound = BoundSession(self._session, self.inputs, self.outputs)

    def run(self, feeds: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.generic]]:
        """See `Runtime.run`.

        Raises:
            ModelError: ONNX Runtime fails on these inputs, or TensorRT has no engine for them.
        """
        if self.provider == 'tensorrt' and self._purpose is not None:
            self._check_shapes(self._purpose, feeds)
        try:
            if self._bound is not None:
                values = self._bound.run(feeds)
            else:
                values = self._session.run(self._names, feeds)
        except Exception as exc:  # noqa: BLE001  (the binding raises its own, undocumented, types)
            shapes = ', '.join(f'{name} {array.shape}' for name, array in feeds.items())
            raise ModelError(f'inference on {shapes} failed: {_reason(exc)}') from None
        return dict(zip(self._names, values, strict=True))

    def _start(self) -> Any:
        """Open the session and, beside the CPU, see that the provider runs the graph."""
        settings, wanted, purpose = self._settings, self.provider, self._purpose
        if wanted == 'cpu':
            return self._open()
        engine = self._engine(purpose) if wanted == 'tensorrt' and purpose is not None else None
        with tempfile.TemporaryDirectory() as folder:
            profile = Path(folder) / 'placement' if purpose is not None else None
            session = self._open(engine=engine, profile=profile)
            active = session.get_providers()[0]
            if active != PROVIDERS[wanted]:
                # A provider that fails to start makes ONNX Runtime fall back without an error.
                names = {full: name for name, full in PROVIDERS.items()}
                self.provider, self.notice = fall_back(
                    settings, wanted, f'it gave {active}', instead=names.get(active, 'cpu')
                )
            elif purpose is not None:
                self._run_empty(session, purpose.shapes)
                placement = read_placement(Path(session.end_profiling()))
                self.placement = str(placement)
                self.provider, self.notice = judge_placement(settings, wanted, placement)
        # What stands in runs with the settings it would have had, not with those of the failed one.
        return session if self.provider == wanted else self._open()

    def _open(self, *, engine: Path | None = None, profile: Path | None = None) -> Any:
        threads = self._settings.threads or default_threads()
        options = _options(self._settings, self.provider, threads)
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        try:
            # Its Python side would try other providers on its own, here and in every later run.
            session = ort.InferenceSession(
                self._graph,
                sess_options=options,
                providers=self._chain(engine),
                enable_fallback=0,
            )
            session.disable_fallback()
        except Exception as exc:  # noqa: BLE001  (as above)
            raise ModelError(
                f'{self._what}: ONNX Runtime {ort.__version__} cannot load it: {_reason(exc)}. '
                'Export it again, or install the version it was made for.'
            ) from None
        return session

    def _chain(self, engine: Path | None) -> list[tuple[str, dict[str, str]]]:
        return provider_chain(
            self.provider,
            self._settings,
            threads=self._settings.threads or default_threads(),
            purpose=self._purpose,
            engine_folder=engine,
        )

    def _engine(self, purpose: Purpose) -> Path | None:
        """Return the folder of the engine, None where it cannot be kept."""
        gpu, version = gpu_name(self._settings.device), tensorrt_version()
        if not gpu or not version:
            self._progress(
                'engine cache: not used, since neither GPU nor TensorRT tell what they are; the '
                'engine is built at every start'
            )
            return None
        key = engine_key(purpose, gpu=gpu, tensorrt=version, runtime=ort.__version__)

        def build(folder: Path) -> None:
            self._progress(
                f'{self._what}: building the TensorRT engine for {key.gpu}; this takes minutes'
            )
            build_engine(
                self._graph,
                self._chain(folder),
                (purpose.least, purpose.shapes),
                what=self._what,
                progress=self._progress,
            )

        cache = self._settings.engine_cache or default_cache()
        return ensure_engine(cache, key, build, self._progress)

    def _run_empty(self, session: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
        feeds = {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}
        try:
            session.run(None, feeds)
        except Exception as exc:  # noqa: BLE001  (as above)
            raise ModelError(
                f'{self._what}: {self.provider} cannot run it on {dict(shapes)}: {_reason(exc)}. '
                'Export it again, or choose another provider.'
            ) from None

    def _check_shapes(self, purpose: Purpose, feeds: Mapping[str, NDArray[np.uint8]]) -> None:
        """Refuse tiles that TensorRT would stop for minutes to build another engine for."""
        for name, array in feeds.items():
            most = purpose.shapes.get(name)
            if most is not None and (array.shape[1:] != most[1:] or array.shape[0] > most[0]):
                raise ModelError(
                    f'{name}: found {array.shape}; the TensorRT engine was built for 1 to '
                    f'{most[0]} tiles of {most[1:]}. Choose provider "cuda" for other sizes.'
                )


def available_providers() -> tuple[str, ...]:
    """Return the providers that this build of ONNX Runtime has, by its names."""
    return tuple(ort.get_available_providers())


def runtime_version() -> str:
    """Return the version of ONNX Runtime."""
    return str(ort.__version__)


def default_threads() -> int:
    """Return the cores this process may use, less one for capture, conversion and the rest."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return max(1, (cores or 2) - 1)


def _options(settings: RuntimeSettings, provider: str, threads: int) -> Any:
    options = ort.SessionOptions()
    # XNNPACK brings threads of its own; two sets of them fight for the same cores.
    own_threads = provider == 'xnnpack'
    options.intra_op_num_threads = 1 if own_threads else threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = settings.arena
    options.enable_mem_pattern = settings.memory_pattern
    spinning = settings.spinning and not own_threads
    options.add_session_config_entry('session.intra_op.allow_spinning', '1' if spinning else '0')
    options.log_severity_level = 3
    return options


def _reason(exc: Exception) -> str:
    return ' '.join(str(exc).split())[:400]


def _info(item: Any) -> TensorInfo:
    dtype = item.type.removeprefix('tensor(').removesuffix(')')
    return TensorInfo(item.name, dtype, tuple(item.shape))
