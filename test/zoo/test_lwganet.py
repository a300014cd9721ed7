# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""LWGANet: the authors' numbers, rectangles, both versions, ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from random_network import assert_one_graph_serves, randomise  # noqa: E402

from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: E402
from rs_onboard.zoo.errors import InputSizeError  # noqa: E402
from rs_onboard.zoo.golden import check_golden, generator  # noqa: E402
from rs_onboard.zoo.lwga_attention import MediumRangeAttention, PeakPool  # noqa: E402
from rs_onboard.zoo.lwganet import NETWORKS, VARIANTS, LWGANetBackbone, our_key  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'lwganet_l0.npz'


def test_classifier_and_backbone_compute_what_the_authors_compute():
    checks = check_golden(GOLDEN)
    assert len(checks) == 14
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ('name', 'classes', 'parameters'),
    [
        ('lwganet_l0', 1000, 2_940_778),
        ('lwganet_l1', 1000, 7_130_330),
        ('lwganet_l2', 1000, 14_264_022),
        ('lwganet_l0', 45, 1_717_423),
        ('lwganet_l1', 45, 5_906_975),
        ('lwganet_l2', 45, 13_040_667),
        ('lwganet_l0_v1', 1000, 2_938_410),
        ('lwganet_l1_v1', 1000, 7_125_594),
        ('lwganet_l2_v1', 1000, 14_256_150),
    ],
)
def test_parameters_are_as_many_as_in_the_authors_program(name, classes, parameters):
    assert count_parameters(build_on_meta(NETWORKS[name], classes=classes, bands=3)) == parameters


def sheared_macs(channels: int, size: int) -> int:
    """Multiply-accumulates by which the authors' shear exceeds our one kernel on a square map."""
    straight, sheared = 2 * 33 * size * size, 2 * 33 * size * (2 * size - 1)
    return channels * (straight + sheared - 169 * size * size)


@pytest.mark.parametrize(('name', 'macs'), [('l0', 183.4e6), ('l1', 702.4e6), ('l2', 1857.6e6)])
def test_multiply_accumulates_differ_from_the_authors_by_the_shear_alone(name, macs):
    network = build_on_meta(NETWORKS[f'lwganet_{name}'], classes=1000, bands=3)
    variant = VARIANTS[name]
    saved = sum(
        depth * sheared_macs(channels // 4, size)
        for depth, channels, size in zip(
            variant.depths, variant.channels, (19, 10, 5, 3), strict=True
        )
    )
    ours = count_macs(network, (1, 3, 224, 224))
    assert saved > 0
    assert ours + saved == pytest.approx(macs, abs=0.05e6)


@pytest.mark.parametrize(('height', 'width'), [(9, 9), (7, 12), (3, 5)])
def test_the_one_kernel_equals_four_convolutions_along_rows_columns_and_diagonals(height, width):
    attention = randomise(MediumRangeAttention(4))
    x = torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(x, (6, 6, 6, 6))

    def read(row, column):
        return padded[:, :, 6 + row : 6 + row + height, 6 + column : 6 + column + width]

    expected = torch.zeros_like(x)
    for u in range(-5, 6):
        for v in range(-1, 2):
            tall, flat = (slice(None), 0, u + 5, v + 1), (slice(None), 0, v + 1, u + 5)
            expected += attention.rows[tall][:, None, None] * read(u, v)
            expected += attention.columns[flat][:, None, None] * read(v, u)
            expected += attention.rows_sheared[tall][:, None, None] * read(u, v - u)
            expected += attention.columns_sheared[flat][:, None, None] * read(v - u, u)
    found = torch.nn.functional.conv2d(x, attention.kernel(), padding=6, groups=4)
    assert torch.allclose(found, expected, atol=1e-5)


def test_the_sheared_kernels_equal_the_authors_shear_of_a_square_map():
    attention = randomise(MediumRangeAttention(2))
    size = 8
    x = torch.randn(1, 2, size, size, generator=torch.Generator().manual_seed(2))

    def sheared(image, kernel):
        slanted = torch.zeros(1, 2, size, 2 * size - 1)
        for row in range(size):
            slanted[:, :, row, row : row + size] = image[:, :, row]
        out = torch.nn.functional.conv2d(slanted, kernel, padding=(5, 1), groups=2)
        return torch.stack([out[:, :, row, row : row + size] for row in range(size)], 2)

    turned = attention.columns_sheared.transpose(2, 3)
    expected = sheared(x, attention.rows_sheared)
    expected = expected + sheared(x.transpose(2, 3), turned).transpose(2, 3)
    with torch.no_grad():
        attention.rows.zero_()
        attention.columns.zero_()
    found = torch.nn.functional.conv2d(x, attention.kernel(), padding=6, groups=2)
    assert torch.allclose(found, expected, atol=1e-5)


def test_peaks_go_back_to_the_first_largest_entry_of_their_window():
    # Few distinct values, so that many windows hold the largest twice.
    x = torch.randint(0, 3, (2, 3, 8, 12), generator=torch.Generator().manual_seed(4)).float() - 1
    pooled, places = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    expected = torch.nn.functional.max_unpool2d(pooled + 5, places, 2)
    found = PeakPool(Shift())(x)
    assert torch.equal(found, expected)


class Shift(torch.nn.Module):
    def forward(self, x):
        return x + 5


def test_a_square_cut_of_a_wide_image_is_not_needed():
    network = randomise(LWGANetBackbone(VARIANTS['l0']))
    with torch.no_grad():
        levels = network(torch.randn(1, 3, 96, 160))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (32, 24, 40),
        (64, 12, 20),
        (128, 6, 10),
        (256, 3, 5),
    ]


