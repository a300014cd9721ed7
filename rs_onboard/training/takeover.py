# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Start a network with what it shares with one that was trained before, for any task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

SHOWN = 4
# Layers that every network of a family has do not make two networks relatives.
LEAST_SHARE = 0.25


@dataclass(frozen=True)
class Takeover:
    """What was taken from a checkpoint.

    Attributes:
        source: Part of the checkpoint's network, '' for all of it.
        target: Part of the new network that it went to.
        taken: Entries taken over.
        fresh: Entries of the new network that keep their starting values.
        unused: Entries of the checkpoint that were not wanted.
    """

    source: str
    target: str
    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a line."""
        way = ''
        if self.source or self.target:
            way = f' ({self.source or "all"} to {self.target or "all"})'
        return (
            f'took over {len(self.taken)} tensors{way}; {_listed(self.fresh)} start afresh; '
            f'{_listed(self.unused)} of the checkpoint not used'
        )


def _listed(names: tuple[str, ...]) -> str:
    """Count names by the module that they belong to."""
    if not names:
        return 'none'
    counts: dict[str, int] = {}
    for name in names:
        module = name.rpartition('.')[0] if len(names) <= SHOWN else name.partition('.')[0]
        counts[module or name] = counts.get(module or name, 0) + 1
    shown = [f'{module} ({count})' for module, count in list(counts.items())[:SHOWN]]
    return ', '.join(shown) + (', ...' if len(counts) > SHOWN else '')


def _parts(names: Mapping[str, Tensor]) -> list[str]:
    """List the network itself and its direct modules as prefixes."""
    return ['', *dict.fromkeys(name.partition('.')[0] + '.' for name in names if '.' in name)]


def take_over(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> Takeover:
    """Fill a network with the tensors of equal name and shape of a checkpoint.

    A classifier's backbone also fits where the network has it as a module, and the other way round:
    of all such pairs of parts the one that shares most values is taken.

    Raises:
        CheckpointError: Too little fits for the two to be relatives.
    """
    own = network.state_dict()
    best: dict[str, str] = {}
    source = target = ''
    most = 0
    for ours in _parts(own):
        for theirs in _parts(weights):
            pairs = {
                name: key
                for name, value in own.items()
                if name.startswith(ours)
                and (key := theirs + name[len(ours) :]) in weights
                and weights[key].shape == value.shape
            }
            size = sum(own[name].numel() for name in pairs)
            if size > most:
                best, source, target, most = pairs, theirs, ours, size
    total = sum(value.numel() for value in weights.values())
    if most < LEAST_SHARE * total:
        raise CheckpointError(
            f'{path}: {most} of its {total} values fit {type(network).__name__}; expected the '
            'weights of the same network or of one with the same backbone'
        )
    network.load_state_dict({name: weights[key] for name, key in best.items()}, strict=False)
    return Takeover(
        source.rstrip('.'),
        target.rstrip('.'),
        tuple(best),
        tuple(name for name in own if name not in best),
        tuple(key for key in weights if key not in set(best.values())),
    )
