# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How models are run: the settings, the names of providers, what a graph takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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

    The defaults of arena and memory pattern were measured over four of our graphs, fp32 and int8,
    one to six tiles: without the arena a call took 1.00 to 1.38 times as long, with a peak of
    memory of 0.99 to 1.26; without the pattern 0.98 to 1.03 times as long, in 0.73 to 0.82 of the
    memory.

    Attributes:
        provider: A key of `PROVIDERS`, or `auto`.
        policy: What to do when the provider cannot be had: `refuse` to start, `warn` and run on
            the CPU, or `allow` it.
        threads: Threads of one model; 0 takes the cores of this machine less one.
        spinning: Keep threads spinning between runs: a little faster, and the cores stay hot.
        arena: Keep freed memory of a model for its next call.
        memory_pattern: Plan the memory of a call as one block when shapes repeat.
        device: Number of the GPU.
        engine_cache: Folder for TensorRT engines; None takes that of the user.
    """

    provider: str = 'auto'
    policy: ProviderPolicy = 'refuse'
    threads: int = 0
    spinning: bool = False
    arena: bool = True
    memory_pattern: bool = False
    device: int = 0
    engine_cache: Path | None = None