def test_a_network_mirrored_at_the_diagonal_gives_the_mirrored_rectangle():
    network = randomise(LWGANetBackbone(VARIANTS['l0']))
    x = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = network(x)
        for module in network.modules():
            if isinstance(module, MediumRangeAttention):
                mirror(module.rows, module.columns)
                mirror(module.rows_sheared, module.columns_sheared)
            elif isinstance(module, torch.nn.Conv2d):
                module.weight.copy_(module.weight.transpose(2, 3).clone())
        found = network(x.transpose(2, 3))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours.transpose(2, 3), theirs, atol=1e-4)


def mirror(tall, flat):
    kept = tall.transpose(2, 3).clone()
    tall.copy_(flat.transpose(2, 3))
    flat.copy_(kept)


def test_up_to_three_pixels_more_change_nothing():
    network = randomise(NETWORKS['lwganet_l0'].build(classes=5))
    x = torch.randn(1, 3, 98, 131)
    with torch.no_grad():
        assert torch.equal(network(x), network(x[:, :, :96, :128]))


@pytest.mark.parametrize(('height', 'width'), [(64, 64), (240, 240), (96, 112)])
def test_sizes_whose_levels_do_not_fit_are_refused_by_name(height, width):
    network = NETWORKS['lwganet_l0'].build(classes=5)
    with pytest.raises(InputSizeError, match=f'lwganet: input of {height}x{width}'):
        network(torch.zeros(1, 3, height, width))


OLD_NAMES = (
    ('Stem.', 'patch_embed.'),
    ('.norm_c.', '.batch_norm_c.'),
    ('.norm_m.', '.batch_norm_m.'),
    ('.MRA.norm.', '.MRA.batchnorm.'),
    ('.GA12.', '.L_Conv.'),
    ('.GA3.', '.D_GA.'),
    ('.GA4.', '.GA.'),
)


def first_name(key):
    for now, first in OLD_NAMES:
        key = key.replace(now, first)
    return key


def golden_keys():
    with np.load(GOLDEN) as golden:
        return json.loads(str(golden['keys']))


def test_the_names_of_the_first_version_lead_to_the_same_layers():
    renamed = 0
    for key in golden_keys():
        renamed += first_name(key) != key
        assert our_key(first_name(key)) == our_key(key)
    assert renamed == 161


def test_the_first_version_is_checked_without_the_norm_it_lacks(tmp_path):
    # No golden file of that version: one is made of our own network, under its names.
    entry = NETWORKS['lwganet_l0_v1']
    network = entry.build(classes=1000).eval()
    keys = {}
    for key, shape in golden_keys().items():
        if '.norm1.' in key or key.startswith('norm'):
            continue
        keys[first_name(key)] = shape
    path = tmp_path / 'lwganet_l0_first.npz'
    image = generator('input0', 0).normal(0, 1, (1, 3, 96, 96)).astype(np.float32)
    arrays = {
        'keys': json.dumps(keys),
        'meta': json.dumps({'model': 'lwganet_l0'}),
        'input_seed': 0,
        'input_shape_0': image.shape,
        'out_binomial_logits_shape': (1, 1000),
        'out_binomial_logits_step': 1,
        'out_binomial_logits_sample': np.zeros(1000, np.float32),
    }
    np.savez(path, **arrays)
    from rs_onboard.zoo.golden import load_drawn, read_golden

    load_drawn(network, entry, read_golden(path))
    with torch.no_grad():
        arrays['out_binomial_logits_sample'] = network(torch.from_numpy(image))[0].numpy()
    np.savez(path, **arrays)
    (check,) = check_golden(path)
    assert check.network == 'lwganet_l0_v1'
    assert check.deviation < 1e-6


@pytest.mark.parametrize('name', ['lwganet_l0', 'lwganet_l0_v1_backbone'])
def test_one_exported_graph_serves_squares_and_rectangles(name):
    network = randomise(NETWORKS[name].build(classes=9))
    shapes = [(1, 128, 128), (2, 96, 160), (1, 160, 128)]
    assert_one_graph_serves(network, shapes)
