# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Training of change detection."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from rs_onboard.training import losses
from rs_onboard.training.augment_pairs import PairAugmentation
from rs_onboard.training.metrics import Confusion
from rs_onboard.training.tasks.base import Scores, to_input
from rs_onboard.zoo.a2net import A2Net
from rs_onboard.zoo.lsnet import LSNet
from rs_onboard.zoo.plain import PlainSiameseUnet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rs_onboard.training.data.sample import DataSet, Sample
    from rs_onboard.training.distill import Teachers
    from rs_onboard.training.recipe import Recipe

# Probabilities are counted in this many steps to find the threshold.
LEVELS = 256


def change_logits(network: nn.Module, before: Tensor, after: Tensor) -> list[Tensor]:
    """Compute logits of change (N, H, W) in training: the result, then coarser side outputs."""
    if isinstance(network, A2Net):
        return [logit[:, 0] for logit in network.change_logits(before, after)]
    logits = network(before, after)
    return [logits[:, 1] - logits[:, 0]]


def centre_threshold(network: nn.Module, threshold: float) -> None:
    """Move the last bias of a network so that a probability of `threshold` becomes 0.5.

    Flight calls a pixel changed from one half on; validation knows the best threshold.
    """
    last = _last_layer(network)
    assert last.bias is not None
    with torch.no_grad():
        last.bias[-1] -= math.log(threshold / (1 - threshold))


def _last_layer(network: nn.Module) -> nn.Conv2d:
    """Find the layer that makes the logit of change, behind which there is only resizing."""
    if isinstance(network, A2Net):
        return network.decoder.classify
    if isinstance(network, LSNet):
        return network.head.conv_final
    if isinstance(network, PlainSiameseUnet):
        return network.decoder.classify
    raise TypeError(f'{type(network).__name__}: last layer not known; expected a change network')


class ChangeTask:
    """Change between two dates: cross entropy and Dice of the result and of side outputs.

    Args:
        recipe: The recipe.
        data: Splits `train` and `val`.
        teachers: Whose answers to the same pairs of tiles are learnt beside the labels.
    """

    def __init__(self, recipe: Recipe, data: DataSet, teachers: Teachers | None = None) -> None:
        self.recipe = recipe
        self.teachers = teachers
        train = data.splits['train']
        self.augmentation = PairAugmentation(train, recipe.augment, recipe.pairs)

    def loss(
        self,
        network: nn.Module,
        samples: Sequence[Sample],
        size: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """Augment pairs with their masks and add up the losses of all outputs."""
        tiles = self.augmentation.tiles(samples, size, rng)
        before = to_input([tile.before for tile in tiles])
        after = to_input([tile.after for tile in tiles])
        labels = torch.as_tensor(np.stack([tile.mask for tile in tiles]))
        result, *sides = change_logits(network, before, after)
        recipe = self.recipe.loss
        total = losses.change(result, labels, recipe.dice)
        if recipe.side:
            for side in sides:
                total = total + recipe.side * losses.change(side, labels, recipe.dice)
        if self.teachers is None or self.recipe.distil is None:
            return total
        # The logit of no change is zero: only the difference of the two counts.
        both = torch.stack((torch.zeros_like(result), result), 1)
        learnt = self.teachers.loss(both, self.teachers.answer(before, after))
        share = self.recipe.distil.share
        return (1 - share) * total + share * learnt

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Find changes in tiles or their middle; the F1 at the best threshold selects."""
        size = self.recipe.validation_size
        parts = [middle(s, size) for s in samples] if size else samples
        histogram = count_probabilities(network, parts)
        level = best_level(histogram)
        best, half = confusion_at(histogram, level), confusion_at(histogram, LEVELS // 2)
        figures = {
            'f1': float(best.f1[1]),
            'precision': float(best.precision[1]),
            'recall': float(best.recall[1]),
            'threshold': level / LEVELS,
            'f1_half': float(half.f1[1]),
        }
        return Scores(float(np.nan_to_num(best.f1[1])), figures)


def middle(sample: Sample, size: int) -> Sample:
    """Cut the middle (size, size) out of both dates and the mask, where they are larger."""
    assert sample.before is not None
    assert sample.mask is not None
    top, left = (max(side - size, 0) // 2 for side in sample.mask.shape)
    part = slice(top, top + size), slice(left, left + size)
    return replace(
        sample, image=sample.image[part], before=sample.before[part], mask=sample.mask[part]
    )


def count_probabilities(network: nn.Module, samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Count pixels by truth and probability of change: (2, 256)."""
    histogram = np.zeros((2, LEVELS), np.int64)
    for sample in samples:
        assert sample.before is not None
        assert sample.mask is not None
        with torch.no_grad():
            logits = network(to_input([sample.before]), to_input([sample.image]))
            probability = (logits[0, 1] - logits[0, 0]).sigmoid().cpu().numpy()
        found = np.minimum((probability * LEVELS).astype(np.int64), LEVELS - 1)
        for truth in range(2):
            histogram[truth] += np.bincount(found[sample.mask == truth], minlength=LEVELS)
    return histogram


def confusion_at(histogram: NDArray[np.int64], level: int) -> Confusion:
    """Make the confusion matrix of calling everything from `level` on changed."""
    return Confusion(np.stack([histogram[:, :level].sum(1), histogram[:, level:].sum(1)], axis=1))


def best_level(histogram: NDArray[np.int64]) -> int:
    """Find the threshold of the highest F1 of change, 1 to 255."""
    # Counted from above: all that is found, and what of it is right.
    found = histogram.sum(0)[::-1].cumsum()[::-1]
    right = histogram[1][::-1].cumsum()[::-1]
    f1 = 2 * right / np.maximum(found + histogram[1].sum(), 1)
    return int(f1[1:].argmax()) + 1
