# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The graph of colour differences computes its formula, at any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')
ort = pytest.importorskip('onnxruntime')

from rs_onboard.inference.model import load_model  # noqa: E402
from rs_onboard.inference.runtime_settings import RuntimeSettings  # noqa: E402
from rs_onboard.zoo.colour_difference import TEXT, graph, reference  # noqa: E402

SHIPPED = Path(__file__).parents[2] / 'models' / TEXT.name


def smooth_pair(height, width, seed):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3)).repeat(4, 0).repeat(4, 1)
    before = base[:height, :width].astype(np.uint8)
    after = np.clip(before + rng.normal(0, 8, before.shape), 0, 255).astype(np.uint8)
    after[height // 3 : height // 2, width // 3 :] = rng.integers(0, 256, 3)
    return before, after


@pytest.mark.parametrize('size', [(16, 16), (33, 57), (64, 48)])
def test_the_graph_is_the_formula(size):
    session = ort.InferenceSession(graph().SerializeToString(), providers=['CPUExecutionProvider'])
    pairs = [smooth_pair(*size, seed) for seed in range(3)]
    feeds = {name: np.stack([p[i] for p in pairs]) for i, name in enumerate(('before', 'after'))}
    (found,) = session.run(None, feeds)
    for (before, after), mask in zip(pairs, found, strict=True):
        assert np.abs(mask - 255 * reference(before, after)).max() <= 1


def test_a_shift_of_a_pixel_is_no_change_and_a_new_colour_is():
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 190, (12, 12, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    shifted = np.roll(ground, 1, axis=1)
    shifted[40:60, 40:60] = (250, 20, 20)
    probability = reference(ground, shifted)
    assert probability[8:32, 8:88].max() < 0.1
    assert probability[44:56, 44:56].min() > 0.5


def test_the_shipped_folder_has_this_graph():
    model = load_model(SHIPPED, task='change', settings=RuntimeSettings(threads=1))
    before, after = smooth_pair(64, 80, 5)
    feeds = {'before': before[np.newaxis], 'after': after[np.newaxis]}
    found = model.runtime.run(feeds)['probability'][0]
    assert np.abs(found - 255 * reference(before, after)).max() <= 1
    assert model.card.weights.licence == 'Apache-2.0'
