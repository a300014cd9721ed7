# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Import the authors' checkpoints: refuse what does not fit, write our format."""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from rs_onboard.zoo.catalogue import NETWORKS, network
from rs_onboard.zoo.checkpoint import CheckpointInfo, write_checkpoint
from rs_onboard.zoo.errors import CheckpointError
from rs_onboard.zoo.key_match import ImportReport, MisfitError, fits, match
from rs_onboard.zoo.state_dict import find_state_dict
from rs_onboard.zoo.torch_file import read_torch_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from rs_onboard.zoo.pickle_names import TensorView
    from rs_onboard.zoo.torch_file import TorchFile

# Fewer of the network's entries than this share in a file, and it belongs to another network.
RELATED = 0.5


def require_fit(path: Path, views: Mapping[str, TensorView], report: ImportReport) -> None:
    """Refuse a file that fits the network in part only.

    Raises:
        MisfitError: The message names what is missing, and the network that fits if there is one.
    """
    if report.complete:
        return
    advice = []
    if others := [name for name, entry in NETWORKS.items() if fits(entry, views)]:
        advice.append(f'it fits {" and ".join(others)}: use --network {others[0]}')
    size = len(report.matched) + len(report.missing) + len(report.idle) + len(report.mismatched)
    if len(report.matched) >= RELATED * size:
        advice.append('pass --allow-partial to take over what matches')
    told = '; '.join(advice) or 'it belongs to a network that is not in the zoo'
    raise MisfitError(f'{path}: does not fit {report.network}: {report.summary()}; {told}', report)


def read_values(file: TorchFile, key: str, view: TensorView, target: Tensor) -> Tensor:
    """Read one entry in the type and shape of the network's.

    Raises:
        CheckpointError: It holds values that are not finite.
    """
    array = file.array(view)
    if not np.isfinite(array).all():
        raise CheckpointError(
            f'{file.path}: {key} holds values that are not finite; training had diverged'
        )
    return torch.from_numpy(np.array(array)).to(target.dtype).reshape(target.shape)


def warn_of_constants(
    file: TorchFile,
    views: Mapping[str, TensorView],
    report: ImportReport,
    buffers: Mapping[str, Tensor],
) -> None:
    """Warn of stored constants that are not those of the network, which computes with its own."""
    for key, our in report.constants.items():
        stored = file.array(views[key])
        if stored.shape != buffers[our].shape or not np.allclose(stored, buffers[our], atol=1e-6):
            warnings.warn(
                f'{file.path}: {key} is not the constant it should be; results may differ from '
                "those of the authors' program",
                stacklevel=3,
            )


def import_checkpoint(
    source: Path,
    destination: Path,
    name: str,
    *,
    classes: int | Sequence[str] | None = None,
    bands: int | None = None,
    origin: str = '',
    licence: str = '',
    allow_partial: bool = False,
) -> ImportReport:
    """Turn a checkpoint of the authors into one of ours. Nothing in the file is executed.

    Args:
        source: File of torch.save.
        destination: Safetensors file to write.
        name: Catalogue name of the network.
        classes: Class names, their count, or None to take the file's count.
        bands: Input bands, None to take the file's.
        origin: Where the file comes from; its name where empty.
        licence: Licence of the weights; that of the authors' release where empty.
        allow_partial: Take over what matches; the rest keeps starting values.

    Raises:
        ZooError: The file cannot be read safely or does not fit the network.
        OSError: A file cannot be read or written.
    """
    entry = network(name)
    file = read_torch_file(source)
    try:
        views = find_state_dict(file.content)
        wanted = classes if classes is None or isinstance(classes, int) else len(classes)
        report = match(entry, views, classes=wanted, bands=bands)
    except MisfitError as exc:
        raise MisfitError(f'{source}: {exc}', exc.report) from exc
    except CheckpointError as exc:
        raise CheckpointError(f'{source}: {exc}') from exc
    if not allow_partial or not report.matched:
        require_fit(source, views, report)
    built = entry.build(classes=report.classes, bands=report.bands)
    warn_of_constants(file, views, report, dict(built.named_buffers()))
    state = built.state_dict()
    for key, our in report.matched.items():
        state[our] = read_values(file, key, views[key], state[our])
    named = () if classes is None or isinstance(classes, int) else tuple(classes)
    info = CheckpointInfo(
        network=name,
        classes=named or tuple(f'class_{index}' for index in range(report.classes)),
        bands=report.bands,
        origin=origin or source.name,
        licence=licence or entry.licence,
        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        missing=(*report.missing, *(pair.key for pair in report.mismatched)),
    )
    write_checkpoint(destination, state, info)
    return report
