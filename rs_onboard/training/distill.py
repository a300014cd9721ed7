# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Teachers: trained networks whose answers a smaller one learns beside the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from rs_onboard.training.checkpoint import load_run
from rs_onboard.zoo.catalogue import network
from rs_onboard.zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor, nn


class Teachers:
    """The mean opinion of one or more trained networks of the same classes.

    Args:
        networks: Networks that return logits (N, classes, ...).
        temperature: Divisor of the logits; above 1 the lesser answers count for more.
    """

    def __init__(self, networks: Sequence[nn.Module], temperature: float) -> None:
        self.networks = [
            one.eval().requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)
            for one in networks
        ]
        self.temperature = temperature

    @classmethod
    def load(cls, paths: Sequence[Path], classes: Sequence[str], temperature: float) -> Teachers:
        """Load the selected weights of runs.

        Raises:
            CheckpointError: A file is missing, or its classes are others.
        """
        networks = []
        for path in paths:
            saved = load_run(path)
            if saved['classes'] != list(classes):
                raise CheckpointError(
                    f'{path}: a teacher for {saved["classes"]}; expected one for {list(classes)}'
                )
            one = network(saved['network']).build(classes=len(classes))
            one.load_state_dict(saved['model'])
            networks.append(one)
        return cls(networks, temperature)

    def to(self, device: str) -> None:
        """Move the networks."""
        for one in self.networks:
            one.to(device)

    def answer(self, *images: Tensor) -> Tensor:
        """Give the mean probabilities (N, classes, ...) for a normalised batch, or two of pairs."""
        with torch.no_grad():
            each = [functional.softmax(one(*images) / self.temperature, 1) for one in self.networks]
        return torch.stack(each).mean(0)

    def loss(self, logits: Tensor, answer: Tensor) -> Tensor:
        """Measure how far logits are from an answer; its gradient keeps the scale of labels."""
        found = functional.log_softmax(logits / self.temperature, dim=1)
        return -(answer * found).sum(1).mean() * self.temperature**2
