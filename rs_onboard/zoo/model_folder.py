# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Write a model folder: one ONNX file a variant, and the card with what was measured."""

from __future__ import annotations

import hashlib
import platform
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from rs_onboard.inference.card import CARD_FILE, SCHEMA_VERSION, Latency, ModelCard, load_card
from rs_onboard.inference.runtime import OnnxRuntime, RuntimeSettings
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export import INPUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import onnx
    from numpy.typing import NDArray

    from rs_onboard.inference.card import (
        Baseline,
        ClassInfo,
        GsdSpec,
        InputSpec,
        VariantName,
        Weights,
    )

WARM_UP = 5
RUNS = 40


@dataclass(frozen=True)
class Measured:
    """A variant before it is written.

    Attributes:
        model: The graph.
        quality: Figures by metric name.
        latencies: Timings.
        note: What users must know.
    """

    model: onnx.ModelProto
    quality: Mapping[str, float]
    latencies: tuple[Latency, ...]
    note: str


@dataclass(frozen=True)
class CardText:
    """The part of a card that no program can measure.

    Attributes:
        name: Name of the model.
        task: Task.
        network: Catalogue name.
        summary: One sentence for users.
        input: Its input.
        gsd: Ground sample distance.
        classes: Names and colours.
        weights: Origin and terms.
        evaluation: How the figures were measured.
        limits: Known failures.
        baseline: What it is measured against, None where nothing is.
    """

    name: str
    task: str
    network: str
    summary: str
    input: InputSpec
    gsd: GsdSpec
    classes: tuple[ClassInfo, ...]
    weights: Weights
    evaluation: str
    limits: tuple[str, ...]
    baseline: Baseline | None = None


def write_model_folder(
    folder: Path, text: CardText, variants: Mapping[VariantName, Measured]
) -> ModelCard:
    """Write files and card, and read the card back.

    Raises:
        ExportError: A graph exceeds what one file may hold.
        CardError: The card is not one that flight accepts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Any] = {}
    for name, measured in variants.items():
        data = measured.model.SerializeToString()
        if not data:
            raise ExportError(f'{text.name}: {name} graph is empty; export it again')
        (folder / f'{name}.onnx').write_bytes(data)
        rows[name] = {
            'file': f'{name}.onnx',
            'sha256': hashlib.sha256(data).hexdigest(),
            'bytes': len(data),
            'quality': {key: round(value, 4) for key, value in measured.quality.items()},
            'latency': [asdict(latency) for latency in measured.latencies],
            'note': measured.note,
        }
    card = {
        'card': SCHEMA_VERSION,
        'trained': True,
        **written_part(text),
        'variants': rows,
    }
    content = yaml.dump(card, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    (folder / CARD_FILE).write_text(content, encoding='utf-8')
    return load_card(folder)


def written_part(text: CardText) -> dict[str, Any]:
    """Give the fields of the card that are not measured, without optional ones that are empty."""
    fields: dict[str, Any] = plain(asdict(text))
    if text.baseline is None:
        del fields['baseline']
    for known in fields['classes']:
        if not known['aliases']:
            del known['aliases']
    return fields


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, which cards refuse."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def plain(value: Any) -> Any:
    """Turn tuples into lists, throughout."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def machine_name() -> str:
    """Name the processor of this machine."""
    name = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.is_file():
        found = re.search(r'^model name\s*: (.+)$', info.read_text(encoding='utf-8'), re.MULTILINE)
        name = found.group(1).strip() if found else name
    return name


def time_graph(
    model: onnx.ModelProto, tile: NDArray[np.uint8], threads: Iterable[int] = (1, 2)
) -> tuple[Latency, ...]:
    """Time single calls on one tile (1, H, W, bands), as flight makes them."""
    rows = []
    for count in threads:
        settings = RuntimeSettings(provider='cpu', threads=count)
        runtime = OnnxRuntime(model.SerializeToString(), settings, what='graph to be timed')
        spent = []
        for _ in range(WARM_UP + RUNS):
            start = time.perf_counter_ns()
            runtime.run({INPUT: tile})
            spent.append((time.perf_counter_ns() - start) / 1e6)
        rows.append(
            Latency(
                machine=machine_name(),
                provider='cpu',
                threads=count,
                batch=1,
                height=tile.shape[1],
                width=tile.shape[2],
                p50_ms=round(float(np.median(spent[WARM_UP:])), 2),
            )
        )
    return tuple(rows)
