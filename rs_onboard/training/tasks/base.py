# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What differs between tasks in training: batches, losses and the figure that selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from rs_onboard.training.augment import Tone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from rs_onboard.training.data.sample import Sample

# What the published weights of every network of the zoo expect.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def to_input(images: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> Tensor:
    """Stack (H, W, 3) uint8 images to a normalised (N, 3, H, W) float32 tensor."""
    # Unlike from_numpy, this follows the device that the trainer sets.
    stacked = torch.as_tensor(np.stack(images)).permute(0, 3, 1, 2)
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
