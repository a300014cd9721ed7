# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What differs between tasks in training: batches, losses and the figure that selects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import torch

from rs_onboard.training import losses
from rs_onboard.training.augment import Tone, augment
from rs_onboard.training.data import pixel_counts
from rs_onboard.training.edges import edge_target
from rs_onboard.training.metrics import Confusion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

    from rs_onboard.training.data import DataSet, Sample
    from rs_onboard.training.recipe import Recipe

# What the published weights of every network of the zoo expect.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def to_input(images: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> Tensor:
    """Stack (H, W, 3) uint8 images to a normalised (N, 3, H, W) float32 tensor."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    scaled = (stacked.float() / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[
        :, None, None
    ]
    return scaled.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Scores:
    """Validation result: the figure that selects, and all figures for the log."""

    main: float
    figures: Mapping[str, float]


class Tones:
    """The tones of the training images, to be exchanged between them."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.known = {sample.name: Tone.of(sample.image) for sample in samples}
        self.all = list(self.known.values())

    def draw(self, sample: Sample, rng: np.random.Generator) -> tuple[Tone, Tone]:
        """Give the tone of a sample and that of any image."""
        return self.known[sample.name], self.all[int(rng.integers(len(self.all)))]


class Task(Protocol):
    """The part of the training loop that knows the task."""

    def loss(
        self,
        network: nn.Module,
        samples: Sequence[Sample],
        size: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """Augment the samples to tiles of `size`, run the network and compute the loss."""

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Measure a network in evaluation mode on untouched images."""


class SceneTask:
    """Whole-image classification: cross entropy with smoothing, mixup and cutmix."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        self.recipe = recipe
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
        target = losses.smooth_one_hot(labels, self.classes, recipe.loss.smoothing)
        draw = rng.random()
        if draw < recipe.loss.mixup + recipe.loss.cutmix:
            order = torch.from_numpy(rng.permutation(len(samples)))
            if draw < recipe.loss.mixup:
                share = float(rng.beta(0.2, 0.2))
                images = images * share + images[order] * (1 - share)
            else:
                share = paste(images, order, rng)
            target = target * share + target[order] * (1 - share)
        return losses.soft_cross_entropy(network(images), target)

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Classify whole images, resized to the validation size."""
        confusion = Confusion.empty(self.classes)
        size = self.recipe.validation_size
        for sample in samples:
            image = cv2.resize(sample.image, (size, size)) if size else sample.image
            with torch.no_grad():
                found = network(to_input([np.asarray(image, np.uint8)])).argmax(dim=1).numpy()
            confusion += Confusion.count([sample.label], found, self.classes)
        return Scores(confusion.accuracy, {'accuracy': confusion.accuracy})


def paste(images: Tensor, order: Tensor, rng: np.random.Generator) -> float:
    """Paste one rectangle of the images in `order` into the batch; return the share that stays."""
    size = int(images.shape[-1])
    side = round(size * math.sqrt(rng.random()))
    top, left = (int(rng.integers(0, size - side + 1)) for _ in range(2))
    patch = images[order, :, top : top + side, left : left + side]
    images[:, :, top : top + side, left : left + side] = patch
    return 1.0 - side * side / (size * size)


class SegmentationTask:
    """Per-pixel classification: the losses of the network's paper, plus Dice where asked for."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        self.recipe = recipe
        self.classes = len(data.classes)
        self.tones = Tones(data.splits['train'])
        counts = torch.from_numpy(pixel_counts(data.splits['train'], self.classes))
        weighted = recipe.loss.class_weights
        self.weights = losses.class_weights(counts) if weighted else torch.ones(self.classes)

    def loss(
        self,
        network: nn.Module,
        samples: Sequence[Sample],
        size: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """Augment images with their masks and add up the losses of all outputs."""
        pairs = [
            augment(s.image, s.mask, size, self.recipe.augment, rng, self.tones.draw(s, rng))
            for s in samples
        ]
        masks = [mask for _, mask in pairs if mask is not None]
        labels = torch.from_numpy(np.stack(masks))
        outputs = network.named_outputs(to_input([image for image, _ in pairs]))
        label = outputs['lbl']
        total = losses.pixel_cross_entropy(label, labels, self.weights)
        if self.recipe.loss.dice:
            total = total + self.recipe.loss.dice * losses.dice(label, labels)
        if 'bdy' in outputs:
            edges = torch.from_numpy(np.stack([edge_target(mask) for mask in masks]))
            total = total + losses.relaxed_boundary(outputs['bdy'], labels, self.weights)
            total = total + losses.balanced_edge(outputs['edg'], edges)
        return total

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Label whole images at their own size."""
        confusion = Confusion.empty(self.classes)
        for sample in samples:
            assert sample.mask is not None
            with torch.no_grad():
                found = network(to_input([sample.image])).argmax(dim=1)[0].numpy()
            confusion += Confusion.count(sample.mask, found, self.classes)
        figures = {'miou': confusion.mean_iou, 'oa': confusion.accuracy, 'mf1': confusion.mean_f1}
        return Scores(confusion.mean_iou, figures)


TASKS: Mapping[str, Callable[[Recipe, DataSet], Task]] = {
    'scene': SceneTask,
    'segmentation': SegmentationTask,
}
