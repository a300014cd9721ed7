# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DNAS: networks on a grid of nodes, decoded from an architecture search for segmentation."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rs_onboard.zoo.dnas_cells import FinalCell, rescale, sum_of
from rs_onboard.zoo.dnas_encoding import STEM, Encoding, Grid, Node
from rs_onboard.zoo.dnas_gid5 import GID5_L12, GID5_L14
from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.zoo.dnas_encoding import Connection

HEAD_WIDTH = 256
STEM_STRIDE = 4

# The authors name an edge by numpy's print of its source, e.g. `[-1  0]` and `[10  2]`.
AUTHORS_EDGE = re.compile(r'^(cells\.\d+\.\d+)\.\[\s*(-?\d+)\s+(-?\d+)\s*\]\.')
AUTHORS_OPERATOR = re.compile(r'\._ops\.([^.]+)\.(?:op\.sep_0\.|conv1x1\.)?')


def source_name(source: Node) -> str:
    """Name an edge by its source in our state dicts: `stem`, `10_2`."""
    return 'stem' if source == STEM else f'{source[0]}_{source[1]}'


def our_key(key: str) -> str | None:
    """Map an entry of the authors' state dict to ours."""
    if match := AUTHORS_EDGE.match(key):
        name = source_name((int(match[2]), int(match[3])))
        key = f'{match[1]}.{name}.{key[match.end() :]}'
    return AUTHORS_OPERATOR.sub(r'.ops.\1.', key)


def size_rule(grid: Grid) -> InputRule:
    """State the sizes at which all summands of every node have one size."""
    multiple = grid.size_multiple
    return InputRule(
        multiple=multiple,
        minimum=multiple,
        note='At other sizes the summands of a node differ in size.',
    )


def stem_block(cin: int, cout: int, stride: int) -> nn.Sequential:
    """3x3 convolution with bias, batch normalisation, ReLU."""
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1), nn.BatchNorm2d(cout), nn.ReLU())


