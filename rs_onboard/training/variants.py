# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Add variants to a model folder: quantise, measure quality and latency before and after, write."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from rs_onboard.inference.card import load_card
from rs_onboard.inference.model import load_graph, load_model
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.training.evaluation.layout import list_items
from rs_onboard.training.evaluation.measure import evaluate
from rs_onboard.training.evaluation.reading import LabelledImages, Options
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.make_folder import speed_note, time_files
from rs_onboard.zoo.model_folder import Measured, add_variant, latencies_of
from rs_onboard.zoo.quantise import calibration_feeds, quantise, to_half

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.inference.bench import Timing
    from rs_onboard.inference.card import ModelCard, TaskName, VariantName
    from rs_onboard.training.evaluation.summary import Evaluation

FLOAT: VariantName = 'fp32'
# Share of the answer that int8 has in common with fp32 and below which nodes stay in float.
AGREEMENT: dict[TaskName, float] = {
    'scene': 0.995,
    'segmentation': 0.99,
    'change': 0.995,
    'detection': 0.98,
}


@dataclass(frozen=True)
class LabelledSplit:
    """Labelled images to measure quality on.

    Attributes:
        folder: The data set.
        split: Name of the split.
        gsd_m: Ground sample distance of the images [m/px]; None to take them at image scale.
        ignored: Classes of the data that have no say.
    """

    folder: Path
    split: str
    gsd_m: float | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Variants before and after.

    Attributes:
        card: The card as written.
        variants: What was compared, fp32 first.
        timings: Timings of all, taken together.
        evaluations: Figures of all on the labelled split; empty without one.
        notes: What was found of the split.
    """

    card: ModelCard
    variants: tuple[VariantName, ...]
    timings: tuple[Timing, ...]
    evaluations: dict[VariantName, Evaluation]
    notes: tuple[str, ...]


def make_variants(
    folder: Path,
    names: Sequence[VariantName],
    calibration: Path | None,
    labelled: LabelledSplit | None = None,
) -> Comparison:
    """Make variants of the fp32 graph of a folder and write them into it.

    Args:
        folder: The model folder.
        names: What to make, of `int8` and `fp16`; those that are there already are replaced.
        calibration: Folder of images that set the ranges of int8; None where none is made.
        labelled: Where to measure quality; None to measure none.

    Raises:
        CardError: The card is missing or wrong.
        ModelError: The graph is not that of the card.
        ExportError: There is no fp32 variant, or no image to calibrate on.
        DataError: Something is wrong with the labelled images.
    """
    card = load_card(folder)
    if FLOAT not in card.variants:
        raise ExportError(
            f'{folder}: has the variants {", ".join(card.variants)}; expected fp32, which the '
            'others are made from. Export it again.'
        )
    graph = onnx.load_from_string(load_graph(folder, variant=FLOAT).data)
    # Labels are read before anything long is begun.
    images = None if labelled is None else read_split(card, labelled)
    models: dict[VariantName, onnx.ModelProto] = {FLOAT: graph}
    notes: dict[VariantName, str] = {}
    for name in names:
        models[name], notes[name] = make(name, graph, card, calibration)
    files = {str(name): bytes(model.SerializeToString()) for name, model in models.items()}
    timings = time_files(card.name, (card.input.height, card.input.width), files)
    if 'fp16' in notes:
        notes['fp16'] += f'; {speed_note(timings, "fp16")}'
    evaluations: dict[VariantName, Evaluation] = {}
    if images is not None and labelled is not None:
        for name, model in models.items():
            evaluations[name] = measure(folder, name, model, images, labelled.gsd_m)
        for name in notes:
            notes[name] += f'; figures of {len(images)} images of split {labelled.split}'
    for name, text in notes.items():
        figures = evaluations[name].quality() if evaluations else {}
        measured = Measured(models[name], figures, latencies_of(timings, name), text)
        add_variant(folder, name, measured)
    found = () if images is None else (*images.listing.notes, *images.notes)
    return Comparison(load_card(folder), tuple(models), tuple(timings), evaluations, found)


def read_split(card: ModelCard, labelled: LabelledSplit) -> LabelledImages:
    """Check the labelled images.

    Raises:
        DataError: Lists what is wrong with them.
    """
    listing = list_items(labelled.folder, card.task, labelled.split)
    # A known scale leaves nothing to be guessed about the size.
    side = 0 if labelled.gsd_m else None
    return LabelledImages(listing, card, Options(labelled.ignored, side=side))


def make(
    name: VariantName, graph: onnx.ModelProto, card: ModelCard, calibration: Path | None
) -> tuple[onnx.ModelProto, str]:
    """Make one variant; returns the graph and what is to be said of it.

    Raises:
        ExportError: There is no image to calibrate on.
    """
    if name == 'fp16':
        return to_half(graph), 'half precision, made for GPUs'
    if calibration is None:
        raise ExportError('int8 needs images that set its ranges: give --calibration DIR.')
    made = quantise(graph, calibration_feeds(calibration, card), target=AGREEMENT[card.task])
    return made.model, made.note


def measure(
    folder: Path,
    name: VariantName,
    model: onnx.ModelProto,
    images: LabelledImages,
    gsd_m: float | None,
) -> Evaluation:
    """Write a variant as flight would find it, load it back and measure it."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(folder, Path(place) / 'model'))
        add_variant(copy, name, Measured(model, {}, (), ''))
        settings = RuntimeSettings(provider='cpu', threads=1)
        loaded = load_model(copy, task=load_card(copy).task, variant=name, settings=settings)
        return evaluate(loaded, images, classes=images.matching.classes, gsd_m=gsd_m)
