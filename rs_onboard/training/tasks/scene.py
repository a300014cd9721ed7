# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Training of scene classification."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from rs_onboard.training import losses
from rs_onboard.training.augment import augment
from rs_onboard.training.metrics import Confusion
from rs_onboard.training.tasks.base import Scores, Tones, to_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from rs_onboard.training.data.sample import DataSet, Sample
    from rs_onboard.training.distill import Teachers
    from rs_onboard.training.recipe import Recipe


class SceneTask:
    """Whole-image classification: cross entropy with smoothing, mixup and cutmix.

    Args:
        recipe: The recipe.
        data: Splits `train` and `val`.
        teachers: Whose answers to the same mixed tiles are learnt beside the labels.
    """

    def __init__(self, recipe: Recipe, data: DataSet, teachers: Teachers | None = None) -> None:
        self.recipe = recipe
        self.teachers = teachers
        self.classes = len(data.classes)
        self.tones = Tones(data.splits['train'])

    def loss(
        self,
        network: nn.Module,
        samples: Sequence[Sample],
        size: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """Augment, mix pairs of the batch, and compute the loss."""
        recipe = self.recipe
        tiles = [
            augment(s.image, None, size, recipe.augment, rng, self.tones.draw(s, rng))[0]
            for s in samples
        ]
        images = to_input(tiles)
        labels = torch.tensor([s.label for s in samples])
        target = losses.smooth_one_hot(labels.clamp(min=0), self.classes, recipe.loss.smoothing)
        # Images without a label are for the teachers alone.
        target = target * (labels >= 0)[:, None]
        draw = rng.random()
        if draw < recipe.loss.mixup + recipe.loss.cutmix:
            order = torch.as_tensor(rng.permutation(len(samples)))
            if draw < recipe.loss.mixup:
                share = float(rng.beta(0.2, 0.2))
                images = images * share + images[order] * (1 - share)
            else:
                share = paste(images, order, rng)
            target = target * share + target[order] * (1 - share)
        logits = network(images)
        loss = losses.soft_cross_entropy(logits, target)
        if self.teachers is None or recipe.distil is None:
            return loss
        learnt = self.teachers.loss(logits, self.teachers.answer(images))
        return (1 - recipe.distil.share) * loss + recipe.distil.share * learnt

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Classify whole images, resized to the validation size; the sets count equally."""
        confusions: dict[str, Confusion] = {}
        size = self.recipe.validation_size
        for sample in samples:
            image = cv2.resize(sample.image, (size, size)) if size else sample.image
            with torch.no_grad():
                found = network(to_input([np.asarray(image, np.uint8)])).argmax(dim=1).cpu().numpy()
            before = confusions.get(sample.origin, Confusion.empty(self.classes))
            confusions[sample.origin] = before + Confusion.count(
                [sample.label], found, self.classes
            )
        figures = {
            f'accuracy_{origin}' if origin else 'accuracy': confusion.accuracy
            for origin, confusion in confusions.items()
        }
        return Scores(float(np.mean(list(figures.values()))), figures)


def paste(images: Tensor, order: Tensor, rng: np.random.Generator) -> float:
    """Paste one rectangle of the images in `order` into the batch; return the share that stays."""
    size = int(images.shape[-1])
    side = round(size * math.sqrt(rng.random()))
    top, left = (int(rng.integers(0, size - side + 1)) for _ in range(2))
    patch = images[order, :, top : top + side, left : left + side]
    images[:, :, top : top + side, left : left + side] = patch
    return 1.0 - side * side / (size * size)
