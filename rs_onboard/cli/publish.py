# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The command `rs_onboard publish`: a training run becomes a model folder (ground)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Turn a training run into a model folder: the selected weights are exported, compared with torch,
quantised by tiles of the train split, and every variant is measured on the test split through the
flight code. Licences, ground sample distance, baseline and known failures come from the card text
beside the recipe, RECIPE.card.yaml. Nothing is written unless the graphs agree."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `publish` command to those of `rs_onboard`."""
    parser = subparsers.add_parser(
        'publish',
        help='make a model folder of a training run (ground)',
        description=DESCRIPTION,
    )
    parser.add_argument('recipe', help='path of a YAML recipe, or name of one of the package')
    parser.add_argument('--run', type=Path, required=True, help='folder of the training run')
    parser.add_argument('--data', type=Path, required=True, help='folder that holds the data sets')
    parser.add_argument('--out', type=Path, required=True, help='model folder to write')
    parser.add_argument(
        '--pictures',
        default='',
        metavar='SET',
        help='draw the worst test images of this set, whose terms permit it, into the folder',
    )


def run(args: argparse.Namespace) -> int:
    """Publish and print the figures."""
    from rs_onboard.zoo import catalogue  # noqa: F401, I001, PLC0415  (says what to install)
    from rs_onboard.training.publish import publish  # noqa: PLC0415
    from rs_onboard.training.recipe import find_recipe  # noqa: PLC0415

    recipe = find_recipe(args.recipe)
    card = publish(recipe, args.data, args.run, args.out, pictures=args.pictures)
    for variant in card.variants.values():
        print(f'{variant.name}: {variant.size} bytes; {variant.note}')
        for name, value in variant.quality.items():
            print(f'  {name} {value:.4f}')
        for row in variant.latencies:
            print(f'  {row.p50_ms} ms with {row.threads} threads')
    print(f'{args.out}; now write the pages: rs_onboard models page --out docs/models.md')
    return 0
