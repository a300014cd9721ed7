# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The three DNAS search networks: path level, connection level, cell level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rs_onboard.zoo.dnas import GridNetwork
from rs_onboard.zoo.dnas_cells import MixedCell, PlainCell, sum_of
from rs_onboard.zoo.dnas_decode import connection_level_connections, path_level_connections
from rs_onboard.zoo.dnas_encoding import LEVELS, OPERATOR_NAMES, Connection, Grid, Node
from rs_onboard.zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence

INITIAL_SPREAD = 1e-3


def architecture_parameter(layers: int, slots: int) -> nn.Parameter:
    """Draw parameters (layers, 4, slots) close to zero."""
    return nn.Parameter(INITIAL_SPREAD * torch.randn(layers, LEVELS, slots))


class PathSearch(GridNetwork):
    """First search network: every node is the weighted sum of its neighbours one layer before.

    `betas` (layers, 4, M) weighs the edges of each node in encoding order, where M is the largest
    number of edges into a node. From four layers on M is 3, which the decoder needs.
    """

    def __init__(self, layers: int, *, classes: int, bands: int, base_channels: int = 40) -> None:
        grid = Grid(layers, path_level_connections(layers), base_channels)
        super().__init__(
            grid, lambda cin, cout, _node: PlainCell(cin, cout), classes=classes, bands=bands
        )
        self.betas = architecture_parameter(layers, widest_node(grid))

    def node_value(self, node: Node, edges: list[tuple[nn.Module, Tensor]]) -> Tensor:
        """Sum the edges, weighted by the softmax and by their share of the slots."""
        slots = self.betas[node][: len(edges)]
        weights = slots.softmax(0) * (len(edges) / self.betas.shape[2])
        return weighted_sum(weights, edges)


class ConnectionSearch(GridNetwork):
    """Second search network: the core path, and weighted edges from all earlier nodes to it.

    `betas` (layers, 4, M) weighs the edges of each node in encoding order. The core connection has
    the weight 1; its slot only takes part in the denominator.
    """

    def __init__(
        self, path: Sequence[int], *, classes: int, bands: int, base_channels: int = 40
    ) -> None:
        grid = Grid(len(path), connection_level_connections(path), base_channels)
        require_values(grid)
        super().__init__(
            grid, lambda cin, cout, _node: PlainCell(cin, cout), classes=classes, bands=bands
        )
        self.core_nodes = frozenset((layer, int(level)) for layer, level in enumerate(path))
        self.betas = architecture_parameter(len(path), widest_node(grid))

    def node_value(self, node: Node, edges: list[tuple[nn.Module, Tensor]]) -> Tensor:
        """Sum the edges, weighted by the softmax but for the core connection."""
        weights = self.betas[node][: len(edges)].softmax(0)
        if node in self.core_nodes:
            weights = torch.cat((weights[:-1], weights.new_ones(1)))
        return weighted_sum(weights, edges)


class CellSearch(GridNetwork):
    """Third search network: decided connections, all ten operators on each.

    `alphas` (layers, 4, 10) weighs the operators by their softmax, for all edges into a node.
    """

    def __init__(
        self,
        layers: int,
        connections: Sequence[Connection],
        *,
        classes: int,
        bands: int,
        base_channels: int = 40,
    ) -> None:
        super().__init__(
            Grid(layers, tuple(connections), base_channels),
            lambda cin, cout, _node: MixedCell(cin, cout),
            classes=classes,
            bands=bands,
        )
        self.alphas = architecture_parameter(layers, len(OPERATOR_NAMES))

    def node_value(self, node: Node, edges: list[tuple[nn.Module, Tensor]]) -> Tensor:
        """Sum the mixed cells."""
        weights = self.alphas[node].softmax(0)
        return sum_of([cell(value, weights) for cell, value in edges])


def weighted_sum(weights: Tensor, edges: list[tuple[nn.Module, Tensor]]) -> Tensor:
    """Compute the edges and add them, times `weights` (one an edge)."""
    terms = [weight * cell(value) for weight, (cell, value) in zip(weights, edges, strict=True)]
    return sum_of(terms)


def widest_node(grid: Grid) -> int:
    """Count the connections into the node that has most."""
    return max(len(grid.sources(node)) for node in grid.nodes)


def require_values(grid: Grid) -> None:
    """Refuse a second search in which a source has no value.

    Raises:
        ZooError: A node without connections is the source of one. The authors' connection list
            leaves out node (i, 1) after a core node at level 3.
    """
    valued = grid.valued_nodes
    for source, target in grid.connections:
        if source not in valued:
            raise ZooError(
                f'DNAS search: node {source} has no connections but {target} reads it, because '
                'the core path is at level 3 one layer before it. Choose a core path whose level '
                '3 is followed only by the last layer.'
            )
