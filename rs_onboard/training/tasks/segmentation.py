# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Training of segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rs_onboard.training import losses
from rs_onboard.training.augment import augment
from rs_onboard.training.data.sample import pixel_counts
from rs_onboard.training.edges import edge_target
from rs_onboard.training.metrics import Confusion
from rs_onboard.training.tasks.base import Scores, Tones, to_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from rs_onboard.training.data.sample import DataSet, Sample
    from rs_onboard.training.recipe import Recipe


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
