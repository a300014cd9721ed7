# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DecoupleNet: the authors' numbers, sizes and keys."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from rs_onboard.zoo.decouplenet import NETWORKS, our_key  # noqa: E402
from rs_onboard.zoo.errors import InputSizeError  # noqa: E402
from rs_onboard.zoo.golden import check_golden, read_golden  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'decouplenet_d0.npz'


def test_classifier_and_backbone_compute_what_the_authors_compute():
    checks = check_golden(GOLDEN)
    assert {check.output for check in checks} >= {'logits', 'stage3', 'feat0', 'binomial_logits'}
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ('name', 'classes', 'parameters'),
    [
        ('decouplenet_d0', 45, 1_956_225),
        ('decouplenet_d1', 45, 4_059_555),
        ('decouplenet_d2', 45, 6_932_245),
        ('decouplenet_d0', 1000, 3_179_580),
        ('decouplenet_d2', 1000, 8_155_600),
    ],
)
def test_parameter_counts_are_the_published_ones(name, classes, parameters):
    network = NETWORKS[name].build(classes=classes)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_every_key_of_the_authors_has_a_place_and_constants_are_not_state():
    keys = [our_key(key) for key in read_golden(GOLDEN).keys]
    assert len(set(keys)) == len(keys)
    classifier = NETWORKS['decouplenet_d0'].build(classes=45)
    backbone = NETWORKS['decouplenet_d0_backbone'].build(classes=0)
    state = set(classifier.state_dict()) | set(backbone.state_dict())
    constants = set(keys) - state
    assert state <= set(keys)
    assert constants == {f'stages.{i}.blur.filt' for i in (1, 3, 5)}
    assert constants <= {name for name, _ in classifier.named_buffers()}


@pytest.mark.parametrize('size', [(64, 64), (256, 192), (227, 224), (96, 323)])
def test_backbone_gives_four_levels_at_any_multiple_of_32_and_three_pixels_more(size):
    backbone = NETWORKS['decouplenet_d1_backbone'].build(classes=0).eval()
    with torch.no_grad():
        levels = backbone(torch.zeros(1, 3, *size))
    grid = [(size[0] // 32 * 32 // s, size[1] // 32 * 32 // s) for s in (4, 8, 16, 32)]
    assert [tuple(level.shape[1:]) for level in levels] == [
        (width, *at) for width, at in zip((48, 96, 192, 384), grid, strict=True)
    ]


@pytest.mark.parametrize('size', [(32, 32), (240, 240), (250, 256), (64, 32)])
def test_other_sizes_are_refused_by_name_with_the_next_one_that_works(size):
    network = NETWORKS['decouplenet_d0'].build(classes=2).eval()
    with pytest.raises(InputSizeError, match=f'decouplenet: input of {size[0]}x{size[1]} pixels'):
        network(torch.zeros(1, 3, *size))


def test_four_bands_change_the_first_layer_alone():
    network = NETWORKS['decouplenet_d0'].build(classes=2, bands=4).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 4, 64, 64)).shape == (2, 2)
