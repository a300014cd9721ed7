# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model folders load, know images they never saw, and say where they come from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.inference.card import load_card
from rs_onboard.inference.model import load_model

ROOT = Path(__file__).parents[2]
TILES = ROOT / 'test' / 'data' / 'tiles'
FOLDERS = sorted(path.parent for path in (ROOT / 'models').glob('*/card.yaml'))
MAX_BYTES = 60e6


def read(name: str) -> np.ndarray:
    image = cv2.imread(str(TILES / name))
    return np.ascontiguousarray(image[:, :, ::-1])


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_every_variant_is_the_file_that_was_measured(folder):
    card = load_card(folder)
    assert card.name == folder.name
    assert card.trained
    assert card.weights.licence
    assert card.limits
    for name, variant in card.variants.items():
        load_model(folder, task=card.task, variant=name)
        assert variant.quality
        assert variant.latencies


def test_all_models_together_stay_small():
    assert sum(path.stat().st_size for path in (ROOT / 'models').rglob('*.onnx')) < MAX_BYTES


@pytest.mark.parametrize('variant', ['fp32', 'int8'])
def test_scene_model_knows_tiles_of_the_test_split(variant):
    folder = ROOT / 'models' / 'scene-decouplenet-d0'
    model = load_model(folder, task='scene', variant=variant)
    names = ('harbor70.webp', 'parkinglot72.webp', 'forest75.webp')
    tiles = np.stack([read(name) for name in names])
    probabilities = model.runtime.run({'tiles': tiles})['probabilities']
    found = [model.card.class_names[i] for i in probabilities.argmax(axis=1)]
    assert found == ['harbor', 'parkinglot', 'forest']
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize('variant', ['fp32', 'int8'])
def test_segmentation_model_labels_most_of_an_image_of_the_test_split(variant):
    folder = ROOT / 'models' / 'segmentation-segghostnet-ued'
    model = load_model(folder, task='segmentation', variant=variant)
    image = read('dubai_tile3_part003.webp')
    truth = cv2.imread(str(TILES / 'dubai_tile3_part003.png'), cv2.IMREAD_UNCHANGED)
    outputs = model.runtime.run({'tiles': image[np.newaxis]})
    labels, confidence = outputs['labels'][0], outputs['confidence'][0]
    known = truth > 0
    assert np.mean(labels[known] == truth[known] - 1) > 0.75
    right = labels == truth - 1
    assert confidence[known & right].mean() > confidence[known & ~right].mean()
