# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Networks between uint8 images and final results: what a model folder holds, still in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.export.normalisation import Normalisation, published_normalisation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.zoo.network import NetworkEntry

INPUT = 'tiles'
PAIR = ('before', 'after')


class DeployedGraph(nn.Module):
    """A network between uint8 images and final results.

    Inputs (N, H, W, bands) uint8, named by `input_names`. Subclasses say what comes out.

    Args:
        network: The network.
        normalisation: What its weights were trained with.
        name: Catalogue name, which decides on the rewrites of the exported graph.
    """

    scale: Tensor
    shift: Tensor
    input_names: tuple[str, ...] = (INPUT,)
    output_names: tuple[str, ...]
    # Names of the dynamic axes of every output.
    output_axes: Mapping[int, str]

    def __init__(self, network: nn.Module, normalisation: Normalisation, name: str = '') -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.bands = len(normalisation.mean)
        mean = torch.tensor(normalisation.mean, dtype=torch.float64)
        std = torch.tensor(normalisation.std, dtype=torch.float64)
        self.register_buffer('scale', (1 / (255 * std)).float()[:, None, None], persistent=False)
        self.register_buffer('shift', (-mean / std).float()[:, None, None], persistent=False)

    def images(self, tiles: Tensor) -> Tensor:
        """Normalise tiles to (N, bands, H, W) float32."""
        return tiles.permute(0, 3, 1, 2).float() * self.scale + self.shift

    def logits(self, *tiles: Tensor) -> Tensor:
        """Normalise and run the network."""
        out: Tensor = self.network(*(self.images(each) for each in tiles))
        return out


class SceneGraph(DeployedGraph):
    """Output `probabilities` (N, C) float32."""

    output_names = ('probabilities',)
    output_axes: Mapping[int, str] = {0: 'N'}

    def forward(self, tiles: Tensor) -> Tensor:
        """Classify tiles."""
        return self.logits(tiles).softmax(dim=1)


class SegmentationGraph(DeployedGraph):
    """Outputs `labels` and `confidence` (highest probability * 255), both (N, H, W) uint8."""

    output_names = ('labels', 'confidence')
    output_axes: Mapping[int, str] = {0: 'N', 1: 'H', 2: 'W'}

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Label pixels. The highest probability is 1 / sum(exp(logit - highest logit))."""
        logits = self.logits(tiles)
        highest = logits.amax(dim=1, keepdim=True)
        total = (logits - highest).exp().sum(dim=1)
        labels = logits.argmax(dim=1).to(torch.uint8)
        return labels, (255 / total).round().to(torch.uint8)


class ChangeGraph(DeployedGraph):
    """Inputs `before` and `after`; output `probability` of change * 255, (N, H, W) uint8.

    The network takes both images and gives logits of two classes, of which 1 is change: their
    softmax is the sigmoid of the difference.
    """

    input_names = PAIR
    output_names = ('probability',)
    output_axes: Mapping[int, str] = {0: 'N', 1: 'H', 2: 'W'}

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Compare two dates."""
        logits = self.logits(before, after)
        changed = (logits[:, 1] - logits[:, 0]).sigmoid()
        return (changed * 255).round().to(torch.uint8)


class DetectionGraph(DeployedGraph):
    """Boxes before suppression, which stays with the flight code: custom operators do not travel.

    Outputs `boxes` (M, 5) float32 in pixels of the tile, `scores` (M,) float32, `classes` (M,)
    int64 and `tile` (M,) int64. The network has a method `candidates` that takes images (N, bands,
    H, W) and returns these four.
    """

    output_names = ('boxes', 'scores', 'classes', 'tile')
    output_axes: Mapping[int, str] = {0: 'M'}

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Detect objects."""
        boxes, scores, classes, tile = self.network.candidates(self.images(tiles))
        return boxes, scores, classes, tile


GRAPHS: Mapping[str, type[DeployedGraph]] = {
    'change': ChangeGraph,
    'detection': DetectionGraph,
    'scene': SceneGraph,
    'segmentation': SegmentationGraph,
}


def graph_type(task: str, who: str) -> type[DeployedGraph]:
    """Look up the deployed form of a task; `who` asks for it.

    Raises:
        ExportError: There is none.
    """
    if (graph := GRAPHS.get(task)) is None:
        raise ExportError(
            f'{who}: no deployed form for task {task!r}; expected one of {sorted(GRAPHS)}'
        )
    return graph


def input_names(task: str) -> tuple[str, ...]:
    """Name the inputs of an exported graph: `tiles`, or `before` and `after`.

    Raises:
        ExportError: The task has no deployed form.
    """
    return graph_type(task, 'input names').input_names


def bands_of(network: nn.Module) -> int:
    """Count the input bands of a network: those its first convolution takes."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    return int(first.in_channels)


def deploy(
    entry: NetworkEntry, network: nn.Module, normalisation: Normalisation | None = None
) -> DeployedGraph:
    """Wrap a network for flight.

    Args:
        entry: What it is.
        network: The network with its weights; it is put into evaluation mode.
        normalisation: What its weights were trained with; what the published ones expect if None.

    Raises:
        ExportError: There is no deployed form for its task, or the bands of normalisation and
            network differ.
    """
    graph = graph_type(entry.task, entry.name)
    bands = bands_of(network)
    normalisation = normalisation or published_normalisation(entry, bands)
    if not bands == len(normalisation.mean) == len(normalisation.std):
        raise ExportError(
            f'{entry.name}: normalisation has {len(normalisation.mean)} means and '
            f'{len(normalisation.std)} standard deviations, the network {bands} bands; expected '
            'one of each a band.'
        )
    deployed = graph(network, normalisation, entry.name)
    deployed.eval()
    return deployed
