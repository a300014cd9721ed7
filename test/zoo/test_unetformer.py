# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""UNetFormer: the authors' numbers, its windows, its auxiliary head, ONNX."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from random_network import assert_one_graph_serves, randomise  # noqa: E402
from test_lwganet import sheared_macs  # noqa: E402

from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: E402
from rs_onboard.zoo.errors import InputSizeError  # noqa: E402
from rs_onboard.zoo.golden import check_golden  # noqa: E402
from rs_onboard.zoo.unetformer import (  # noqa: E402
    NETWORKS,
    GlobalLocalAttention,
    relative_positions,
)

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'lwganet_l2_seg.npz'


def test_every_step_is_what_the_authors_compute():
    checks = check_golden(GOLDEN)
    assert len(checks) == 10
    assert [check for check in checks if not check.passed] == []


def test_parameters_are_as_many_as_in_the_authors_program():
    network = build_on_meta(NETWORKS['lwganet_l2_seg'], classes=6, bands=3)
    assert count_parameters(network) == 12_581_964
    assert count_parameters(network.decoder.aux_head) == 37_376


def test_multiply_accumulates_differ_from_the_authors_by_the_shear_alone():
    network = build_on_meta(NETWORKS['lwganet_l2_seg'], classes=6, bands=3)
    saved = sum(
        depth * sheared_macs(channels, size)
        for depth, channels, size in ((1, 24, 22), (4, 48, 11), (4, 96, 6), (2, 192, 3))
    )
    assert count_macs(network, (1, 3, 256, 256)) + saved == 2_998_351_392


def test_the_bias_table_is_read_by_the_offset_from_key_to_query():
    pairs = relative_positions()
    # Query in row 2, column 3, key in row 7, column 1: offset -5 rows, +2 columns.
    assert pairs[2 * 8 + 3, 7 * 8 + 1] == (-5 + 7) * 15 + (2 + 7)
    assert pairs.unique().tolist() == list(range(225))


def test_a_window_attends_to_itself_alone():
    attention = randomise(GlobalLocalAttention())
    x = torch.randn(1, 64, 16, 24, generator=torch.Generator().manual_seed(6))
    changed = x.clone()
    changed[:, :, 8:, 16:] = 0
    with torch.no_grad():
        before, after = attention.attend(x), attention.attend(changed)
        window = attention.attend(x[:, :, 8:, :8])
    assert torch.equal(before[:, :, :8], after[:, :, :8])
    assert torch.allclose(before[:, :, 8:, :8], window, atol=1e-5)
    assert not torch.allclose(before[:, :, 8:, 16:], after[:, :, 8:, 16:])


def test_the_auxiliary_logits_of_training_have_full_size_and_leave_the_result_alone():
    network = randomise(NETWORKS['lwganet_l0_seg'].build(classes=4))
    images = torch.randn(1, 3, 160, 192)
    with torch.no_grad():
        logits, auxiliary = network.forward_with_auxiliary(images)
        assert torch.equal(logits, network(images))
    assert logits.shape == auxiliary.shape == (1, 4, 160, 192)


def test_the_auxiliary_head_alone_may_be_missing_from_a_checkpoint():
    entry = NETWORKS['lwganet_l2_seg']
    keys = build_on_meta(entry, classes=4, bands=3).state_dict()
    optional = {key.split('.')[1] for key in keys if entry.optional_key(key)}
    assert optional == {'aux_head'}


@pytest.mark.parametrize(('height', 'width'), [(128, 160), (176, 160)])
def test_sizes_that_cannot_be_filled_by_reflection_are_refused(height, width):
    network = NETWORKS['lwganet_l0_seg'].build(classes=4)
    with pytest.raises(InputSizeError, match='at least 160'):
        network(torch.zeros(1, 3, height, width))


@pytest.mark.parametrize('name', ['lwganet_l0_seg', 'decouplenet_d0_seg'])
def test_one_exported_graph_serves_squares_and_rectangles(name):
    network = randomise(NETWORKS[name].build(classes=5))
    shapes = [(1, 160, 160), (2, 160, 224), (1, 256, 192)]
    assert_one_graph_serves(network, shapes)
