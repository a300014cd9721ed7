# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Write a model folder: one ONNX file a variant, and the card with what was measured."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rs_onboard.inference.card import CARD_FILE, SCHEMA_VERSION, VARIANTS, Latency, load_card
from rs_onboard.inference.fields import load_yaml
from rs_onboard.inference.machine import machine_name
from rs_onboard.inference.signature import SIGNATURE_FILE
from rs_onboard.zoo.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from rs_onboard.inference.bench import Timing
    from rs_onboard.inference.card import (
        Baseline,
        ClassInfo,
        GsdSpec,
        InputSpec,
        ModelCard,
        VariantName,
        Weights,
    )


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
        data = serialised(measured, what=f'{text.name}: {name}')
        (folder / f'{name}.onnx').write_bytes(data)
        rows[name] = variant_row(name, data, measured)
    card = {
        'card': SCHEMA_VERSION,
        'trained': True,
        **written_part(text),
        'variants': rows,
    }
    (folder / CARD_FILE).write_text(card_content(card), encoding='utf-8')
    return load_card(folder)


def add_variant(folder: Path, name: VariantName, measured: Measured) -> ModelCard:
    """Write a variant into a model folder, beside the others or in place of an older one.

    Files are written beside and renamed, the card last: whatever stops this in between leaves a
    folder that loads as before or is refused, never one that flies a graph its card does not know.
    A signature of the old card is removed: the folder is no longer what was signed.

    Raises:
        CardError: The folder has no card that flight accepts, or would not have one then.
        ExportError: The graph is empty.
    """
    load_card(folder)
    card = load_yaml(folder / CARD_FILE, what='model card')
    data = serialised(measured, what=f'{folder}: {name}')
    rows = card['variants']
    replaced = rows.get(name, {}).get('file')
    rows[name] = variant_row(name, data, measured)
    card['variants'] = {known: rows[known] for known in VARIANTS if known in rows}
    with tempfile.TemporaryDirectory(dir=folder, prefix='.adding-') as place:
        graph, text = Path(place) / f'{name}.onnx', Path(place) / CARD_FILE
        graph.write_bytes(data)
        text.write_text(card_content(card), encoding='utf-8')
        load_card(Path(place))
        (folder / SIGNATURE_FILE).unlink(missing_ok=True)
        graph.replace(folder / graph.name)
        text.replace(folder / CARD_FILE)
    if replaced not in {None, f'{name}.onnx'}:
        (folder / replaced).unlink(missing_ok=True)
    return load_card(folder)


def latencies_of(timings: Sequence[Timing], variant: str) -> tuple[Latency, ...]:
    """Take the rows of one variant for its card."""
    machine = machine_name()
    return tuple(
        Latency(
            machine=machine,
            provider=row.provider,
            threads=row.threads,
            batch=row.batch,
            height=row.height,
            width=row.width,
            p50_ms=round(row.p50_ms, 2),
        )
        for row in timings
        if row.variant == variant
    )


def write_latencies(folder: Path, measured: Mapping[str, Sequence[Latency]]) -> ModelCard:
    """Put timings of variants into a card, in place of older ones; the rest of it stays.

    A signature of the old card is removed: the folder is no longer what was signed.

    Raises:
        CardError: The folder has no card that flight accepts.
    """
    load_card(folder)
    card = load_yaml(folder / CARD_FILE, what='model card')
    for name, latencies in measured.items():
        card['variants'][name]['latency'] = [asdict(latency) for latency in latencies]
    with tempfile.TemporaryDirectory(dir=folder, prefix='.timing-') as place:
        text = Path(place) / CARD_FILE
        text.write_text(card_content(card), encoding='utf-8')
        load_card(Path(place))
        (folder / SIGNATURE_FILE).unlink(missing_ok=True)
        text.replace(folder / CARD_FILE)
    return load_card(folder)


def serialised(measured: Measured, *, what: str) -> bytes:
    """Give the bytes of a graph.

    Raises:
        ExportError: There are none.
    """
    data = bytes(measured.model.SerializeToString())
    if not data:
        raise ExportError(f'{what} graph is empty; export it again')
    return data


def variant_row(name: VariantName, data: bytes, measured: Measured) -> dict[str, Any]:
    """Give the entry of a variant in the card."""
    return {
        'file': f'{name}.onnx',
        'sha256': hashlib.sha256(data).hexdigest(),
        'bytes': len(data),
        'quality': {key: round(value, 4) for key, value in measured.quality.items()},
        'latency': [asdict(latency) for latency in measured.latencies],
        'note': measured.note,
    }


def card_content(card: Mapping[str, Any]) -> str:
    """Write a card as YAML."""
    return yaml.dump(card, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


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
