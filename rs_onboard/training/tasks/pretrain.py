# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Training of a backbone without labels: two views of one tile must be known as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from rs_onboard.training.augment import augment
from rs_onboard.training.tasks.base import Scores, Tones, to_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from rs_onboard.training.data.sample import DataSet, Image, Sample
    from rs_onboard.training.recipe import Recipe

TEMPERATURE = 0.2
VALIDATED = 256


class PretrainTask:
    """Contrast within a batch (Chen et al., SimCLR, ICML 2020), the head being the projection."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        self.recipe = recipe
        self.tones = Tones(data.splits['train'])

    def view(self, sample: Sample, size: int, rng: np.random.Generator) -> Image:
        """Draw a view of a sample."""
        tones = self.tones.draw(sample, rng)
        return augment(sample.image, None, size, self.recipe.augment, rng, tones)[0]

    def loss(
        self,
        network: nn.Module,
        samples: Sequence[Sample],
        size: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """Draw two views of each sample and compute how badly they are told from the others."""
        views = [self.view(sample, size, rng) for _ in range(2) for sample in samples]
        return contrast(network(to_input(views)))

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Count the tiles whose second view is nearest to their first."""
        rng = np.random.default_rng(0)
        chosen = samples[:: max(1, len(samples) // VALIDATED)][:VALIDATED]
        tones = Tones(chosen)
        size = self.recipe.validation_size
        sides = []
        for _ in range(2):
            features = []
            for sample in chosen:
                pair = tones.draw(sample, rng)
                tile, _ = augment(sample.image, None, size, self.recipe.augment, rng, pair)
                with torch.no_grad():
                    features.append(functional.normalize(network(to_input([tile])).float()))
            sides.append(torch.cat(features))
        nearest = (sides[0] @ sides[1].T).argmax(dim=1)
        share = float((nearest.cpu() == torch.arange(len(chosen), device='cpu')).float().mean())
        return Scores(share, {'recognised': share})


def contrast(features: Tensor) -> Tensor:
    """Cross entropy of finding the other view among all; (2N, C), views of one N apart."""
    unit = functional.normalize(features.float())
    alike = unit @ unit.T / TEMPERATURE
    count = len(unit)
    alike = alike.masked_fill(torch.eye(count, dtype=torch.bool, device=unit.device), -1e4)
    partner = torch.arange(count, device=unit.device).roll(count // 2)
    return functional.cross_entropy(alike, partner)
