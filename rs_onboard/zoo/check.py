# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Check a folder of golden files, whatever each of them is of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from rs_onboard.zoo.catalogue import NETWORKS
from rs_onboard.zoo.count import count_parameters
from rs_onboard.zoo.dnas_golden import check_decode, check_network
from rs_onboard.zoo.errors import ZooError
from rs_onboard.zoo.golden import (
    UNREADABLE,
    build_matching,
    check_golden,
    longest_start,
    read_golden,
)
from rs_onboard.zoo.oriented_rcnn.golden_ops import check_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rs_onboard.zoo.golden import OutputCheck

    Special = Callable[[Path], list[OutputCheck]]

# Golden files that are not of a network of the catalogue, by the start of their names.
SPECIAL: dict[str, Special] = {
    'dnas_decode': check_decode,
    'dnas_': check_network,
    'orcnn_ops': check_operators,
}

# What a file may do to its own check without ending that of the others.
TROUBLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class FileCheck:
    """How a golden file agrees.

    Attributes:
        path: The file.
        network: Catalogue name, or what else the file is of; empty where nothing was compared.
        parameters: Parameters of our network with the classes and bands of the file.
        published: Published parameters in millions.
        outputs: Outputs compared.
        problem: Why nothing was compared, empty otherwise.
        unknown: Whether it is of nothing that the zoo has, so that it says nothing about it.
    """

    path: Path
    network: str = ''
    parameters: int | None = None
    published: float | None = None
    outputs: tuple[OutputCheck, ...] = ()
    problem: str = ''
    unknown: bool = False

    @property
    def passed(self) -> bool:
        """Agreement in all outputs."""
        return bool(self.outputs) and all(output.passed for output in self.outputs)

    @property
    def verdict(self) -> str:
        """Say it in a word."""
        if self.unknown:
            return 'unknown'
        return 'agrees' if self.passed else 'DIFFERS'


def check_folder(folder: Path) -> Iterator[FileCheck]:
    """Check every npz file of a folder, by name.

    Raises:
        ZooError: The folder does not exist or has none.
    """
    paths = sorted(folder.glob('*.npz'))
    if not paths:
        raise ZooError(
            f'{folder}: no golden files there; expected a folder with .npz files, one a network'
        )
    yield from (check_file(path) for path in paths)


def names_in(path: Path) -> list[str]:
    """List the names that may tell what a file is of: that in its meta, then its own."""
    try:
        with np.load(path, allow_pickle=False) as npz:
            meta = json.loads(str(npz['meta']))
        told = [str(meta.get('model') or meta['cases'][0])]
    except (*UNREADABLE, LookupError, OSError):
        told = []
    return [*told, path.stem]


def kind_of(path: Path) -> tuple[str, Special | None]:
    """Find the network a file is of, else the check for its kind."""
    for name in names_in(path):
        if network := longest_start(name, NETWORKS):
            return network, None
        for start, special in SPECIAL.items():
            if name.startswith(start):
                return '', special
    return '', None


def check_file(path: Path) -> FileCheck:
    """Check one golden file; a problem with it is part of the answer."""
    network, special = kind_of(path)
    if not network and not special:
        return FileCheck(path, problem=f'{path}: of no network of the zoo', unknown=True)
    try:
        outputs = tuple(special(path) if special else check_golden(path))
        if special:
            return FileCheck(path, outputs[0].network if outputs else '', outputs=outputs)
        network = outputs[0].network if outputs else network
        with torch.device('meta'):
            ours = count_parameters(build_matching(NETWORKS[network], read_golden(path)))
    except TROUBLE as exc:
        problem = str(exc) if isinstance(exc, ZooError) else f'{type(exc).__name__}: {exc}'
        return FileCheck(path, network, problem=problem)
    published = NETWORKS[network].published.parameters
    problem = '' if outputs else 'has no outputs to compare'
    return FileCheck(path, network, ours, published, outputs, problem)
