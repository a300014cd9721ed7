# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""LSNet: the authors' numbers, keys, figures and sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from random_network import assert_one_graph_serves, randomise  # noqa: E402

from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: E402
from rs_onboard.zoo.errors import InputSizeError  # noqa: E402
from rs_onboard.zoo.golden import check_golden, read_golden  # noqa: E402
from rs_onboard.zoo.lsnet import NETWORKS  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'lsnet_difffpn.npz'
VARIANTS = ('lsnet_difffpn', 'lsnet_thin_difffpn', 'lsnet_densefpn')


def test_difffpn_computes_what_the_authors_compute():
    checks = check_golden(GOLDEN)
    assert {check.output for check in checks} == {'x0_1', 'x0_2', 'x0_3', 'out'}
    assert [check for check in checks if not check.passed] == []


def test_state_dict_has_the_authors_keys_in_their_order():
    network = build_on_meta(NETWORKS['lsnet_difffpn'], classes=2, bands=3)
    assert list(network.state_dict()) == list(read_golden(GOLDEN).keys)


@pytest.mark.parametrize(
    ('name', 'parameters', 'without_slopes', 'macs', 'entries'),
    [
        ('lsnet_difffpn', 1_216_848, 1_207_706, 4_731_987_200, 817),
        ('lsnet_thin_difffpn', 1_176_728, 1_167_922, 4_392_507_136, 757),
        ('lsnet_densefpn', 1_104_732, 1_096_694, 5_207_112_192, 677),
    ],
)
def test_figures_are_the_published_ones(name, parameters, without_slopes, macs, entries):
    network = build_on_meta(NETWORKS[name], classes=2, bands=3)
    slopes = [m.weight.numel() for m in network.modules() if isinstance(m, torch.nn.PReLU)]
    assert count_parameters(network) == parameters
    assert parameters - sum(slopes) == without_slopes
    assert NETWORKS[name].published.parameters == without_slopes / 1e6
    assert len(network.state_dict()) == entries
    assert count_parameters(network.backbone) == 942_322
    assert count_macs(network, (1, 3, 256, 256), (1, 3, 256, 256)) == macs


def test_only_the_attention_norm_has_the_usual_epsilon():
    network = build_on_meta(NETWORKS['lsnet_densefpn'], classes=2, bands=3)
    eps = {n: m.eps for n, m in network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert {name for name, value in eps.items() if value == 1e-5} == {'head.ca.bn1'}
    assert {value for name, value in eps.items() if name != 'head.ca.bn1'} == {1e-2}


@pytest.mark.parametrize('name', VARIANTS)
def test_dates_are_not_interchangeable_and_pairs_do_not_mix(name):
    network = randomise(NETWORKS[name].build(classes=2))
    before, after = torch.rand(2, 2, 3, 16, 24, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        both = network(before, after)
        assert not torch.allclose(both, network(after, before), atol=1e-3)
        torch.testing.assert_close(network(before[1:], after[1:]), both[1:])
    assert both.shape == (2, 2, 16, 24)


def test_thin_difffpn_shows_its_second_map_in_the_third_place_too():
    network = NETWORKS['lsnet_thin_difffpn'].build(classes=2).eval()
    with torch.no_grad():
        outputs = network.named_outputs(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    assert outputs['x0_3'] is outputs['x0_2']
    assert outputs['x0_2'].shape == (1, 64, 8, 8)


@pytest.mark.parametrize('size', [(12, 8), (250, 256), (4, 4)])
def test_sizes_that_are_no_multiples_of_eight_are_refused_by_name(size):
    network = NETWORKS['lsnet_difffpn'].build(classes=2)
    image = torch.zeros(1, 3, *size)
    with pytest.raises(InputSizeError, match=f'lsnet: input of {size[0]}x{size[1]} pixels'):
        network(image, image)


@pytest.mark.parametrize('name', VARIANTS)
def test_export_is_right_at_sizes_it_was_not_traced_at(name):
    network = randomise(NETWORKS[name].build(classes=2))
    assert_one_graph_serves(network, [(1, 16, 24), (2, 24, 8), (1, 8, 8)], inputs=2)
