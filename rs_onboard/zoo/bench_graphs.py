# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs of catalogue networks with random weights, to be timed: ours beside the plain export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from rs_onboard.zoo.catalogue import network as find_entry
from rs_onboard.zoo.export import export_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

SEED = 0


@dataclass(frozen=True)
class NetworkGraphs:
    """A network of the catalogue in both forms.

    Attributes:
        name: Catalogue name.
        size: (height, width) of its published figures [px].
        rewritten: ONNX file as we export it.
        plain: ONNX file as traced.
    """

    name: str
    size: tuple[int, int]
    rewritten: bytes
    plain: bytes


def draw(network: nn.Module) -> None:
    """Draw statistics and affine values of norms, as training leaves them: none is 0 or 1.

    The starting values would let a rewrite fold away what trained weights would not.
    """
    generator = torch.Generator().manual_seed(SEED)

    def uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm, torch.nn.GroupNorm)):
                if module.weight is not None:
                    module.weight.copy_(uniform(module.weight, 0.8, 1.2))
                    module.bias.copy_(uniform(module.bias, -0.1, 0.1))
                if isinstance(module, torch.nn.BatchNorm2d) and module.running_mean is not None:
                    module.running_mean.copy_(uniform(module.running_mean, -0.1, 0.1))
            elif isinstance(module, torch.nn.PReLU):
                module.weight.copy_(uniform(module.weight, 0.1, 0.4))


def build(name: str, classes: int | None, bands: int | None) -> nn.Module:
    """Build a network with random weights, the same at every call."""
    entry = find_entry(name)
    torch.manual_seed(SEED)
    network = entry.build(
        classes=classes or entry.published.classes, bands=bands or entry.default_bands
    )
    draw(network)
    return network.eval()


def plain_graph(name: str, *, classes: int, bands: int, size: tuple[int, int]) -> bytes:
    """Export a network plainly, with random weights: what its rewritten form is compared with.

    Args:
        name: Catalogue name.
        classes: Its classes.
        bands: Its input bands.
        size: (height, width) to trace at.

    Raises:
        ZooError: There is no such network, or it has no deployed form.
    """
    network = build(name, classes, bands)
    return bytes(export_model(find_entry(name), network, size=size, plain=True).SerializeToString())


def network_graphs(names: list[str]) -> Iterator[NetworkGraphs]:
    """Export networks both ways with the same random weights, one after the other.

    Raises:
        ZooError: There is no such network, or it has no deployed form.
    """
    for name in names:
        entry = find_entry(name)
        network = build(name, None, None)
        size = entry.published.input_size
        forms = [
            export_model(entry, network, size=size, plain=plain).SerializeToString()
            for plain in (False, True)
        ]
        yield NetworkGraphs(name, size, *forms)