class GridNetwork(nn.Module):
    """Stem, grid of nodes and head that search networks and decoded networks share.

    (N, bands, H, W), H and W multiples of `grid.size_multiple`, to logits (N, classes, H, W). Level
    j of the grid has `base_channels` * 2^j channels at stride 4 * 2^j. A node is a sum over the
    edges that end in it, and every edge is a cell with weights of its own.
    """

    def __init__(
        self,
        grid: Grid,
        make_cell: Callable[[int, int, Node], nn.Module],
        *,
        classes: int,
        bands: int,
    ) -> None:
        super().__init__()
        base = grid.base_channels
        self.grid = grid
        self.sizes = size_rule(grid)
        self.stem0 = stem_block(bands, base // 2, 2)
        self.stem1 = stem_block(base // 2, base // 2, 1)
        self.stem2 = stem_block(base // 2, base, 2)
        self.cells = nn.ModuleDict()
        for node in grid.nodes:
            layer, level = (str(part) for part in node)
            if layer not in self.cells:
                self.cells[layer] = nn.ModuleDict()
            self.cells[layer][level] = nn.ModuleDict(
                {
                    source_name(source): make_cell(grid.width(source[1]), grid.width(node[1]), node)
                    for source in grid.sources(node)
                }
            )
        self.last_conv = nn.Sequential(
            nn.Conv2d(
                sum(grid.width(level) for level in grid.head_levels),
                HEAD_WIDTH,
                3,
                padding=1,
                bias=False,
            ),
            nn.BatchNorm2d(HEAD_WIDTH),
            nn.Dropout(0.5),
            nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(HEAD_WIDTH),
            nn.Dropout(0.1),
            nn.Conv2d(HEAD_WIDTH, classes, 1),
        )
        # Edges without effect keep their weights, for the authors' checkpoints, but are not run.
        self.plan = plan(grid)

    def node_value(self, _node: Node, edges: list[tuple[nn.Module, Tensor]]) -> Tensor:
        """Compute `node` from its (cell, source value) pairs, in encoding order."""
        return sum_of([cell(value) for cell, value in edges])

    def named_outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Compute `stem`, `concat` (the head's input) and `logits`."""
        if not torch.jit.is_tracing():
            self.sizes.check('dnas', *x.shape[2:])
        values = {STEM: self.stem2(self.stem1(self.stem0(x)))}
        for node, sources in self.plan:
            cells = self.cells[str(node[0])][str(node[1])]
            edges = [(cells[source_name(source)], values[source]) for source in sources]
            values[node] = self.node_value(node, edges)
        levels, last = self.grid.head_levels, self.grid.layers - 1
        finest = levels[0]
        concat = torch.cat(
            [rescale(values[last, level], 2.0 ** (level - finest)) for level in levels], 1
        )
        logits = rescale(self.last_conv(concat), float(STEM_STRIDE << finest))
        return {'stem': values[STEM], 'concat': concat, 'logits': logits}

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits (N, classes, H, W)."""
        return self.named_outputs(x)['logits']


def plan(grid: Grid) -> list[tuple[Node, list[Node]]]:
    """List the nodes to compute, by layer and level, with the sources that have a value."""
    steps: dict[Node, list[Node]] = {node: [] for node in grid.nodes}
    for source, target in grid.live_connections:
        steps[target].append(source)
    return [(node, sources) for node, sources in steps.items() if sources]


class DNAS(GridNetwork):
    """Network decoded from a search.

    With the published encodings for GID-5, four bands and five classes: 6.16 M (12 layers) and
    7.36 M parameters (14 layers), of which 7.17 M reach the output or are at least computed.

    Wang et al., DNAS: Decoupling Neural Architecture Search for High-Resolution Remote Sensing
    Image Semantic Segmentation, Remote Sensing 2022, 14(16), 3864.
    """

    def __init__(self, encoding: Encoding, *, classes: int, bands: int) -> None:
        super().__init__(
            encoding.grid,
            lambda cin, cout, node: FinalCell(cin, cout, encoding.operators[node]),
            classes=classes,
            bands=bands,
        )


def build_dnas(encoding: Encoding, *, classes: int, bands: int = 3) -> DNAS:
    """Build the network of any encoding."""
    return DNAS(encoding, classes=classes, bands=bands)


def edge_prefix(connection: Connection) -> str:
    """Give what the keys of an edge's entries start with."""
    source, target = connection
    return f'cells.{target[0]}.{target[1]}.{source_name(source)}.'


def entry(
    name: str, encoding: Encoding, parameters: float, macs: float, difference: str
) -> NetworkEntry:
    """Describe the network of a published encoding."""
    live = set(encoding.grid.live_connections)
    idle = tuple(edge_prefix(edge) for edge in encoding.grid.connections if edge not in live)
    return NetworkEntry(
        name=name,
        task='segmentation',
        build=partial(build_dnas, encoding),
        input_rule=size_rule(encoding.grid),
        published=PublishedFigures(
            parameters=parameters,
            macs=macs,
            input_size=(512, 512),
            classes=5,
            difference=difference,
        ),
        licence='none stated by the authors: use under their terms, do not redistribute',
        source='Wang et al., DNAS, Remote Sensing 2022, 14(16), 3864',
        our_key=our_key,
        optional_key=lambda key: key.startswith(idle),
        default_classes=5,
        default_bands=4,
    )


NETWORKS: dict[str, NetworkEntry] = {
    network.name: network
    for network in (
        entry(
            'dnas_l12',
            GID5_L12,
            6.15,
            16.89,
            'the published figures are those without the edge stem -> (8,0), which has no effect; '
            'published FLOPs add biases, norms, activations and pooling',
        ),
        entry(
            'dnas_l14',
            GID5_L14,
            7.14,
            54.06,
            'the encoding has 7.36 M parameters, 7.17 M in edges the authors compute; published '
            'FLOPs count nodes without effect and add biases, norms, activations and pooling',
        ),
    )
}
