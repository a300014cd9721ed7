# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""All networks by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.zoo.errors import TorchMissingError, ZooError

try:
    from rs_onboard.zoo import (
        a2net,
        clafa,
        decouplenet,
        dnas,
        lsnet,
        lwganet,
        oriented_rcnn,
        plain,
        points,
        segghostnet,
        unetformer,
    )
except ModuleNotFoundError as exc:
    if (exc.name or '').partition('.')[0] != 'torch':
        raise
    raise TorchMissingError from exc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.zoo.network import NetworkEntry

NETWORKS: Mapping[str, NetworkEntry] = {
    **a2net.NETWORKS,
    **clafa.NETWORKS,
    **decouplenet.NETWORKS,
    **dnas.NETWORKS,
    **lsnet.NETWORKS,
    **lwganet.NETWORKS,
    **oriented_rcnn.NETWORKS,
    **plain.NETWORKS,
    **points.NETWORKS,
    **segghostnet.NETWORKS,
    **unetformer.NETWORKS,
}


def network(name: str) -> NetworkEntry:
    """Look up a network.

    Raises:
        ZooError: There is no network of that name.
    """
    if (entry := NETWORKS.get(name)) is None:
        raise ZooError(f'network {name!r} is not in the zoo; expected one of {sorted(NETWORKS)}')
    return entry
