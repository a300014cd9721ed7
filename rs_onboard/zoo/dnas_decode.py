# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DNAS decoders: connection lists and operators from architecture parameters (numpy only)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.zoo.dnas_encoding import LEVELS, OPERATOR_NAMES, STEM, Connection, Node
from rs_onboard.zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.floating]

# Slots of `betas` per node; narrower tables come from grids that cannot be decoded.
SLOTS = 3
OPERATORS_PER_CELL = 3


def path_level_connections(layers: int) -> tuple[Connection, ...]:
    """List the connections of the first search network, between neighbouring layers and levels."""
    connections: list[Connection] = [(STEM, (0, 0))]
    for layer, source in product(range(1, layers), range(LEVELS)):
        if source <= layer - 1:
            connections += [
                ((layer - 1, source), (layer, target))
                for target in (source - 1, source, source + 1)
                if 0 <= target < LEVELS
            ]
    return tuple(connections)


def softmax(values: Floats) -> Floats:
    """Compute the softmax over the last axis in the precision of `values`."""
    powers: Floats = np.exp(values - values.max(axis=-1, keepdims=True))
    total: Floats = powers.sum(axis=-1, keepdims=True)
    return powers / total


def transition_table(betas: Floats, *, corrected: bool = False) -> Floats:
    """Weigh every step of a path through the grid.

    Args:
        betas: (layers, 4, 3) float32 parameters of the first search.
        corrected: Read the slots that were trained for level 0. The authors' decoder, and with it
            the default, reads slots 1 and 2 there although the network trains 0 and 1.

    Returns:
        (layers, 4, 3) float64: weight of the step from a level of the previous layer up (to the
        finer level), straight on, and down; zero where there is no such step.

    Raises:
        ZooError: `betas` has another shape.
    """
    if betas.ndim != 3 or betas.shape[1:] != (LEVELS, SLOTS):
        raise ZooError(
            f'DNAS decoder: betas of shape {betas.shape}; expected (layers, {LEVELS}, {SLOTS}), '
            'which the first search has from 4 layers on.'
        )
    betas = betas.astype(np.float32)
    table = np.zeros(betas.shape, np.float64)
    for layer, target in product(range(len(betas)), range(LEVELS)):
        # The stem stands for the level-0 source of layer 0.
        deepest = max(layer - 1, 0)
        sources = [s for s in (target - 1, target, target + 1) if 0 <= s < LEVELS and s <= deepest]
        if not sources or (layer == 0 and target > 0):
            continue
        first = 1 if target == 0 and len(sources) > 1 and not corrected else 0
        slots = betas[layer, target, first : first + len(sources)]
        weights = softmax(slots) * np.float32(len(sources) / SLOTS)
        for source, weight in zip(sources, weights, strict=True):
            table[layer, source, target - source + 1] = weight
    return table


def core_path(table: Floats) -> npt.NDArray[np.uint8]:
    """Find the level of each layer on the path with the largest product of weights.

    Args:
        table: (layers, 4, 3) from `transition_table`.

    Returns:
        (layers,) uint8; of equal products the first wins, coming from the deeper level.
    """
    layers = len(table)
    scores = np.zeros((layers, LEVELS))
    origin = np.zeros((layers, LEVELS), np.int64)
    scores[0, 0], scores[0, 1] = table[0, 0, 1], table[0, 0, 2]
    for layer in range(1, layers):
        for level in range(min(layer + 2, LEVELS)):
            candidates = [
                (scores[layer - 1, source] * table[layer, source, level - source + 1], source)
                for source in (level + 1, level, level - 1)
                if 0 <= source < LEVELS
            ]
            scores[layer, level], origin[layer, level] = max(candidates, key=lambda c: c[0])
    path = [int(np.argmax(scores[-1]))]
    for layer in range(layers - 1, 0, -1):
        path.append(int(origin[layer, path[-1]]))
    return np.array(path[::-1], np.uint8)


def auxiliary_sources(level: int, core: int) -> range:
    """Levels that the decoder connects to an auxiliary node of `level` after a core at `core`."""
    count = {0: 1 if core == 0 else 2, 1: 2 if core == 1 else 3, 2: 2 if core == 2 else 3}[level]
    return range(1, 1 + count) if level == 2 else range(count)


def earlier_nodes(path: Sequence[int], layer: int) -> list[Node]:
    """List the stem and all nodes of the layers before `layer` down to the core path."""
    return [STEM, *((k, level) for k in range(layer) for level in range(int(path[k]) + 1))]


def connection_level_connections(path: Sequence[int]) -> tuple[Connection, ...]:
    """List the connections of the second search network for a core path.

    Core nodes see the stem and every earlier node, auxiliary nodes their neighbours in the layer
    before. As in the authors' program node (i, 1) has no source after a core at level 3.
    """
    connections: list[Connection] = []
    for layer, core in enumerate(int(p) for p in path):
        before = int(path[layer - 1]) if layer else 0
        for level in range(core):
            connections += [
                ((layer - 1, source), (layer, level))
                for source in auxiliary_sources(level, before)
                if source <= before and not (level == 1 and before == 3)
            ]
        connections += [(source, (layer, core)) for source in earlier_nodes(path, layer)]
    return tuple(connections)


def cell_level_connections(
    betas: Floats, path: Sequence[int]
) -> tuple[tuple[Connection, ...], npt.NDArray[np.int8]]:
    """Keep the connections with positive parameters, and the core path.

    Args:
        betas: (layers, 4, M) parameters of the second search.
        path: Level of the core path in each layer.

    Returns:
        The connections of the third search network in order, and (layers, 4, M) int8: 1 for a kept
        slot, 0 for a dropped one, -1 for one that is not read.

    Raises:
        ZooError: `betas` does not fit the path.
    """
    slots = len(earlier_nodes(path, len(path) - 1))
    if betas.ndim != 3 or betas.shape[:2] != (len(path), LEVELS) or betas.shape[2] < slots - 1:
        raise ZooError(
            f'DNAS decoder: betas of shape {betas.shape} for a core path of {len(path)} layers; '
            f'expected ({len(path)}, {LEVELS}, {slots}).'
        )
    used = np.full(betas.shape, -1, np.int8)
    connections: list[Connection] = []
    for layer, core in enumerate(int(p) for p in path):
        before = int(path[layer - 1]) if layer else 0
        for level in range(core + 1):
            if level == core:
                *sources, last = earlier_nodes(path, layer)
            else:
                sources = [(layer - 1, s) for s in auxiliary_sources(level, before)]
            kept = betas[layer, level, : len(sources)] > 0
            used[layer, level, : len(sources)] = kept
            connections += [
                (source, (layer, level)) for source, keep in zip(sources, kept, strict=True) if keep
            ]
        connections.append((last, (layer, core)))
    return tuple(connections), used


def cell_operators(alphas: Floats) -> npt.NDArray[np.float32]:
    """Select the three operators with the largest parameters in every cell.

    Args:
        alphas: (layers, 4, 10) parameters of the third search.

    Returns:
        (layers, 4, 10) float32, 1 where an operator is selected; of equal ones the first.
    """
    if alphas.ndim != 3 or alphas.shape[1:] != (LEVELS, len(OPERATOR_NAMES)):
        raise ZooError(
            f'DNAS decoder: alphas of shape {alphas.shape}; expected '
            f'(layers, {LEVELS}, {len(OPERATOR_NAMES)}).'
        )
    chosen = np.argsort(-alphas, axis=-1, kind='stable')[..., :OPERATORS_PER_CELL]
    code = np.zeros(alphas.shape, np.float32)
    np.put_along_axis(code, chosen, 1, axis=-1)
    return code
