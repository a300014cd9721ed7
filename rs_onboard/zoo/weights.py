# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Weights to be exported: an imported checkpoint, or what a training run selected."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from rs_onboard.zoo.catalogue import network as find_entry
from rs_onboard.zoo.checkpoint import load_network
from rs_onboard.zoo.errors import CheckpointError
from rs_onboard.zoo.export import Normalisation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from rs_onboard.zoo.network import NetworkEntry

SAFETENSORS = '.safetensors'
# What the importer calls classes whose names the authors do not publish.
NAMELESS = re.compile(r'class_\d+')


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights and what their file says of them.

    Attributes:
        entry: Its row of the catalogue.
        network: The network in evaluation mode.
        classes: Class names in the order of the outputs.
        bands: Input bands.
        normalisation: What the weights were trained with; None for what their authors publish.
        origin: Where they come from; empty where the file does not say.
        licence: Terms; empty where the file does not say.
        note: How they were selected.
    """

    entry: NetworkEntry
    network: nn.Module
    classes: tuple[str, ...]
    bands: int
    normalisation: Normalisation | None
    origin: str
    licence: str
    note: str

    @property
    def nameless(self) -> bool:
        """Whether the file knows the number of its classes alone."""
        return all(NAMELESS.fullmatch(name) for name in self.classes)


def read_weights(path: Path, name: str) -> TrainedNetwork:
    """Read weights of one network.

    Args:
        path: A safetensors file of `rs_onboard zoo import`, or `best.pt` of a training run.
        name: Catalogue name that is expected.

    Raises:
        ZooError: No such network, or the file cannot be read safely, is of another network or has
            entries that were never trained.
        OSError: The file cannot be read.
    """
    entry = find_entry(name)
    if not path.is_file():
        raise CheckpointError(
            f'{path}: no such file; expected a safetensors file of `rs_onboard zoo import`, or '
            'best.pt of a training run. Check --weights.'
        )
    return _imported(path, entry) if path.suffix == SAFETENSORS else _selected(path, entry)


def with_class_names(weights: TrainedNetwork, names: Sequence[str]) -> tuple[str, ...]:
    """Take the names of the user for the classes of the file.

    Raises:
        CheckpointError: They are not as many.
    """
    if len(names) != len(weights.classes):
        raise CheckpointError(
            f'--classes: found {len(names)} names; the weights have {len(weights.classes)} classes '
            f'({", ".join(weights.classes)}). Name each in the order of the outputs.'
        )
    return tuple(names)


def _imported(path: Path, entry: NetworkEntry) -> TrainedNetwork:
    network, info = load_network(path)
    _require(path, info.network, entry)
    if info.missing:
        raise CheckpointError(
            f'{path}: {len(info.missing)} entries were not in the file it was imported from and '
            f'were never trained (first: {info.missing[0]}); expected none. Train it first, or '
            'import a whole checkpoint.'
        )
    return TrainedNetwork(
        entry=entry,
        network=network,
        classes=info.classes,
        bands=info.bands,
        normalisation=None,
        origin=info.origin,
        licence=info.licence,
        note=f'imported from a file of sha256 {info.source_sha256}' if info.source_sha256 else '',
    )


def _selected(path: Path, entry: NetworkEntry) -> TrainedNetwork:
    try:
        saved: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
        found, classes, state = saved['network'], saved['classes'], saved['model']
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as exc:
        raise CheckpointError(
            f'{path}: not what a training run selects ({type(exc).__name__}); expected its '
            'best.pt. A checkpoint published by others becomes one of ours with '
            '`rs_onboard zoo import`.'
        ) from None
    _require(path, found, entry)
    network = entry.build(classes=len(classes))
    try:
        network.load_state_dict(state)
    except RuntimeError as exc:
        raise CheckpointError(
            f'{path}: does not fit {entry.name} ({" ".join(str(exc).split())[:200]}). It was '
            'trained by another version of the package: train again, or export with that version.'
        ) from None
    return TrainedNetwork(
        entry=entry,
        network=network.eval(),
        classes=tuple(classes),
        bands=entry.default_bands,
        normalisation=Normalisation(),
        origin='',
        licence='',
        note=f'epoch {saved.get("epoch", "?")} of recipe {saved.get("recipe", "?")}',
    )


def _require(path: Path, found: str, entry: NetworkEntry) -> None:
    if found != entry.name:
        raise CheckpointError(
            f'{path}: weights of {found}; expected those of {entry.name}. '
            f'Use `rs_onboard models export {found}`, or other weights.'
        )
