# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""SegGhostNet: the authors' numbers, sizes, keys, and what prediction leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from random_network import randomise  # noqa: E402

from rs_onboard.zoo.golden import check_golden, read_golden  # noqa: E402
from rs_onboard.zoo.segghostnet import NETWORKS, our_key, warp  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'


@pytest.mark.parametrize(
    ('file', 'outputs'),
    [
        ('segghostnet_ued', {'lbl'}),
        ('segghostnet_ued_bes_sfm', {'lbl', 'bdy', 'edg', 'edg_sgm', 'scr_sgm'}),
    ],
)
def test_all_outputs_are_what_the_authors_compute(file, outputs):
    checks = check_golden(GOLDEN / f'{file}.npz')
    assert {check.output for check in checks} == outputs
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ('name', 'parameters'),
    [
        ('segghostnet_ued', 2_767_252),
        ('segghostnet_ued_bes', 2_822_393),
        ('segghostnet_ued_bes_sfm', 2_833_409),
    ],
)
def test_parameter_counts_are_the_published_ones(name, parameters):
    network = NETWORKS[name].build(classes=6)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize('file', ['segghostnet_ued', 'segghostnet_ued_bes_sfm'])
def test_the_keys_of_the_authors_are_ours_but_for_the_layers_never_run(file):
    theirs = read_golden(GOLDEN / f'{file}.npz').keys
    dropped = [key for key in theirs if our_key(key) is None]
    assert len(dropped) == 10
    mapped = [our_key(key) for key in theirs if key not in dropped]
    assert mapped == list(NETWORKS[file].build(classes=6).state_dict())


@pytest.mark.parametrize('name', sorted(NETWORKS))
@pytest.mark.parametrize('size', [(33, 47), (64, 64), (101, 40)])
def test_any_size_comes_back_at_its_own_size(name, size):
    network = NETWORKS[name].build(classes=4).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize('name', ['segghostnet_ued_bes', 'segghostnet_ued_bes_sfm'])
def test_prediction_skips_the_heads_of_body_and_edge_and_stays_the_same(name):
    network = randomise(NETWORKS[name].build(classes=3))
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        full = network.named_outputs(images)['lbl']
        del network.body_out, network.edge_out
        assert torch.equal(network(images), full)


def test_without_flow_the_warp_stretches_and_darkens_the_border_as_it_was_trained():
    x = torch.ones(1, 1, 4, 4)
    warped = warp(x, torch.zeros(1, 2, 4, 4))[0, 0]
    assert warped[1, 1] == pytest.approx(1)
    assert warped[0, 1] == pytest.approx(0.5)
    assert warped[0, 0] == pytest.approx(0.25)
