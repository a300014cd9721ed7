# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters and multiply-accumulates of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from torch import nn

    from rs_onboard.zoo.network import NetworkEntry


def count_parameters(network: nn.Module) -> int:
    """Count the trainable values; running statistics and other buffers are none."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, *shapes: tuple[int, ...]) -> int:
    """Count multiply-accumulates of convolutions, linear layers and attention products.

    Biases, norms, activations, pooling and resizing are not counted. The network must be on the
    `meta` device: shapes are enough, nothing is computed.

    Args:
        network: In the `meta` device's memory; put into evaluation mode.
        *shapes: Shape of each input, (N, bands, H, W).
    """
    inputs = [torch.empty(shape, device='meta') for shape in shapes]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(*inputs)
    return int(counter.get_total_flops()) // 2


def build_on_meta(entry: NetworkEntry, *, classes: int, bands: int) -> nn.Module:
    """Build a network without memory for its weights, for counting and for its key list."""
    with torch.device('meta'):
        return entry.build(classes=classes, bands=bands)
