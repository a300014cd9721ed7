# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a training run into a model folder: export, compare, quantise, measure, write the card.

`python -m rs_onboard.training.publish RECIPE --data DIR --run DIR --out models/NAME`. What no
program can know (licences, ground sample distance, known failures) stands in `RECIPE.card.yaml`.
"""

from __future__ import annotations

import argparse
import colorsys
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rs_onboard.inference.card import ClassInfo, DataSource, GsdSpec, InputSpec, Weights
from rs_onboard.inference.errors import CardError, FieldError
from rs_onboard.inference.fields import Fields, load_yaml
from rs_onboard.inference.model import load_model
from rs_onboard.inference.runtime import RuntimeSettings
from rs_onboard.training.data.load import load_for
from rs_onboard.training.data.sample import rescale
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluate import evaluate
from rs_onboard.training.recipe import find_recipe, load_recipe
from rs_onboard.training.trainer import BEST, load_best
from rs_onboard.zoo.catalogue import network
from rs_onboard.zoo.errors import ZooError
from rs_onboard.zoo.export import compare_with_torch, comparison_batches, deploy, tile_of, to_onnx
from rs_onboard.zoo.model_folder import CardText, Measured, time_graph, write_model_folder
from rs_onboard.zoo.quantize import quantise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx
    from numpy.typing import NDArray

    from rs_onboard.inference.card import ModelCard, TaskName, VariantName
    from rs_onboard.training.data.sample import DataSet, Sample
    from rs_onboard.training.evaluate import Evaluation
    from rs_onboard.training.recipe import Recipe

CALIBRATION_TILES = 64
AGREEMENT = {'scene': 0.995, 'segmentation': 0.99}
NAMED_CONFUSIONS = 4


def hue(index: int, count: int) -> tuple[int, int, int]:
    """Give each class its own hue."""
    red, green, blue = colorsys.hsv_to_rgb(index / count, 0.75 if index % 2 else 1.0, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def card_text(recipe: Recipe, path: Path, name: str, data: DataSet) -> CardText:
    """Read the written part of the card.

    Raises:
        CardError: A field is missing, unknown or wrong.
    """
    top = Fields(load_yaml(path, what='card text'), str(path), error=CardError)
    tile, gsd, weights = top.fields('input'), top.fields('gsd'), top.fields('weights')
    colours: dict[str, Any] = top.fields('colors', optional=True).rest()
    entry = network(recipe.network)
    side = tile.whole('side', 16, 8192)
    text = CardText(
        name=name,
        task=recipe.task,
        network=recipe.network,
        summary=top.take('summary', str),
        input=InputSpec(
            bands=('red', 'green', 'blue'),
            height=side,
            width=side,
            multiple=entry.input_rule.multiple,
            minimum=tile.whole('minimum', entry.input_rule.minimum, side),
            dynamic=True,
        ),
        gsd=GsdSpec(
            gsd.number('trained_m', 0, 1e3),
            gsd.number('low_m', 0, 1e3),
            gsd.number('high_m', 0, 1e3),
        ),
        classes=tuple(
            ClassInfo(known, tuple(colours.get(known) or hue(index, len(data.classes))))
            for index, known in enumerate(data.classes)
        ),
        weights=Weights(
            origin=weights.take('origin', str),
            licence=weights.take('licence', str),
            restrictions=weights.take('restrictions', str, ''),
            data=tuple(
                DataSource(**weights.nested(f'data[{i}]', item).rest())
                for i, item in enumerate(weights.items('data', least=1))
            ),
        ),
        evaluation=top.take('evaluation', str),
        limits=tuple(str(item) for item in top.items('limits')),
    )
    for fields in (tile, gsd, weights, top):
        fields.done()
    return text


def confusions(names: tuple[str, ...], evaluation: Evaluation) -> list[str]:
    """Put the most frequent mistakes of the test split into words."""
    matrix = evaluation.confusion.matrix.copy()
    np.fill_diagonal(matrix, 0)
    lines = []
    for index in np.argsort(matrix, axis=None)[::-1][:NAMED_CONFUSIONS]:
        true, found = divmod(int(index), len(names))
        total = int(evaluation.confusion.matrix[true].sum())
        if count := int(matrix[true, found]):
            lines.append(f'{names[true]} is taken for {names[found]} ({count / total:.0%} of it)')
    return lines


def quality(evaluation: Evaluation, names: tuple[str, ...]) -> dict[str, float]:
    """List the figures of a variant with the bounds of their 95 % interval."""
    figures: dict[str, float] = {}
    for name, value in evaluation.figures.items():
        low, high = evaluation.intervals[name]
        figures |= {name: value, f'{name}_low': low, f'{name}_high': high}
    if 'mean_iou' in figures:
        figures |= {
            f'iou_{name}': float(value)
            for name, value in zip(names, evaluation.confusion.iou, strict=True)
        }
    return figures


def publish(recipe_path: Path, root: Path, run: Path, out: Path) -> ModelCard:
    """Write the model folder.

    Raises:
        ExportError: The exported graph does not do what torch does.
        CardError: The card text is wrong.
        CheckpointError: The run has no fitting weights.
    """
    recipe = load_recipe(recipe_path)
    data = load_for(recipe, root)
    text = card_text(recipe, recipe_path.with_suffix('.card.yaml'), out.name, data)
    size = (text.input.height, text.input.width)
    # Images whose ground sample distance is known come at that of the card, as in flight.
    factor = recipe.data.gsd_m / text.gsd.trained_m if recipe.data.gsd_m else 1.0
    every = max(1, len(data.splits['train']) // CALIBRATION_TILES)
    chosen = [rescale(sample, factor) for sample in data.splits['train'][::every]]
    tiles = [tile_of(sample.image, *size)[None] for sample in chosen]
    whole = load_for(recipe, root, [recipe.data.test]).splits[recipe.data.test]
    test = [rescale(sample, factor) for sample in whole]
    names = tuple(info.name for info in text.classes)
    variants: dict[VariantName, Measured] = {}
    limits = list(text.limits)
    for name, (model, note) in export_variants(recipe, run, data, tiles).items():
        evaluation = measure(text, name, model, test)
        figures = quality(evaluation, names)
        variants[name] = Measured(model, figures, time_graph(model, tiles[0]), note)
        if name == 'fp32':
            limits += [f'On the test split {line}.' for line in confusions(names, evaluation)]
    return write_model_folder(out, replace(text, limits=tuple(limits)), variants)


def export_variants(
    recipe: Recipe, run: Path, data: DataSet, tiles: list[NDArray[np.uint8]]
) -> dict[VariantName, tuple[onnx.ModelProto, str]]:
    """Export and quantise the selected weights; returns graph and note by variant."""
    entry = network(recipe.network)
    saved = load_best(run / BEST, entry.name, data.classes)
    built = entry.build(classes=len(data.classes))
    built.load_state_dict(saved['model'])
    height, width = tiles[0].shape[1:3]
    graph = deploy(entry, built.eval())
    exported = to_onnx(graph, bands=3, size=(height, width))
    originals = [tile[0] for tile in tiles[:: max(1, len(tiles) // 5)]]
    compare_with_torch(graph, exported, comparison_batches(entry, originals, (height, width)))
    int8 = quantise(exported, tiles, target=AGREEMENT[recipe.task])
    unit = 'probability' if recipe.task == 'scene' else 'pixels'
    note = f'agrees with fp32 in {int8.agreement:.2%} of the {unit} on calibration tiles'
    if int8.float_nodes:
        note += f'; {len(int8.float_nodes)} nodes stay in float'
    return {
        'fp32': (exported, f'epoch {saved["epoch"]} of recipe {recipe.name}'),
        'int8': (int8.model, note),
    }


def measure(
    text: CardText, name: VariantName, model: onnx.ModelProto, test: Sequence[Sample]
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
        return evaluate(loaded, test)


def main(argv: list[str] | None = None) -> int:
    """Publish and print the figures; 2 on a mistake of the user."""
    parser = argparse.ArgumentParser(
        prog='python -m rs_onboard.training.publish',
        description='Turn a training run into a model folder.',
    )
    parser.add_argument('recipe', help='path of a YAML recipe, or name of one of the package')
    parser.add_argument('--data', type=Path, required=True, help='folder that holds the data sets')
    parser.add_argument('--run', type=Path, required=True, help='folder of the training run')
    parser.add_argument('--out', type=Path, required=True, help='model folder to write')
    arguments = parser.parse_args(argv)
    try:
        recipe = find_recipe(arguments.recipe)
        card = publish(recipe, arguments.data, arguments.run, arguments.out)
    except (FieldError, DataError, ZooError) as exc:
        sys.stderr.write(f'error: {exc}\n')
        return 2
    for variant in card.variants.values():
        figures = ' '.join(f'{key}={value:.4f}' for key, value in variant.quality.items())
        spent = ' '.join(f'{row.threads}t={row.p50_ms}ms' for row in variant.latencies)
        sys.stdout.write(
            f'{variant.name}: {figures} {spent} {variant.size} bytes; {variant.note}\n'
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
