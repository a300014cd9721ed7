# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a run, and reading its selected weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from rs_onboard.zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAST = 'last.pt'
BEST = 'best.pt'
LOG = 'log.csv'


def load_run(path: Path) -> dict[str, Any]:
    """Read the selected weights of a run with their network and classes.

    Raises:
        CheckpointError: There are none.
    """
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file; train first, or name the folder of the run')
    saved = torch.load(path, map_location='cpu', weights_only=True)
    if not isinstance(saved, dict) or not {'model', 'network', 'classes'} <= set(saved):
        raise CheckpointError(
            f'{path}: no selected weights of a run; expected the file {BEST} that training writes '
            '(weights of others are imported by `rs_onboard zoo import`)'
        )
    return saved


def load_best(path: Path, name: str, classes: Sequence[str]) -> dict[str, Any]:
    """Read the selected weights of a run of a known network and known classes.

    Raises:
        CheckpointError: There are none, or they are of another network or other classes.
    """
    saved = load_run(path)
    if saved['network'] != name or saved['classes'] != list(classes):
        raise CheckpointError(
            f'{path}: weights of {saved["network"]!r} for {saved["classes"]}; expected '
            f'{name!r} for {list(classes)}'
        )
    return saved
