# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Training of segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from rs_onboard.training import losses
from rs_onboard.training.augment import augment
from rs_onboard.training.data.sample import pixel_counts
from rs_onboard.training.edges import edge_target
from rs_onboard.training.metrics import Confusion
from rs_onboard.training.tasks.base import Scores, Tones, to_input
from rs_onboard.zoo.catalogue import network as network_entry
from rs_onboard.zoo.unetformer import UNetFormer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rs_onboard.training.data.sample import DataSet, Sample
    from rs_onboard.training.recipe import Recipe
    from rs_onboard.zoo.network import InputRule

    Arrays = NDArray[np.uint8]

# Of the loss of UNetFormer's coarse head, as its paper has it.
AUXILIARY_SHARE = 0.4
# Sides of a pasted window as shares of the tile.
PASTED = (0.3, 0.8)


def paste_windows(
    images: Arrays, masks: Arrays, share: float, rng: np.random.Generator
) -> tuple[Arrays, Arrays]:
    """Paste a window of any sample, with its labels, into a share of the samples.

    A network that has seen five places recognises the place and with it the habits of its
    annotator; two places in one tile leave it only what is seen.

    Args:
        images: (N, S, S, 3).
        masks: (N, S, S) class ids.
        share: Share of the samples that get a window.
        rng: Source of the draws.
    """
    mixed, mixed_masks = images.copy(), masks.copy()
    count, size = masks.shape[:2]
    for index in np.flatnonzero(rng.random(count) < share):
        other = rng.integers(count)
        height, width = (int(side) for side in size * rng.uniform(*PASTED, 2))
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        rows, columns = slice(top, top + height), slice(left, left + width)
        mixed[index, rows, columns] = images[other, rows, columns]
        mixed_masks[index, rows, columns] = masks[other, rows, columns]
    return mixed, mixed_masks


def training_outputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Run a network with the heads that training alone needs; `lbl` holds the logits."""
    if isinstance(network, UNetFormer):
        label, auxiliary = network.forward_with_auxiliary(images)
        return {'lbl': label, 'aux': auxiliary}
    outputs: dict[str, Tensor] = network.named_outputs(images)
    return outputs if 'lbl' in outputs else {**outputs, 'lbl': outputs['logits']}


def padded(image: Arrays, rule: InputRule) -> Arrays:
    """Mirror an image at its right and lower border up to a size that the rule accepts."""
    step = rule.multiple
    height, width = (-(-max(side, rule.minimum) // step) * step for side in image.shape[:2])
    below, right = height - image.shape[0], width - image.shape[1]
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT), np.uint8)


class SegmentationTask:
    """Per-pixel classification: the losses of the network's paper, plus Dice where asked for."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        self.recipe = recipe
        self.classes = len(data.classes)
        self.rule = network_entry(recipe.network).input_rule
        self.tones = Tones(data.splits['train'])
        counts = torch.as_tensor(pixel_counts(data.splits['train'], self.classes))
        weighted = recipe.loss.class_weights
        self.weights = losses.class_weights(counts) if weighted else torch.ones(self.classes)

    def loss(
        self,
        network: nn.Module,
        samples: Sequence[Sample],
        size: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """Augment images with their masks, mix them, and add up the losses of all outputs."""
        pairs = [
            augment(s.image, s.mask, size, self.recipe.augment, rng, self.tones.draw(s, rng))
            for s in samples
        ]
        images = np.stack([image for image, _ in pairs])
        masks = np.stack([mask for _, mask in pairs if mask is not None])
        images, masks = paste_windows(images, masks, self.recipe.loss.cutmix, rng)
        labels = torch.as_tensor(masks)
        outputs = training_outputs(network, to_input(list(images)))
        label = outputs['lbl']
        total = losses.pixel_cross_entropy(label, labels, self.weights)
        if self.recipe.loss.dice:
            total = total + self.recipe.loss.dice * losses.dice(label, labels)
        if 'aux' in outputs:
            coarse = losses.pixel_cross_entropy(outputs['aux'], labels, self.weights)
            total = total + AUXILIARY_SHARE * coarse
        if 'bdy' in outputs:
            edges = torch.as_tensor(np.stack([edge_target(mask) for mask in masks]))
            total = total + losses.relaxed_boundary(outputs['bdy'], labels, self.weights)
            total = total + losses.balanced_edge(outputs['edg'], edges)
        return total

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Label whole images at their own size."""
        confusion = Confusion.empty(self.classes)
        for sample in samples:
            assert sample.mask is not None
            with torch.no_grad():
                logits = network(to_input([padded(sample.image, self.rule)]))
            found = logits.argmax(dim=1)[0].cpu().numpy()
            height, width = sample.mask.shape
            confusion += Confusion.count(sample.mask, found[:height, :width], self.classes)
        figures = {'miou': confusion.mean_iou, 'oa': confusion.accuracy, 'mf1': confusion.mean_f1}
        return Scores(confusion.mean_iou, figures)
