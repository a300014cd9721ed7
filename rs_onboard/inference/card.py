# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The model card: what a model folder holds, what it was trained on, what was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from rs_onboard.inference.errors import CardError, FieldError
from rs_onboard.inference.fields import Fields, parse_yaml, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CARD_FILE = 'card.yaml'
SCHEMA_VERSION = 1

TaskName = Literal['scene', 'detection', 'segmentation', 'change']
VariantName = Literal['fp32', 'fp16', 'int8']

TASKS: tuple[TaskName, ...] = ('scene', 'detection', 'segmentation', 'change')
VARIANTS: tuple[VariantName, ...] = ('fp32', 'fp16', 'int8')

# Class ids travel as uint8 and 255 means "not known".
MAX_CLASSES = 255

_SHA256 = re.compile(r'[0-9a-f]{64}')
_NAME = re.compile(r'[a-z0-9][a-z0-9._-]{0,63}')
_FILE = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.onnx')


@dataclass(frozen=True)
class ClassInfo:
    """A class of a model.

    Attributes:
        name: Name shown to users and published as `class_id`.
        color: Red, green, blue for drawing, 0 to 255.
        aliases: Other names that data sets give it.
    """

    name: str
    color: tuple[int, int, int]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputSpec:
    """The input a model was made for.

    Attributes:
        bands: Names of the bands in channel order.
        height: Tile height trained at [px].
        width: Tile width trained at [px].
        multiple: Height and width must be multiples of this [px].
        minimum: Smallest height and width [px].
        dynamic: Whether the graph accepts other sizes that fit `multiple` and `minimum`.
    """

    bands: tuple[str, ...]
    height: int
    width: int
    multiple: int
    minimum: int
    dynamic: bool


@dataclass(frozen=True)
class GsdSpec:
    """Ground sample distance of the training images [m/px] and the range that was measured."""

    trained_m: float
    low_m: float
    high_m: float


@dataclass(frozen=True)
class DataSource:
    """A data set behind the weights, with its terms."""

    name: str
    licence: str
    origin: str
    citation: str


@dataclass(frozen=True)
class Weights:
    """Where the weights come from and under which terms they may be used.

    Attributes:
        origin: Who trained them, how.
        licence: Terms of the weights.
        restrictions: What the terms forbid, empty where nothing is.
        data: The data sets behind them.
    """

    origin: str
    licence: str
    restrictions: str
    data: tuple[DataSource, ...]


@dataclass(frozen=True)
class Baseline:
    """A plain network of equal cost, trained and measured the same way.

    Attributes:
        name: Its name.
        training: How it was trained.
        quality: Its figures, by metric name.
    """

    name: str
    training: str
    quality: Mapping[str, float]


@dataclass(frozen=True)
class Latency:
    """One timing: median of one call [ms] with `threads` threads on `machine`."""

    machine: str
    provider: str
    threads: int
    batch: int
    height: int
    width: int
    p50_ms: float


@dataclass(frozen=True)
class Variant:
    """One ONNX file of the folder.

    Attributes:
        name: `fp32`, `fp16` or `int8`.
        file: File name within the folder.
        sha256: Hash of the file, lower-case hexadecimal.
        size: Size of the file [bytes].
        quality: Measured figures, by metric name.
        latencies: Measured timings.
        note: What users must know (for instance "not faster than fp32 on x86").
    """

    name: VariantName
    file: str
    sha256: str
    size: int
    quality: Mapping[str, float]
    latencies: tuple[Latency, ...]
    note: str


