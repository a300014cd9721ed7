# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a training run into a model folder: export, compare, quantise, measure, write the card.

What no program can know (licences, ground sample distance, known failures, the baseline) stands in
`RECIPE.card.yaml`.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from rs_onboard.inference.fields import load_yaml
from rs_onboard.inference.model import load_model
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.perception.results import palette
from rs_onboard.training.checkpoint import load_run
from rs_onboard.training.data.class_folders import to_square
from rs_onboard.training.data.label_map import find_label_map, load_label_map
from rs_onboard.training.data.load import load_for
from rs_onboard.training.data.sample import rescale
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluation.measure import Runner, evaluate
from rs_onboard.training.evaluation.pictures import contact_sheet, draw_failure, write_jpeg
from rs_onboard.training.recipe import load_recipe
from rs_onboard.training.tasks.change import centre_threshold
from rs_onboard.training.variants import AGREEMENT
from rs_onboard.zoo.card_text import read_card_text
from rs_onboard.zoo.export import (
    compare_with_torch,
    comparison_batches,
    deploy,
    export_model,
    input_names,
    tile_of,
)
from rs_onboard.zoo.make_folder import time_files
from rs_onboard.zoo.model_folder import Measured, latencies_of, write_model_folder
from rs_onboard.zoo.quantise import quantise
from rs_onboard.zoo.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from rs_onboard.inference.card import ModelCard, TaskName, VariantName
    from rs_onboard.training.data.sample import DataSet, Sample
    from rs_onboard.training.evaluation.summary import Evaluation
    from rs_onboard.training.recipe import Recipe
    from rs_onboard.zoo.model_folder import CardText
    from rs_onboard.zoo.weights import TrainedNetwork

    Feeds = dict[str, NDArray[np.uint8]]

BEST = 'best.pt'
# Picture of the worst answers, beside the card.
FAILURES = 'failures.jpg'
SHOWN_FAILURES = 12
FAILURE_HEIGHT = 160
CALIBRATION_TILES = 64
COMPARED_IMAGES = 5
NAMED_CONFUSIONS = 4


def publish(
    recipe_path: Path, root: Path, run: Path, out: Path, *, pictures: str = ''
) -> ModelCard:
    """Write the model folder.

    Args:
        recipe_path: The recipe; its card text lies beside it.
        root: Folder that holds the data sets.
        run: Folder of the training run.
        out: Model folder to write.
        pictures: Name of the set whose worst test images are drawn into the folder, which its
            terms must permit; empty for none.

    Raises:
        ExportError: The exported graph does not do what torch does.
        CardError: The card text is wrong.
        CheckpointError: The run has no fitting weights.
        DataError: Something is wrong with the images.
    """
    recipe = load_recipe(recipe_path)
    weights = read_weights(run / BEST, recipe.network)
    if recipe.task == 'change':
        centre_threshold(weights.network, load_run(run / BEST)['figures']['threshold'])
    data = load_for(recipe, root)
    text = card_text(recipe, recipe_path.with_suffix('.card.yaml'), out.name, data, weights)
    whole = load_for(recipe, root, [recipe.data.test]).splits[recipe.data.test]
    test = [as_evaluated(recipe, text, sample) for sample in whole]
    shown = permitted(recipe, test, pictures) if pictures else {}
    size = (text.input.height, text.input.width)
    models = export_variants(weights, calibration(recipe, text, data), size)
    measured = {
        name: measure(text, name, model, test, recipe.data.gsd_m or None)
        for name, (model, _) in models.items()
    }
    files = {name: model.SerializeToString() for name, (model, _) in models.items()}
    timings = time_files(text.name, size, {str(name): file for name, file in files.items()})
    variants = {
        name: Measured(model, measured[name].quality(), latencies_of(timings, name), note)
        for name, (model, note) in models.items()
    }
    found = [f'On the test split {x}.' for x in measured['fp32'].confusions(NAMED_CONFUSIONS)]
    card = write_model_folder(out, replace(text, limits=(*text.limits, *found)), variants)
    (out / FAILURES).unlink(missing_ok=True)
    draw_failures(card, measured['fp32'], shown, recipe.data.gsd_m or None)
    return card


