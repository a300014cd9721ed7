# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A2Net: the authors' numbers, symmetry, ONNX."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from random_network import assert_one_graph_serves, randomise  # noqa: E402

from rs_onboard.zoo.a2net import NETWORKS  # noqa: E402
from rs_onboard.zoo.count import build_on_meta, count_parameters  # noqa: E402
from rs_onboard.zoo.errors import InputSizeError  # noqa: E402
from rs_onboard.zoo.golden import check_golden  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'a2net_lwganet_l0.npz'


@pytest.fixture
def network():
    return randomise(NETWORKS['a2net_lwganet_l0'].build(classes=2))


def pair(height, width):
    generator = torch.Generator().manual_seed(8)
    return tuple(torch.randn(1, 3, height, width, generator=generator) for _ in range(2))


def test_every_step_is_what_the_authors_compute():
    checks = check_golden(GOLDEN)
    assert len(checks) == 17
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(('variant', 'parameters'), [('l0', 2_913_094), ('l2', 14_307_890)])
def test_parameters_are_as_many_as_in_the_authors_program(variant, parameters):
    entry = NETWORKS[f'a2net_lwganet_{variant}']
    assert count_parameters(build_on_meta(entry, classes=2, bands=3)) == parameters


def test_the_probability_of_class_one_is_the_authors_mask_whatever_the_order(network):
    before, after = pair(96, 128)
    with torch.no_grad():
        mask = network.named_outputs(before, after)['mask_p2'][:, 0]
        assert torch.allclose(network(before, after).softmax(1)[:, 1], mask, atol=1e-6)
        assert torch.allclose(network(after, before).softmax(1)[:, 1], mask, atol=1e-6)


def test_an_unchanged_place_gives_the_logits_of_no_difference(network):
    before, after = pair(96, 96)
    with torch.no_grad():
        same, other = network.change_logits(before, before), network.change_logits(after, after)
    assert [tuple(logit.shape) for logit in same] == [(1, 1, 96, 96)] * 4
    assert all(torch.equal(a, b) for a, b in zip(same, other, strict=True))


def test_sizes_that_are_no_multiple_of_the_coarsest_stride_are_refused(network):
    with pytest.raises(InputSizeError, match='Pad or resize to 128x128'):
        network(*pair(97, 128))


def test_one_exported_graph_serves_squares_and_rectangles(network):
    shapes = [(1, 96, 96), (2, 96, 128), (1, 160, 128)]
    assert_one_graph_serves(network, shapes, inputs=2)
