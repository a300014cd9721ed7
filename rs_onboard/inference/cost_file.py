# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Measured costs kept from start to start, by model, machine and the way models are run."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from rs_onboard.inference.budget.ladder import VariantCost
from rs_onboard.inference.gpu import gpu_name
from rs_onboard.inference.machine import describe_machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# A file of costs is a few hundred bytes; a larger one is not ours.
MAX_BYTES = 65536
FORMAT = 1


@dataclass(frozen=True)
class CostKey:
    """All that costs depend on.

    Attributes:
        variants: sha256 of every variant, by name, the one the user chose first.
        provider: Execution provider.
        threads: Threads of a model; 0 for the default of this machine.
        batch: Tiles of one call.
        size: (height, width) of a tile [px].
        machine: Name of board or processor, and of the GPU where one is used.
        cores: Processor cores.
        runtime: Version of ONNX Runtime.
    """

    variants: Mapping[str, str]
    provider: str
    threads: int
    batch: int
    size: tuple[int, int]
    machine: str
    cores: int
    runtime: str

    @property
    def digest(self) -> str:
        """Name of the file, without its ending."""
        text = json.dumps([FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def cost_key(
    variants: Mapping[str, str], *, provider: str, threads: int, batch: int, size: tuple[int, int]
) -> CostKey:
    """Describe what is measured on this machine; see `CostKey`."""
    facts = describe_machine()
    gpu = '' if provider == 'cpu' else gpu_name(0)
    return CostKey(
        variants=dict(variants),
        provider=provider,
        threads=threads,
        batch=batch,
        size=size,
        machine=' '.join(filter(None, (str(facts['name']), str(facts['architecture']), gpu))),
        cores=int(facts['cores']),
        runtime=str(ort.__version__),
    )


def read_costs(folder: Path, key: CostKey) -> tuple[tuple[VariantCost, ...] | None, str]:
    """Read costs measured before.

    Args:
        folder: The cache.
        key: What they must be of.

    Returns:
        The costs, None where there are none that can be used, and then what is wrong with those
        there are; empty where there are none at all.
    """
    path = folder / f'{key.digest}.json'
    try:
        content = path.read_bytes()[: MAX_BYTES + 1]
    except FileNotFoundError:
        return None, ''
    except OSError as exc:
        return None, f'{path}: {exc.strerror or exc}'
    try:
        return _parse(content, key), ''
    except KeyError as exc:
        return None, f'{path}: no {exc}'
    except (ValueError, TypeError, AttributeError, RecursionError) as exc:
        return None, f'{path}: {" ".join(str(exc).split())}'


def write_costs(folder: Path, key: CostKey, costs: Sequence[VariantCost]) -> None:
    """Keep costs; a reader finds the old file or the new one, never half of it.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({'key': asdict(key), 'costs': [asdict(cost) for cost in costs]}, indent=1)
    path = folder / f'{key.digest}.json'
    beside = folder / f'.{key.digest}.{os.getpid()}'
    beside.write_text(text + '\n', encoding='utf-8')
    beside.replace(path)


def _parse(content: bytes, key: CostKey) -> tuple[VariantCost, ...]:
    """Read a file of costs.

    Raises:
        ValueError: It is not one of ours, or of something else; other types where a part of it is
            not what it should be.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f'more than {MAX_BYTES} bytes')
    data: Any = json.loads(content)
    if data['key'] != json.loads(json.dumps(asdict(key))):
        raise ValueError('costs of something else')
    costs = tuple(VariantCost(**item) for item in data['costs'])
    for cost in costs:
        numbers = (cost.fixed_ms, cost.tile_ms, cost.agreement)
        sound = all(type(n) in (int, float) and math.isfinite(n) and n >= 0 for n in numbers)
        if not sound or cost.tile_ms <= 0 or cost.agreement > 1 or cost.variant not in key.variants:
            raise ValueError(f'found {cost}; expected times and an agreement from 0 to 1')
    if not costs or costs[0].variant != next(iter(key.variants)):
        raise ValueError('the costs of the chosen variant are missing')
    return costs