def card_text(
    recipe: Recipe, path: Path, name: str, data: DataSet, weights: TrainedNetwork
) -> CardText:
    """Read the written part of the card, and name what each set of a union calls a class.

    Raises:
        CardError: A field is missing, unknown or wrong.
        DataError: The run was trained on other classes.
    """
    if data.classes != weights.classes:
        raise DataError(
            str(data.folder),
            [f'classes {list(data.classes)}; the run was trained on {list(weights.classes)}'],
        )
    text = read_card_text(
        load_yaml(path, what='card text'),
        str(path),
        name=name,
        entry=weights.entry,
        classes=weights.classes,
        bands=weights.bands,
    )
    if not recipe.data.labels:
        return text
    aliases: dict[str, set[str]] = defaultdict(set)
    for names in load_label_map(find_label_map(recipe.data.labels)).names.values():
        for alias, union in names.items():
            aliases[union] |= {alias} - {union}
    classes = (replace(c, aliases=tuple(sorted(aliases[c.name]))) for c in text.classes)
    return replace(text, classes=tuple(classes))


def as_evaluated(recipe: Recipe, text: CardText, sample: Sample) -> Sample:
    """Make one tile of a scene whose scale nobody knows, as `rs_onboard evaluate` does."""
    if recipe.task != 'scene' or recipe.data.gsd_m:
        return sample
    return replace(sample, image=to_square(sample.image, text.input.height))


def calibration(recipe: Recipe, text: CardText, data: DataSet) -> list[Feeds]:
    """Cut tiles of the train split, every so many images, at the scale of flight."""
    train = data.splits['train']
    every = max(1, len(train) // CALIBRATION_TILES)
    # Where images were resampled on loading, that was to the scale of the card.
    resample = recipe.data.gsd_m and not recipe.data.scales
    factor = recipe.data.gsd_m / text.gsd.trained_m if resample else 1.0
    size = (text.input.height, text.input.width)
    feeds = []
    for chosen in train[::every]:
        sample = rescale(as_evaluated(recipe, text, chosen), factor)
        images = [image for image in (sample.before, sample.image) if image is not None]
        tiles = [tile_of(image, *size)[np.newaxis] for image in images]
        feeds.append(dict(zip(input_names(recipe.task), tiles, strict=True)))
    return feeds


def export_variants(
    weights: TrainedNetwork, feeds: list[Feeds], size: tuple[int, int]
) -> dict[VariantName, tuple[onnx.ModelProto, str]]:
    """Export and quantise the selected weights; returns graph and note by variant."""
    entry, scheme = weights.entry, weights.normalisation
    exported = export_model(entry, weights.network, normalisation=scheme, size=size)
    images = [next(iter(f.values()))[0] for f in feeds[:: max(1, len(feeds) // COMPARED_IMAGES)]]
    graph = deploy(entry, weights.network, scheme)
    compare_with_torch(graph, exported, comparison_batches(entry, images, size))
    int8 = quantise(exported, feeds, target=AGREEMENT[cast('TaskName', entry.task)])
    return {'fp32': (exported, weights.note), 'int8': (int8.model, int8.note)}


def measure(
    text: CardText,
    name: VariantName,
    model: onnx.ModelProto,
    test: Sequence[Sample],
    gsd_m: float | None,
) -> Evaluation:
    """Write a variant as flight would find it, load it back and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        write_model_folder(Path(folder), text, {name: Measured(model, {}, (), '')})
        loaded = load_model(
            Path(folder),
            task=cast('TaskName', text.task),
            variant=name,
            settings=RuntimeSettings(provider='cpu', threads=1),
        )
        return evaluate(loaded, test, gsd_m=gsd_m)


def permitted(recipe: Recipe, test: Sequence[Sample], name: str) -> dict[str, Sample]:
    """Choose the images of the set whose images may be shown, by name.

    Raises:
        DataError: There is no such set.
    """
    sets = sorted({sample.origin for sample in test} - {''}) or [Path(recipe.data.path).name]
    if name not in sets:
        raise DataError(name, [f'--pictures: no such set; expected one of {sets}'])
    return {sample.name: sample for sample in test if sample.origin in ('', name)}


def draw_failures(
    card: ModelCard, evaluation: Evaluation, samples: Mapping[str, Sample], gsd_m: float | None
) -> None:
    """Draw the worst answers among some images into the model folder."""
    worst = [score for score in evaluation.worst if score.name in samples][:SHOWN_FAILURES]
    if not worst:
        return
    settings = RuntimeSettings(provider='cpu', threads=1)
    runner = Runner(load_model(card.folder, task=card.task, settings=settings), gsd_m=gsd_m)
    drawn = [
        draw_failure(
            samples[score.name],
            runner.run(samples[score.name]),
            score,
            palette(card),
            height=FAILURE_HEIGHT,
        )
        for score in worst
    ]
    write_jpeg(card.folder / FAILURES, contact_sheet(drawn))
