# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation runs the exported graph through the flight code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_sets import class_folders

from rs_onboard.inference.model import load_model
from rs_onboard.training.data.class_folders import load_class_folders
from rs_onboard.training.data.sample import Sample
from rs_onboard.training.evaluate import evaluate

MODELS = Path(__file__).parents[1] / 'data' / 'models'


def test_scenes_are_judged_by_their_most_probable_class_and_mistakes_are_named(tmp_path):
    model = load_model(MODELS / 'colour-scene', task='scene')
    samples = list(load_class_folders(class_folders(tmp_path), ['test']).splits['test'])
    right = evaluate(model, samples)
    assert right.images == 4
    assert right.figures['accuracy'] == 1
    assert right.intervals['accuracy'] == (1, 1)
    assert right.wrong == ()
    samples[0] = dataclasses.replace(samples[0], label=2)
    wrong = evaluate(model, samples)
    assert wrong.figures['accuracy'] == 0.75
    assert wrong.intervals['accuracy'][0] < 0.75 < wrong.intervals['accuracy'][1]
    ((name, text),) = wrong.wrong
    assert name == samples[0].name
    assert text.startswith('blue taken for red')


def test_pixels_are_judged_after_tiling_and_unlabelled_ones_have_no_say():
    model = load_model(MODELS / 'colour-segmentation', task='segmentation')
    side = 2 * model.card.input.height + 10
    image = np.zeros((side, side, 3), np.uint8)
    image[:, :100, 0] = 200
    image[:, 100:, 1] = 200
    mask = np.zeros((side, side), np.uint8)
    mask[:, 100:] = 1
    mask[:, 90:100] = 255
    mask[:5, :10] = 2
    result = evaluate(model, [Sample('a', image, mask=mask)])
    labelled = side * (side - 10)
    assert result.confusion.matrix.sum() == labelled
    assert result.figures['overall_accuracy'] == pytest.approx(1 - 50 / labelled)
    assert result.confusion.iou[1] == 1
    assert result.confusion.iou[2] == 0
    assert result.wrong == (('a', '99.9% of the pixels right'),)
