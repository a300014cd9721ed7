# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DNAS encodings: which nodes of the grid are connected and which operators their edges use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from rs_onboard.zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Node: TypeAlias = tuple[int, int]
Connection: TypeAlias = tuple[Node, Node]

LEVELS = 4
STEM: Node = (-1, 0)
OPERATOR_NAMES = (
    'conv1x1',
    'conv3x3',
    'conv3x3_dil3',
    'conv3x3_dil12',
    'sep_conv_3x3',
    'sep_conv_5x5',
    'sep_conv_7x7',
    'avg_pool_3x3',
    'max_pool_3x3',
    'global_average_pool',
)


@dataclass(frozen=True)
class Grid:
    """The connections of a DNAS network.

    Attributes:
        layers: Number of layers; each has `LEVELS` levels of width and stride.
        connections: (source, target) nodes as (layer, level), in the order of the encoding, which
            numbers architecture parameters. The source `STEM` is the stem's output.
        base_channels: Width of level 0; level j has 2^j times as many channels.
    """

    layers: int
    connections: tuple[Connection, ...]
    base_channels: int = 40

    def __post_init__(self) -> None:
        """Refuse connections that do not lead from an earlier layer to a node of the grid.

        Raises:
            ZooError: A connection outside the grid, a repeated one, or none into the last layer.
        """
        for source, target in self.connections:
            inside = 0 <= target[0] < self.layers and 0 <= target[1] < LEVELS
            earlier = source == STEM or (0 <= source[0] < target[0] and 0 <= source[1] < LEVELS)
            if not inside or not earlier:
                raise ZooError(
                    f'DNAS encoding: connection {source} -> {target} is not allowed; expected the '
                    f'stem {STEM} or a node of an earlier layer as source, and a target with layer '
                    f'0..{self.layers - 1} and level 0..{LEVELS - 1}.'
                )
        if len(set(self.connections)) != len(self.connections):
            raise ZooError('DNAS encoding: a connection is listed twice; expected each one once.')
        last = ((self.layers - 1, level) for level in self.head_levels)
        if missing := [node for node in last if node not in self.valued_nodes]:
            raise ZooError(
                f'DNAS encoding: node {missing[0]} of the last layer has connections, but none '
                'from a node with a value, so the head does not fit. Remove its connections or '
                'connect one of their sources.'
            )
        if not self.head_levels:
            raise ZooError(
                f'DNAS encoding: no connection ends in the last layer ({self.layers - 1}); the '
                'head needs at least one node there.'
            )

    def sources(self, target: Node) -> tuple[Node, ...]:
        """List the sources of `target` in encoding order."""
        return tuple(source for source, end in self.connections if end == target)

    def width(self, level: int) -> int:
        """Give the channels of nodes of `level`."""
        return self.base_channels << level

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Nodes that are the target of a connection, by layer and level."""
        targets = {target for _, target in self.connections}
        return tuple(n for n in product(range(self.layers), range(LEVELS)) if n in targets)

    @property
    def head_levels(self) -> tuple[int, ...]:
        """Levels of the last layer that the head takes, finest first."""
        return tuple(level for layer, level in self.nodes if layer == self.layers - 1)

    @property
    def valued_nodes(self) -> frozenset[Node]:
        """The stem and every node that it reaches."""
        valued = {STEM}
        for node in self.nodes:
            if not valued.isdisjoint(self.sources(node)):
                valued.add(node)
        return frozenset(valued)

    @property
    def live_connections(self) -> tuple[Connection, ...]:
        """The connections whose source has a value and whose target reaches the head."""
        valued = self.valued_nodes
        wanted = {(self.layers - 1, level) for level in self.head_levels}
        for node in reversed(self.nodes):
            if node in wanted:
                wanted.update(self.sources(node))
        return tuple((a, b) for a, b in self.connections if a in valued and b in wanted)

    @property
    def size_multiple(self) -> int:
        """Pixels whose multiples as height and width give every level even sizes."""
        return 8 << max(target[1] for _, target in self.connections)


@dataclass(frozen=True)
class Encoding:
    """A decoded architecture.

    Attributes:
        grid: The connections.
        operators: Indices into `OPERATOR_NAMES`, ascending, for every node that is a target; all
            edges into a node use its operators.
    """

    grid: Grid
    operators: Mapping[Node, tuple[int, ...]]

    def __post_init__(self) -> None:
        """Refuse nodes without operators.

        Raises:
            ZooError: A node has none, or one that does not exist.
        """
        for node in self.grid.nodes:
            chosen = self.operators.get(node, ())
            if not chosen or not set(chosen) <= set(range(len(OPERATOR_NAMES))):
                raise ZooError(
                    f'DNAS encoding: node {node} has the operators {list(chosen)}; expected at '
                    f'least one index 0..{len(OPERATOR_NAMES) - 1}.'
                )


def encoding_from_code(
    connections: Sequence[Sequence[Sequence[int]]],
    cell_ops: Sequence[Sequence[Sequence[float]]],
    *,
    base_channels: int = 40,
) -> Encoding:
    """Make an encoding of the code files' contents.

    Args:
        connections: (n, 2, 2) integers, `[[source layer, level], [target layer, level]]`.
        cell_ops: (layers, 4, 10), non-zero where an operator is selected.
        base_channels: Width of level 0.

    Raises:
        ZooError: The arrays have other shapes, or the encoding is not a network.
    """
    rows = [[list(level) for level in layer] for layer in cell_ops]
    if any(len(layer) != LEVELS for layer in rows) or any(
        len(level) != len(OPERATOR_NAMES) for layer in rows for level in layer
    ):
        raise ZooError(
            f'DNAS encoding: cell code is not of shape (layers, {LEVELS}, {len(OPERATOR_NAMES)}).'
        )
    if any(len(pair) != 2 or any(len(node) != 2 for node in pair) for pair in connections):
        raise ZooError('DNAS encoding: connections are not of shape (n, 2, 2).')
    listed = tuple(((int(a), int(b)), (int(i), int(j))) for (a, b), (i, j) in connections)
    operators = {
        (layer, level): tuple(k for k, used in enumerate(rows[layer][level]) if used)
        for layer, level in product(range(len(rows)), range(LEVELS))
    }
    return Encoding(Grid(len(rows), listed, base_channels), operators)


def read_encoding(path: Path) -> Encoding:
    """Read an encoding from JSON with `connections`, `cell_ops` and optionally `base_channels`.

    Raises:
        ZooError: The file is no such JSON or its encoding is not a network.
    """
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        return encoding_from_code(
            data['connections'],
            data['cell_ops'],
            base_channels=int(data.get('base_channels', 40)),
        )
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as exc:
        raise ZooError(
            f'{path}: not a DNAS encoding ({type(exc).__name__}: {exc}); expected a JSON object '
            'with connections (n, 2, 2) and cell_ops (layers, 4, 10).'
        ) from exc
