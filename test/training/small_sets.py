# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny data sets in every layout, and a recipe for each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

NETWORKS = {
    'scene': 'decouplenet_d0',
    'segmentation': 'segghostnet_ued',
    'change': 'plain_siamese_unet',
}
SCENE_CLASSES = ('red', 'green')
RECIPE = """
task: {task}
network: {network}
seed: 3
epochs: {epochs}
samples_per_image: 2
validation_size: {validation_size}
data: {data}
augment: {{base: image, low: 0.5, high: 1.0, rotate: 0.5, colour: 0.2, blur: 0.2, jpeg: 0.2}}
steps:
  - {{until: 0.5, size: 64, batch: 4}}
  - {{until: 1, size: 96, batch: 2}}
optimiser: {{rate: 0.003, weight_decay: 0.01, warmup: 0.1, ema: 0.9}}
loss: {{smoothing: 0.1, mixup: 0.3, cutmix: 0.3, dice: 0.5, class_weights: true}}
"""


def write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_split(folder: Path, split: str, lines: list[str]) -> None:
    (folder / 'splits').mkdir(parents=True, exist_ok=True)
    (folder / 'splits' / f'{split}.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')


def class_folders(root: Path, train: int = 4) -> Path:
    """Two classes, told apart by colour."""
    folder = root / 'scenes'
    folder.mkdir(parents=True)
    (folder / 'classes.txt').write_text('\n'.join(SCENE_CLASSES), encoding='utf-8')
    rng = np.random.default_rng(1)
    for split, count in (('train', train), ('val', 2), ('test', 2)):
        lines = []
        for index, name in enumerate(SCENE_CLASSES):
            for number in range(count):
                image = rng.integers(0, 80, (96, 112, 3)).astype(np.uint8)
                image[:, :, 2 - index] += 120
                lines.append(f'images/{name}/{split}{number}.png')
                write_image(folder / lines[-1], image)
        write_split(folder, split, lines)
    return folder


def index_masks(root: Path, train: int = 4) -> Path:
    """Dark and bright halves, a strip of value 0 between them."""
    folder = root / 'masks'
    folder.mkdir(parents=True)
    (folder / 'classes.json').write_text(
        json.dumps({'classes': ['unlabeled', 'dark', 'bright']}), encoding='utf-8'
    )
    rng = np.random.default_rng(2)
    for split, count in (('train', train), ('test', 2)):
        names = []
        for number in range(count):
            image = rng.integers(0, 60, (96, 128, 3)).astype(np.uint8)
            mask = np.full((96, 128), 1, np.uint8)
            edge = 40 + 10 * number
            image[:, edge:] += 150
            mask[:, edge:] = 2
            mask[:, edge - 2 : edge + 2] = 0
            names.append(f'{split}_part{number}')
            write_image(folder / 'images' / f'{names[-1]}.png', image)
            write_image(folder / 'labels' / f'{names[-1]}.png', mask)
        write_split(folder, split, names)
    return folder


def pairs(root: Path, train: int = 4) -> Path:
    """Two dates of noisy ground; bright squares come (changed) or stay (not)."""
    folder = root / 'pairs'
    rng = np.random.default_rng(3)
    for split, count in (('train', train), ('val', 2), ('test', 2)):
        names = []
        for number in range(count):
            before, after = (rng.integers(40, 90, (128, 160, 3)).astype(np.uint8) for _ in 'AB')
            mask = np.zeros((128, 160), np.uint8)
            row, column = 8 + 10 * number, 16 + 8 * number
            after[row : row + 40, column : column + 48] += 120
            mask[row : row + 40, column : column + 48] = 255
            for image in (before, after):
                image[80:120, 100:140] += 120
            names.append(f'{split}{number}')
            for date, image in (('A', before), ('B', after), ('label', mask)):
                write_image(folder / date / f'{names[-1]}.png', image)
        write_split(folder, split, names)
    return folder


def recipe_file(root: Path, task: str, epochs: int = 2, network: str = '') -> Path:
    path = root / f'tiny_{task}.yaml'
    data = '{path: scenes, val: val}'
    if task == 'change':
        data = '{path: pairs, val: val}'
    if task == 'segmentation':
        data = "{path: masks, holdout: ['*_part0'], ignored_classes: [unlabeled]}"
    path.write_text(
        RECIPE.format(
            task=task,
            network=network or NETWORKS[task],
            epochs=epochs,
            validation_size=96 if task == 'scene' else 0,
            data=data,
        ),
        encoding='utf-8',
    )
    return path
