# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Baseline networks: the cost of those they are compared with, sizes, export."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from random_network import assert_one_graph_serves, randomise  # noqa: E402

from rs_onboard.zoo.catalogue import network  # noqa: E402
from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: E402
from rs_onboard.zoo.plain import NETWORKS  # noqa: E402


@pytest.mark.parametrize(
    ('name', 'rival'),
    [
        ('plain_mobilenet', 'decouplenet_d0'),
        ('plain_unet', 'segghostnet_ued_bes_sfm'),
        ('plain_siamese_unet', 'a2net_lwganet_l0'),
    ],
)
def test_a_baseline_costs_what_its_rival_costs(name, rival):
    ours = network(name)
    side, classes = ours.published.input_size[0], ours.published.classes
    costs = [
        count_macs(
            build_on_meta(entry, classes=classes, bands=3),
            *[(1, entry.default_bands, side, side)] * entry.inputs,
        )
        for entry in (ours, network(rival))
    ]
    assert costs[0] == pytest.approx(costs[1], rel=0.02)


def test_all_share_the_encoder_so_that_scenes_can_start_the_others():
    keys = [
        {
            key: value.shape
            for key, value in build_on_meta(entry, classes=2, bands=3).state_dict().items()
            if key.startswith('backbone.')
        }
        for entry in NETWORKS.values()
    ]
    assert keys[0] == keys[1] == keys[2]
    assert len(keys[0]) > 200


def test_a_mobile_sized_network_is_small():
    sizes = [
        count_parameters(build_on_meta(entry, classes=2, bands=3)) for entry in NETWORKS.values()
    ]
    assert max(sizes) < 3_000_000


@pytest.mark.parametrize('size', [(33, 47), (64, 64), (1, 40)])
@pytest.mark.parametrize('name', ['plain_unet', 'plain_siamese_unet'])
def test_maps_come_back_at_the_size_of_the_image(name, size):
    built = randomise(NETWORKS[name].build(classes=4))
    images = [torch.zeros(2, 3, *size)] * NETWORKS[name].inputs
    with torch.no_grad():
        assert built(*images).shape == (2, 4, *size)


def test_more_bands_are_taken_by_the_stem():
    for entry in NETWORKS.values():
        built = entry.build(classes=2, bands=5).eval()
        with torch.no_grad():
            assert built(*[torch.zeros(1, 5, 32, 32)] * entry.inputs).shape[:2] == (1, 2)


def test_the_order_of_the_dates_has_no_effect_and_pairs_do_not_mix():
    built = randomise(NETWORKS['plain_siamese_unet'].build(classes=2))
    before, after = torch.randn(2, 2, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        both = built(before, after)
        torch.testing.assert_close(built(after, before), both)
        torch.testing.assert_close(built(before[1:], after[1:]), both[1:])


@pytest.mark.parametrize('name', sorted(NETWORKS))
def test_one_exported_graph_serves_every_size(name):
    built = randomise(NETWORKS[name].build(classes=3))
    shapes = [(1, 64, 96), (2, 96, 64), (1, 37, 51)]
    assert_one_graph_serves(built, shapes, inputs=NETWORKS[name].inputs)
