# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Check a folder of golden files, whatever each of them is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from rs_onboard.zoo.catalogue import NETWORKS
from rs_onboard.zoo.count import count_parameters
from rs_onboard.zoo.dnas_golden import check_decode, check_network
from rs_onboard.zoo.errors import ZooError
from rs_onboard.zoo.golden import build_matching, check_golden, network_name, read_golden
from rs_onboard.zoo.oriented_rcnn.golden_ops import check_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rs_onboard.zoo.golden import OutputCheck

# Golden files that are not of a network of the catalogue, by the start of their names.
SPECIAL: dict[str, Callable[[Path], list[OutputCheck]]] = {
    'dnas_decode': check_decode,
    'dnas_': check_network,
    'orcnn_ops': check_operators,
}


@dataclass(frozen=True)
class FileCheck:
    """How a golden file agrees.

    Attributes:
        path: The file.
        network: Catalogue name, empty for other golden files.
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


def check_file(path: Path) -> FileCheck:
    """Check one golden file; a problem with it is part of the answer."""
    named = any(path.stem.startswith(name) for name in NETWORKS)
    special = next((check for name, check in SPECIAL.items() if path.stem.startswith(name)), None)
    try:
        if special and not named:
            return FileCheck(path, outputs=tuple(special(path)))
        golden = read_golden(path)
        network = network_name(golden, NETWORKS)
    except (ZooError, OSError) as exc:
        return FileCheck(path, problem=str(exc), unknown=not special and not named)
    try:
        outputs = tuple(check_golden(path))
        used = outputs[0].network if outputs else network
        with torch.device('meta'):
            ours = count_parameters(build_matching(NETWORKS[used], golden))
    except (LookupError, RuntimeError, TypeError, ValueError) as exc:
        return FileCheck(path, network, problem=f'{type(exc).__name__}: {exc}')
    published = NETWORKS[used].published.parameters
    problem = '' if outputs else 'has no outputs to compare'
    return FileCheck(path, used, ours, published, outputs, problem)