@dataclass(frozen=True)
class ModelCard:
    """The content of `card.yaml`.

    Attributes:
        folder: The model folder.
        name: Name of the model.
        task: Task it is for.
        network: Catalogue name of the network.
        summary: One sentence for users.
        trained: False for random weights, which every start-up log and report then says.
        input: Its input.
        gsd: Ground sample distance it was trained at.
        classes: Its classes; the position is the id.
        weights: Origin and terms.
        variants: Its files by variant name.
        evaluation: How the figures were measured.
        limits: Known failures.
        baseline: What it is measured against, None where nothing is.
    """

    folder: Path
    name: str
    task: TaskName
    network: str
    summary: str
    trained: bool
    input: InputSpec
    gsd: GsdSpec
    classes: tuple[ClassInfo, ...]
    weights: Weights
    variants: Mapping[VariantName, Variant]
    evaluation: str
    limits: tuple[str, ...]
    baseline: Baseline | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in id order."""
        return tuple(c.name for c in self.classes)


def load_card(folder: Path) -> ModelCard:
    """Read and check `card.yaml` of a model folder.

    Raises:
        CardError: The folder or card is missing, or a field is missing, unknown or wrong.
    """
    return parse_card(folder, read_card(folder))


def read_card(folder: Path) -> bytes:
    """Read the bytes of `card.yaml`.

    Raises:
        CardError: The folder or card is missing, or the card is too large.
    """
    if not folder.is_dir():
        raise CardError(
            f'{folder}: no such model folder; expected a folder with {CARD_FILE}. '
            'Check the model path, or copy the folder to this machine.'
        )
    try:
        return read_yaml(folder / CARD_FILE, what='model card')
    except FieldError as exc:
        raise CardError(str(exc)) from None


def parse_card(folder: Path, content: bytes) -> ModelCard:
    """Check the content of `card.yaml` of a model folder.

    Raises:
        CardError: A field is missing, unknown or wrong.
    """
    path = folder / CARD_FILE
    try:
        data = parse_yaml(content, path, what='model card')
    except FieldError as exc:
        raise CardError(str(exc)) from None
    top = Fields(data, str(path), error=CardError)
    top.whole('card', SCHEMA_VERSION, SCHEMA_VERSION)
    card = ModelCard(
        folder=folder,
        name=_name(top),
        task=cast('TaskName', top.choice('task', TASKS)),
        network=top.take('network', str),
        summary=top.take('summary', str),
        trained=top.take('trained', bool),
        input=_input(top.fields('input')),
        gsd=_gsd(top.fields('gsd')),
        classes=_classes(top),
        weights=_weights(top.fields('weights')),
        variants=_variants(top.fields('variants')),
        evaluation=top.take('evaluation', str),
        limits=top.texts('limits'),
        baseline=read_baseline(top),
    )
    if card.task == 'change' and len(card.classes) > 2:
        raise top.fail('classes', len(card.classes), '"change", alone or after its opposite')
    top.done()
    return card


def read_baseline(top: Fields) -> Baseline | None:
    """Take the field `baseline`, which is optional."""
    fields = top.fields('baseline', optional=True)
    if not fields:
        return None
    baseline = Baseline(
        name=fields.take('name', str),
        training=fields.take('training', str),
        quality=fields.numbers('quality'),
    )
    fields.done()
    return baseline


def _name(top: Fields) -> str:
    name = top.take('name', str)
    if not _NAME.fullmatch(name):
        raise top.fail('name', name, 'lower-case letters, digits, ".", "_" or "-", at most 64')
    return name


def _input(fields: Fields) -> InputSpec:
    spec = InputSpec(
        bands=fields.texts('bands', least=1),
        height=fields.whole('height', 1, 8192),
        width=fields.whole('width', 1, 8192),
        multiple=fields.whole('multiple', 1, 1024, 1),
        minimum=fields.whole('minimum', 1, 8192, 1),
        dynamic=fields.take('dynamic', bool),
    )
    for name, value in (('height', spec.height), ('width', spec.width)):
        if value % spec.multiple or value < spec.minimum:
            raise fields.fail(
                name, value, f'a multiple of {spec.multiple}, at least {spec.minimum}'
            )
    fields.done()
    return spec


def _gsd(fields: Fields) -> GsdSpec:
    trained = fields.number('trained_m', 1e-3, 1e3)
    spec = GsdSpec(
        trained_m=trained,
        low_m=fields.number('low_m', 1e-4, trained, trained),
        high_m=fields.number('high_m', trained, 1e4, trained),
    )
    fields.done()
    return spec


def _classes(top: Fields) -> tuple[ClassInfo, ...]:
    classes: list[ClassInfo] = []
    for index, item in enumerate(top.items('classes', least=1)):
        fields = top.nested(f'classes[{index}]', item)
        name = fields.take('name', str)
        color = fields.items('color')
        if len(color) != 3 or not all(type(c) is int and 0 <= c <= 255 for c in color):
            raise fields.fail('color', color, 'three whole numbers from 0 to 255')
        aliases = fields.texts('aliases')
        fields.done()
        taken = {word for known in classes for word in (known.name, *known.aliases)}
        for word in (name, *aliases):
            if word in taken:
                raise fields.fail('name', word, 'each class name and alias once')
        classes.append(ClassInfo(name, (color[0], color[1], color[2]), aliases))
    if len(classes) > MAX_CLASSES:
        raise top.fail('classes', len(classes), f'at most {MAX_CLASSES} classes')
    return tuple(classes)


def _weights(fields: Fields) -> Weights:
    data = []
    for index, item in enumerate(fields.items('data', least=1)):
        source = fields.nested(f'data[{index}]', item)
        data.append(
            DataSource(
                name=source.take('name', str),
                licence=source.take('licence', str),
                origin=source.take('origin', str),
                citation=source.take('citation', str, ''),
            )
        )
        source.done()
    weights = Weights(
        origin=fields.take('origin', str),
        licence=fields.take('licence', str),
        restrictions=fields.take('restrictions', str, ''),
        data=tuple(data),
    )
    fields.done()
    return weights


def _variants(fields: Fields) -> dict[VariantName, Variant]:
    variants: dict[VariantName, Variant] = {}
    for name, item in fields.rest().items():
        if name not in VARIANTS:
            raise fields.fail(str(name), item, 'a variant named ' + ', '.join(VARIANTS))
        entry = fields.nested(name, item)
        file = entry.take('file', str)
        if not _FILE.fullmatch(file):
            raise entry.fail('file', file, 'a plain file name ending in .onnx within the folder')
        sha256 = entry.take('sha256', str)
        if not _SHA256.fullmatch(sha256):
            raise entry.fail('sha256', sha256, '64 lower-case hexadecimal digits')
        variants[name] = Variant(
            name=name,
            file=file,
            sha256=sha256,
            size=entry.whole('bytes', 1, 2**31),
            quality=entry.numbers('quality', default={}),
            latencies=tuple(
                _latency(entry.nested(f'latency[{index}]', row))
                for index, row in enumerate(entry.items('latency'))
            ),
            note=entry.take('note', str, ''),
        )
        entry.done()
    if not variants:
        raise fields.fail('fp32', None, 'at least one variant of ' + ', '.join(VARIANTS))
    return variants


def _latency(fields: Fields) -> Latency:
    latency = Latency(
        machine=fields.take('machine', str),
        provider=fields.take('provider', str),
        threads=fields.whole('threads', 1, 1024),
        batch=fields.whole('batch', 1, 4096),
        height=fields.whole('height', 1, 16384),
        width=fields.whole('width', 1, 16384),
        p50_ms=fields.number('p50_ms', 0.0, 1e7),
    )
    fields.done()
    return latency
