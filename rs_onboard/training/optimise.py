# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""AdamW without decay of norms and biases, warm-up with cosine, moving average of weights."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from rs_onboard.training.recipe import OptimiserRecipe

FINAL_RATE = 0.01


def rate_factor(progress: float, warmup: float) -> float:
    """Share of the highest learning rate at `progress` (0 to 1) of the run."""
    if progress < warmup:
        return max(progress / warmup, FINAL_RATE)
    angle = math.pi * min((progress - warmup) / (1 - warmup), 1.0)
    return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(angle)) / 2


def make_optimiser(network: nn.Module, recipe: OptimiserRecipe) -> torch.optim.Optimizer:
    """Make AdamW; one-dimensional parameters (norms, biases) do not decay."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {'params': [p for p in parameters if p.ndim > 1], 'weight_decay': recipe.weight_decay},
        {'params': [p for p in parameters if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate)


class MovingAverage:
    """Exponential moving average of the weights; young averages forget faster.

    Attributes:
        network: A copy of the network that holds the average, in evaluation mode.
        updates: How often it was updated.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.decay = decay
        self.updates = 0

    def update(self, network: nn.Module) -> None:
        """Take in the current weights; counters and statistics follow at once where not float."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = network.state_dict()
        with torch.no_grad():
            for name, average in self.network.state_dict().items():
                if average.is_floating_point():
                    average.lerp_(current[name], 1 - decay)
                else:
                    average.copy_(current[name])
