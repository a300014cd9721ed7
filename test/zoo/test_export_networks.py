# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of every kind, exported plain and rewritten, do what torch does at sizes not traced.

One of each kind by default; with RS_ONBOARD_ALL_NETWORKS=1 in the environment all of the catalogue
at all sizes, which takes many minutes.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('onnx')

import cv2  # noqa: E402
from random_network import randomise  # noqa: E402

from rs_onboard.zoo.catalogue import NETWORKS  # noqa: E402
from rs_onboard.zoo.export import (  # noqa: E402
    compare_with_torch,
    comparison_batches,
    deploy,
    export_model,
)

TILES = Path(__file__).parents[1] / 'data' / 'tiles'
DEPLOYED = {'scene', 'segmentation', 'change', 'detection'}
KINDS = {
    'a2net_lwganet_l0': 3,
    'clafa_lwganet_l0': 3,
    'decouplenet_d0': 3,
    'decouplenet_d0_seg': 3,
    'dnas_l12': 4,
    'lsnet_densefpn': 3,
    'lsnet_difffpn': 3,
    'lsnet_thin_difffpn': 3,
    'lwganet_l0': 3,
    'lwganet_l0_seg': 3,
    'lwganet_l0_v1': 3,
    'orcnn_decouplenet_d0': 3,
    'segghostnet_ued': 3,
    'segghostnet_ued_bes': 3,
    'segghostnet_ued_bes_sfm': 3,
}
EXHAUSTIVE = bool(os.environ.get('RS_ONBOARD_ALL_NETWORKS'))
ALL = {name: entry.default_bands for name, entry in NETWORKS.items() if entry.task in DEPLOYED}
CASES = sorted({*ALL.items(), ('dnas_l12', 3)} if EXHAUSTIVE else KINDS.items())


@pytest.fixture(scope='module')
def images():
    """Read real tiles; a fourth band is one of the others upside down."""
    return [cv2.imread(str(path))[:, :, ::-1] for path in sorted(TILES.glob('*.webp'))]


def banded(images, bands):
    return [np.concatenate((x, x[::-1]), axis=2)[:, :, :bands] for x in images]


def batches(entry, images, size):
    """Choose all that publishing compares or, in a hurry, one image high and five wide."""
    every = list(comparison_batches(entry, images, size))
    if EXHAUSTIVE:
        return every
    chosen = {feed[next(iter(feed))].shape: feed for feed in every}
    high = max(chosen, key=lambda shape: (-shape[0], shape[1] - shape[2]))
    wide = max(chosen, key=lambda shape: (shape[0], shape[2] - shape[1], -shape[1]))
    assert (high[0], wide[0]) == (1, 5)
    assert high[1] > high[2]
    assert wide[1] < wide[2]
    return [chosen[high], chosen[wide]]


@pytest.mark.parametrize(('name', 'bands'), CASES)
def test_network_is_torch_at_other_sizes_plain_and_rewritten(name, bands, images, monkeypatch):
    entry = NETWORKS[name]
    classes = 12 if entry.task == 'scene' else entry.default_classes
    network = randomise(entry.build(classes=classes, bands=bands))
    if entry.task == 'detection' and hasattr(network, 'exported_proposals'):
        monkeypatch.setattr(network, 'exported_proposals', 60)
    side = max(entry.input_rule.minimum, entry.input_rule.multiple, 32)
    graph = deploy(entry, network)
    feeds = batches(entry, banded(images, bands), (side, side))
    plains = (False, True) if EXHAUSTIVE else (False,)
    for plain in plains:
        model = export_model(entry, network, plain=plain)
        assert [(used.domain, used.version) for used in model.opset_import] == [('', 17)]
        assert model.ir_version <= 8
        compare_with_torch(graph, model, feeds)
