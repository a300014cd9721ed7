# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Counts of parameters and multiply-accumulates."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from rs_onboard.zoo.catalogue import NETWORKS  # noqa: E402
from rs_onboard.zoo.count import build_on_meta, count_macs, count_parameters  # noqa: E402


def test_convolutions_linear_layers_and_products_are_counted_and_nothing_else():
    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(4, 6, 3, padding=1, groups=2)
            self.norm = torch.nn.BatchNorm2d(6)
            self.linear = torch.nn.Linear(6, 5)

        def forward(self, x):
            tokens = self.norm(self.conv(x)).relu().flatten(2).transpose(1, 2)
            return self.linear(tokens @ (tokens.transpose(1, 2) @ tokens))

    small = Small().to('meta')
    pixels = 8 * 10
    macs = pixels * (6 * 2 * 9 + 6 * 6 + 6 * 6 + 6 * 5)
    assert count_macs(small, (1, 4, 8, 10)) == macs
    assert count_macs(small, (3, 4, 8, 10)) == 3 * macs
    assert count_parameters(small) == 6 * 2 * 9 + 6 + 2 * 6 + 6 * 5 + 5


@pytest.mark.parametrize(
    ('name', 'size', 'macs'),
    [
        ('decouplenet_d0', 224, 282_446_912),
        ('a2net_lwganet_l0', 256, 2_736_877_248),
        ('segghostnet_ued', 512, 1_380_437_824),
    ],
)
def test_attention_and_blur_filters_count_as_the_golden_files_count_them(name, size, macs):
    entry = NETWORKS[name]
    network = build_on_meta(entry, classes=entry.published.classes, bands=3)
    assert count_macs(network, *[(1, 3, size, size)] * entry.inputs) == pytest.approx(
        macs, rel=2e-3
    )


def test_every_network_of_the_zoo_can_be_counted():
    for name, entry in NETWORKS.items():
        network = build_on_meta(entry, classes=entry.published.classes, bands=entry.default_bands)
        assert {parameter.device.type for parameter in network.parameters()} == {'meta'}, name
        assert count_parameters(network) > 500_000, name
