# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Layers that sample at computed places, against plain loops."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip('torch')

from random_network import randomise  # noqa: E402

from rs_onboard.zoo.sampling import (  # noqa: E402
    DeformableAttention,
    DeformableConv,
    adaptive_mean,
    neighbours,
    sample,
)


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(9))


def read(x, row, column):
    """Bilinear value of (C, H, W) at one place, pixel centres at integers, zero outside."""
    top, left = math.floor(row), math.floor(column)
    value = torch.zeros(len(x))
    for y in (top, top + 1):
        for z in (left, left + 1):
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                value += (1 - abs(row - y)) * (1 - abs(column - z)) * x[:, y, z]
    return value


@pytest.mark.parametrize(
    ('row', 'column'), [(0, 0), (1.25, 2.5), (-0.5, 3.9), (-1, 0), (2.75, 4.5), (9, 2)]
)
def test_samples_are_bilinear_with_zeros_outside(row, column):
    x = random(1, 2, 3, 5)
    found = sample(x, torch.tensor([[[float(column)]]]), torch.tensor([[[float(row)]]]))
    assert torch.allclose(found[0, :, 0, 0], read(x[0], row, column), atol=1e-5)


@pytest.mark.parametrize(('height', 'width'), [(3, 3), (8, 5), (64, 32), (7, 10)])
def test_the_adaptive_mean_is_that_of_torch(height, width):
    x = random(2, 3, height, width)
    expected = torch.nn.functional.adaptive_avg_pool2d(x, 3)
    assert torch.allclose(adaptive_mean(x, 3), expected, atol=1e-6)


@pytest.mark.parametrize(('kernel', 'dilation'), [(3, 1), (5, 2)])
def test_neighbours_are_those_of_an_unfolded_map(kernel, dilation):
    x = random(2, 3, 7, 9)
    reach = dilation * (kernel // 2)
    unfolded = torch.nn.functional.unfold(x, kernel, dilation=dilation, padding=reach)
    expected = unfolded.view(2, 3, kernel * kernel, 7, 9)
    assert torch.equal(torch.stack(neighbours(x, kernel, dilation), 2), expected)


def test_a_deformable_convolution_reads_every_tap_at_its_own_place():
    conv = randomise(DeformableConv(8, 5, groups=4))
    x = random(1, 8, 4, 5)
    with torch.no_grad():
        raw = conv.offset(torch.cat([branch(x) for branch in conv.branches], 1))[0]
        expected = torch.zeros(5, 4, 5)
        for row in range(4):
            for column in range(5):
                total = conv.bias.clone()
                for group in range(4):
                    for tap in range(9):
                        index = group * 9 + tap
                        value = read(
                            x[0, 2 * group : 2 * group + 2],
                            row + tap // 3 - 1 + float(raw[2 * index, row, column]),
                            column + tap % 3 - 1 + float(raw[2 * index + 1, row, column]),
                        )
                        value *= raw[72 + index, row, column].sigmoid()
                        kernel = conv.weight[:, 2 * group : 2 * group + 2, tap // 3, tap % 3]
                        total += kernel @ value
                expected[:, row, column] = total
        assert raw[:72].abs().max() > 1
        assert torch.allclose(conv(x)[0], expected, atol=1e-4)


def test_deformable_attention_reads_the_fine_map_around_the_centre_of_the_coarse_cell():
    attention = randomise(DeformableAttention(6, points=3))
    (rows, columns), (height, width) = (2, 3), (4, 6)
    query, tokens = random(1, rows * columns, 6), random(1, height * width, 6)
    with torch.no_grad():
        value = attention.value_proj(tokens)[0].T.reshape(6, height, width)
        shifts = attention.sampling_offsets(query)[0].view(-1, 3, 2)
        weights = attention.attention_weights(query)[0].softmax(1)
        expected = torch.zeros(rows * columns, 6)
        for cell in range(rows * columns):
            for point in range(3):
                across, down = shifts[cell, point].tolist()
                column = ((cell % columns + 0.5) / columns + across / width) * width - 0.5
                row = ((cell // columns + 0.5) / rows + down / height) * height - 0.5
                expected[cell] += weights[cell, point] * read(value, row, column)
        found = attention(query, (rows, columns), tokens, (height, width))
        assert torch.allclose(found[0], attention.output_proj(expected), atol=1e-5)
