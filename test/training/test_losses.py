# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Losses against their formulas, worked out pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from rs_onboard.training import losses  # noqa: E402
from rs_onboard.training.edges import edge_target  # noqa: E402


def sample(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((2, 3, 8, 9), generator=generator)
    labels = torch.randint(0, 3, (2, 8, 9), generator=generator)
    labels[0, :2] = 255
    return logits, labels.to(torch.uint8)


def test_smoothed_targets_are_probabilities_and_mixing_them_is_linear():
    target = losses.smooth_one_hot(torch.tensor([2, 0]), 4, 0.1)
    assert target[0].tolist() == pytest.approx([0.025, 0.025, 0.925, 0.025])
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 9.0]])
    both = losses.soft_cross_entropy(logits, target * 0.3 + target.flip(0) * 0.7)
    parts = 0.3 * losses.soft_cross_entropy(logits, target)
    parts += 0.7 * losses.soft_cross_entropy(logits, target.flip(0))
    assert both.item() == pytest.approx(parts.item(), rel=1e-6)


def test_class_weights_grow_with_rarity_and_are_one_for_classes_without_pixels():
    weights = losses.class_weights(torch.tensor([75, 25, 0]))
    assert weights.tolist() == pytest.approx([1.25, 1.75, 1.0])


def test_pixel_cross_entropy_divides_by_all_pixels_also_the_ignored():
    logits, labels = sample()
    weights = torch.tensor([1.0, 1.5, 2.0])
    total = 0.0
    for n, i, j in np.ndindex(2, 8, 9):
        label = int(labels[n, i, j])
        if label != 255:
            total -= weights[label] * torch.log_softmax(logits[n, :, i, j], 0)[label]
    found = losses.pixel_cross_entropy(logits, labels, weights)
    assert found.item() == pytest.approx(float(total) / (2 * 8 * 9), rel=1e-5)


def test_dice_is_nothing_for_a_perfect_answer_and_looks_away_from_ignored_pixels():
    _, labels = sample()
    perfect = 100 * losses.one_hot_pixels(labels, 3)
    assert losses.dice(perfect, labels).item() == pytest.approx(0, abs=1e-4)
    logits, _ = sample(1)
    changed = logits.clone()
    changed[0, :, :2] += 50 * torch.randn(3, 2, 9)
    assert losses.dice(logits, labels).item() == pytest.approx(losses.dice(changed, labels).item())


def test_relaxed_boundary_compares_shares_of_windows():
    logits, labels = sample()
    weights = torch.tensor([1.0, 1.5, 2.0])
    probability = logits.softmax(1)
    total = 0.0
    for n, i, j, c in np.ndindex(2, 4, 5, 3):
        found = probability[n, c, i : i + 5, j : j + 5].mean().item()
        truth = (labels[n, i : i + 5, j : j + 5] == c).float().mean().item()
        total += weights[c].item() * truth * (math.log(truth + 1e-14) - math.log(found + 1e-14))
    value = losses.relaxed_boundary(logits, labels, weights)
    assert value.item() == pytest.approx(total / (2 * 8 * 9), rel=1e-4)


def test_edges_weigh_more_the_rarer_they_are_and_ignored_pixels_have_no_say():
    logit = torch.tensor([[[0.3, -1.0, 2.0, 5.0]]])
    edges = torch.tensor([[[1, 0, 0, 255]]], dtype=torch.uint8)
    p = torch.sigmoid(logit[0, 0])
    expected = -(1 + 2 / 3) * p[0].log() - (1 + 1 / 3) * ((1 - p[1]).log() + (1 - p[2]).log())
    assert losses.balanced_edge(logit, edges).item() == pytest.approx(expected.item() / 4, rel=1e-5)


def test_edge_targets_lie_at_boundaries_and_nowhere_else():
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 30:] = 3
    mask[:5] = 255
    edges = edge_target(mask)
    assert (edges[:5] == 255).all()
    assert (edges[20, 28:31] == 1).any()
    assert (edges[12:, :20] == 0).all()
    assert (edges[12:, 40:] == 0).all()
