# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How image values become the input of a network, which the exported graph does itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.zoo.errors import ExportError

if TYPE_CHECKING:
    from rs_onboard.zoo.network import NetworkEntry


@dataclass(frozen=True)
class Normalisation:
    """(value / 255 - mean) / std per band, done inside the graph."""

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


FOUR_BANDS = Normalisation((0.485, 0.456, 0.406, 0.411), (0.229, 0.224, 0.225, 0.227))


def published_normalisation(entry: NetworkEntry, bands: int) -> Normalisation:
    """Give what the published weights of a network expect, the default of an export.

    LSNet takes the values 0 to 255 as they are, all others the statistics of ImageNet, with those
    of DNAS for a fourth band. Weights that were trained otherwise must be exported otherwise.

    Raises:
        ExportError: Nothing is published for so many bands.
    """
    if entry.name.startswith('lsnet_'):
        return Normalisation((0.0,) * bands, (1 / 255,) * bands)
    known = {3: Normalisation(), 4: FOUR_BANDS}
    if bands not in known:
        raise ExportError(
            f'{entry.name}: no published normalisation for {bands} bands; there is one for 3 and '
            'for 4. Name mean and standard deviation of every band.'
        )
    return known[bands]
