# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Training of change detection: losses, the threshold that selects, learning."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from small_sets import pairs, recipe_file  # noqa: E402

from rs_onboard.training import losses  # noqa: E402
from rs_onboard.training.data.load import load_for  # noqa: E402
from rs_onboard.training.recipe import load_recipe  # noqa: E402
from rs_onboard.training.tasks.change import (  # noqa: E402
    ChangeTask,
    best_level,
    centre_threshold,
    change_logits,
    confusion_at,
    middle,
)
from rs_onboard.zoo.catalogue import network  # noqa: E402


def test_loss_of_change_leaves_out_ignored_pixels():
    logit = torch.tensor([[[2.0, -1.0, 50.0]]])
    labels = torch.tensor([[[1, 0, 255]]], dtype=torch.uint8)
    entropy = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    p = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))]
    dice = 1 - (2 * p[0] + 1) / (sum(p) + 2)
    assert float(losses.change(logit, labels, 0.0)) == pytest.approx(entropy, abs=1e-6)
    assert float(losses.change(logit, labels, 0.5)) == pytest.approx(entropy + dice / 2, abs=1e-6)


def test_the_best_threshold_is_that_of_the_highest_f1():
    histogram = np.zeros((2, 256), np.int64)
    histogram[0, [10, 90]] = 100, 5
    histogram[1, [80, 200]] = 5, 20
    level = best_level(histogram)
    assert 10 < level <= 80
    f1 = [np.nan_to_num(confusion_at(histogram, at).f1[1]) for at in range(1, 256)]
    assert confusion_at(histogram, level).f1[1] == max(f1)
    assert confusion_at(histogram, level).matrix.tolist() == [[100, 5], [0, 25]]


def test_side_outputs_of_a2net_are_trained_too():
    built = network('a2net_lwganet_l0').build(classes=2).eval()
    dates = torch.randn(2, 1, 3, 96, 96)
    with torch.no_grad():
        found = change_logits(built, *dates)
        result = built(*dates)
    assert [tuple(x.shape) for x in found] == [(1, 96, 96)] * 4
    assert torch.allclose(found[0], result[:, 1] - result[:, 0])


@pytest.mark.parametrize(
    'name', ['a2net_lwganet_l0', 'lsnet_thin_difffpn', 'lsnet_densefpn', 'plain_siamese_unet']
)
def test_the_threshold_of_a_network_becomes_one_half(name):
    torch.manual_seed(1)
    built = network(name).build(classes=2).eval()
    dates = torch.rand(2, 1, 3, 96, 96)

    def probability() -> torch.Tensor:
        with torch.no_grad():
            logits = built(*dates)
        return (logits[:, 1] - logits[:, 0]).sigmoid()

    before = probability()
    threshold = float(before.quantile(0.3))
    centre_threshold(built, threshold)
    sure = (before - threshold).abs() > 1e-4
    assert torch.equal((before > threshold)[sure], (probability() > 0.5)[sure])


def test_the_middle_of_a_pair_is_cut_alike_from_dates_and_mask(tmp_path):
    pairs(tmp_path)
    sample = load_for(load_recipe(recipe_file(tmp_path, 'change')), tmp_path).splits['val'][0]
    part = middle(sample, 96)
    assert part.image.shape == part.before.shape == (96, 96, 3)
    assert np.array_equal(part.mask, sample.mask[16:112, 32:128])
    assert np.array_equal(part.before, sample.before[16:112, 32:128])
    assert middle(sample, 256).mask.shape == sample.mask.shape


def test_a_network_learns_bright_squares_that_came(tmp_path):
    pairs(tmp_path, train=6)
    recipe = load_recipe(recipe_file(tmp_path, 'change'))
    data = load_for(recipe, tmp_path)
    task = ChangeTask(recipe, data)
    torch.manual_seed(0)
    built = network(recipe.network).build(classes=2)
    optimiser = torch.optim.AdamW(built.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    spent = []
    for _ in range(30):
        loss = task.loss(built.train(), data.splits['train'], 32, rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        spent.append(float(loss.detach()))
    assert np.mean(spent[-5:]) < 0.6 * np.mean(spent[:5])
    scores = task.validate(built.eval(), data.splits['val'])
    assert scores.main == scores.figures['f1'] >= scores.figures['f1_half']
