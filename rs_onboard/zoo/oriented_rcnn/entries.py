# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Catalogue entries of Oriented R-CNN: one a backbone."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from rs_onboard.zoo import decouplenet, lwganet
from rs_onboard.zoo.network import NetworkEntry, PublishedFigures
from rs_onboard.zoo.oriented_rcnn.detector import PAPER, OrientedRcnn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

DOTA_CLASSES = 15

RENAMED = tuple(
    (re.compile(theirs), ours)
    for theirs, ours in (
        (r'^neck\.lateral_convs\.(\d)\.conv\.', r'neck.laterals.\1.'),
        (r'^neck\.fpn_convs\.(\d)\.conv\.', r'neck.smooth.\1.'),
        (r'^rpn_head\.rpn_conv\.', 'rpn.conv.'),
        (r'^rpn_head\.rpn_cls\.', 'rpn.logits.'),
        (r'^rpn_head\.rpn_reg\.', 'rpn.deltas.'),
        (r'^roi_head\.bbox_head\.shared_fcs\.0\.', 'head.first.'),
        (r'^roi_head\.bbox_head\.shared_fcs\.1\.', 'head.second.'),
        (r'^roi_head\.bbox_head\.fc_cls\.', 'head.logits.'),
        (r'^roi_head\.bbox_head\.fc_reg\.', 'head.deltas.'),
    )
)


def our_key(backbone: NetworkEntry, key: str) -> str | None:
    """Map a state-dict key of the authors' detector to ours."""
    if key.startswith('backbone.'):
        ours = backbone.our_key(key.removeprefix('backbone.'))
        return None if ours is None else f'backbone.{ours}'
    for theirs, replacement in RENAMED:
        key = theirs.sub(replacement, key)
    return key


def build(
    backbone: NetworkEntry, channels: tuple[int, ...], *, classes: int, bands: int = 3
) -> nn.Module:
    """Build the detector on a backbone of the zoo."""
    return OrientedRcnn(backbone.build(classes=0, bands=bands), channels, classes=classes)


def entries() -> dict[str, NetworkEntry]:
    """List the detector on every multi-level backbone of both families."""
    families: tuple[tuple[dict[str, NetworkEntry], Callable[[str], tuple[int, ...]]], ...] = (
        (decouplenet.NETWORKS, _decouplenet_channels),
        (lwganet.NETWORKS, _lwganet_channels),
    )
    table = {}
    for networks, channels in families:
        for backbone in networks.values():
            if backbone.task != 'backbone':
                continue
            name = f'orcnn_{backbone.name.removesuffix("_backbone")}'
            table[name] = NetworkEntry(
                name=name,
                task='detection',
                build=partial(build, backbone, channels(backbone.name.split('_')[1])),
                published=PublishedFigures(
                    parameters=None, macs=None, input_size=(1024, 1024), classes=DOTA_CLASSES
                ),
                licence='CC-BY-NC-4.0',
                source=PAPER,
                input_rule=backbone.input_rule,
                our_key=partial(our_key, backbone),
                default_classes=DOTA_CLASSES,
            )
    return table


def _decouplenet_channels(variant: str) -> tuple[int, ...]:
    """Return the channels of the four levels of DecoupleNet."""
    embed = decouplenet.VARIANTS[variant].embed
    return tuple(embed * 2**i for i in range(4))


def _lwganet_channels(variant: str) -> tuple[int, ...]:
    """Return the channels of the four levels of LWGANet."""
    return lwganet.VARIANTS[variant].channels


NETWORKS: dict[str, NetworkEntry] = entries()
