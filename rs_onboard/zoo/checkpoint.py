# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Our checkpoints: safetensors whose metadata says network, classes, origin and licence."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rs_onboard.zoo.catalogue import network as find_entry
from rs_onboard.zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

FORMAT = 'rs_onboard checkpoint 1'


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        network: Catalogue name.
        classes: Class names in the order of the outputs.
        bands: Input bands.
        origin: Where the weights come from.
        licence: Licence of the weights.
        source_sha256: Hash of the file that they were imported from; empty where they were not.
        missing: Entries that the source lacked and that still have starting values.
    """

    network: str
    classes: tuple[str, ...]
    bands: int
    origin: str
    licence: str
    source_sha256: str = ''
    missing: tuple[str, ...] = ()

    def to_metadata(self) -> dict[str, str]:
        """Write as safetensors metadata."""
        return {
            'format': FORMAT,
            'network': self.network,
            'classes': json.dumps(self.classes),
            'bands': str(self.bands),
            'origin': self.origin,
            'licence': self.licence,
            'source_sha256': self.source_sha256,
            'missing': json.dumps(self.missing),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> CheckpointInfo:
        """Read from safetensors metadata.

        Raises:
            CheckpointError: It is not metadata of ours.
        """
        if metadata.get('format') != FORMAT:
            raise CheckpointError(
                f'metadata of format {metadata.get("format")!r}; expected {FORMAT!r}. Import the '
                'file first: rs_onboard zoo import'
            )
        try:
            return cls(
                network=metadata['network'],
                classes=tuple(json.loads(metadata['classes'])),
                bands=int(metadata['bands']),
                origin=metadata['origin'],
                licence=metadata['licence'],
                source_sha256=metadata['source_sha256'],
                missing=tuple(json.loads(metadata['missing'])),
            )
        except (KeyError, ValueError, TypeError) as exc:
            raise CheckpointError(f'metadata is incomplete ({exc!r})') from exc


def write_checkpoint(path: Path, state: Mapping[str, Tensor], info: CheckpointInfo) -> None:
    """Write a checkpoint; the old file stays until the new one is complete."""
    part = path.with_name(f'{path.name}.part')
    save_file({key: value.contiguous() for key, value in state.items()}, part, info.to_metadata())
    os.replace(part, path)  # noqa: PTH105 - Path.replace does the same, os says it is atomic


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], CheckpointInfo]:
    """Read weights and what the file says of them.

    Raises:
        CheckpointError: The file is no checkpoint of ours.
        OSError: The file cannot be read.
    """
    try:
        with safe_open(path, framework='pt') as file:
            info = CheckpointInfo.from_metadata(file.metadata() or {})
            return {key: file.get_tensor(key) for key in file.keys()}, info  # noqa: SIM118
    except (SafetensorError, CheckpointError) as exc:
        raise CheckpointError(f'{path}: {exc}') from exc


def load_network(path: Path) -> tuple[nn.Module, CheckpointInfo]:
    """Build the network of a checkpoint with its weights, in evaluation mode.

    Raises:
        ZooError: The file is no checkpoint of ours or does not fit its network.
    """
    state, info = read_checkpoint(path)
    network = find_entry(info.network).build(classes=len(info.classes), bands=info.bands)
    try:
        network.load_state_dict(state)
    except RuntimeError as exc:
        raise CheckpointError(f'{path}: does not fit {info.network}: {exc}') from exc
    return network.eval(), info
