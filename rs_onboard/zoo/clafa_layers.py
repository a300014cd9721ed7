# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The layers of CLAFA: a convolution gated by its context, fusion of levels, enlarging head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.blocks import resize_nearest
from rs_onboard.zoo.sampling import DeformableAttention, adaptive_mean, neighbours

WIDTH = 128
KERNEL = 3
TAPS = KERNEL * KERNEL
CONTEXT_WIDTH = 5
CONTEXT_GROUP = 16
REASSEMBLY_KERNEL = 5
REASSEMBLY_DILATION = 2
LONGEST_WAVE = 10000.0


class ContextGatedConv(nn.Module):
    """3x3 convolution whose kernel is gated, image by image, by a 3x3 summary of its input.

    (N, 128, H, W) to the same shape, no bias.

    Lin et al., Context-Gated Convolution, ECCV 2020.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(WIDTH, WIDTH, KERNEL, KERNEL))
        nn.init.kaiming_normal_(self.weight)
        self.ce = nn.Linear(TAPS, CONTEXT_WIDTH, bias=False)
        self.ce_bn = nn.BatchNorm1d(WIDTH)
        self.gd = nn.Linear(CONTEXT_WIDTH, TAPS, bias=False)
        self.ci_bn2 = nn.BatchNorm1d(WIDTH)
        self.ci = nn.Linear(CONTEXT_GROUP, CONTEXT_GROUP, bias=False)
        self.ci_bn = nn.BatchNorm1d(WIDTH)
        self.gd2 = nn.Linear(CONTEXT_WIDTH, TAPS, bias=False)

    def gate(self, x: Tensor) -> Tensor:
        """Compute the gate of the kernel: (N, out, in, 9), 0 to 1."""
        context = self.ce(adaptive_mean(x, KERNEL).flatten(2))
        of_inputs = self.gd(self.ce_bn(context).relu())
        groups = self.ci_bn2(context).relu().unflatten(1, (-1, CONTEXT_GROUP))
        mixed = self.ci(groups.transpose(2, 3)).transpose(2, 3).flatten(1, 2)
        of_outputs = self.gd2(self.ci_bn(mixed).relu())
        return (of_inputs[:, None] + of_outputs[:, :, None]).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `x`."""
        kernel = (self.weight.flatten(2) * self.gate(x)).flatten(2)
        patches = torch.stack(neighbours(x, KERNEL), 2).flatten(3).flatten(1, 2)
        return (kernel @ patches).reshape(-1, WIDTH, x.shape[2], x.shape[3])


class AdaptiveNorm(nn.Module):
    """Batch norm without weights, then scale and shift made from the next coarser level.

    Maps (N, 128, H, W) and (N, 128, H, W) to the same shape.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(WIDTH, affine=False)
        self.gamma = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH // 4, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(WIDTH // 4, WIDTH, 1, bias=False),
        )
        self.beta = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(), ContextGatedConv()
        )

    def forward(self, x: Tensor, coarser: Tensor) -> Tensor:
        """Normalise `x` by `coarser`, which has its size."""
        gamma = self.gamma(coarser.mean((2, 3), keepdim=True)).sigmoid()
        return functional.relu(self.norm(x) * (1 + gamma) + self.beta(coarser))


class PositionCode(nn.Module):
    """Sine and cosine of the token number at 64 wave lengths, with one learned scale."""

    inv_freq: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        exponents = torch.arange(0, WIDTH, 2).float() / WIDTH
        self.register_buffer('inv_freq', 1.0 / LONGEST_WAVE**exponents, persistent=False)

    def forward(self, tokens: int) -> Tensor:
        """Compute the code of tokens 0 to `tokens` - 1: (tokens, 128)."""
        place = torch.arange(tokens, device=self.inv_freq.device).to(self.inv_freq.dtype)
        angle = place[:, None] * self.inv_freq
        return torch.cat((angle.sin(), angle.cos()), 1) * self.scale


def conv_bn_relu(cin: int, cout: int) -> nn.Sequential:
    """Build a 3x3 convolution without bias, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU()
    )


class VerticalFusion(nn.Module):
    """Hand a coarse level down to the next finer one.

    (N, 128, H1, W1) and (N, 128, H2, W2) to (N, 128, H2, W2): the coarse cells read the fine map
    where attention sends them; the result is enlarged and reassembled by 5x5 kernels predicted
    from the fine map.

    Args:
        points: Places a coarse cell reads.
    """

    def __init__(self, points: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.position = PositionCode()
        self.attention = DeformableAttention(WIDTH, points)
        self.kernels = nn.Sequential(
            conv_bn_relu(WIDTH, WIDTH), conv_bn_relu(WIDTH, REASSEMBLY_KERNEL**2), nn.Softmax(1)
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Add what `coarse` has to tell to `fine`."""
        coarse_size = (coarse.shape[2], coarse.shape[3])
        fine_size = (fine.shape[2], fine.shape[3])
        tokens = self.norm1(coarse.flatten(2).transpose(1, 2))
        fine_tokens = self.norm2(fine.flatten(2).transpose(1, 2))
        query = tokens + self.position(tokens.shape[1])
        tokens = tokens + self.attention(query, coarse_size, fine_tokens, fine_size)
        x = resize_nearest(tokens.transpose(1, 2).reshape(-1, WIDTH, *coarse_size), fine_size)
        kernels = self.kernels(fine).split(1, 1)
        for tap, kernel in zip(
            neighbours(x, REASSEMBLY_KERNEL, REASSEMBLY_DILATION), kernels, strict=True
        ):
            fine = fine + tap * kernel
        return fine


class Enlargement(nn.Module):
    """Double the size and halve the channels: (N, C, H, W) to (N, C/2, 2H, 2W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.residual = nn.Sequential(
            nn.ConvTranspose2d(
                channels, channels, 3, stride=2, padding=1, output_padding=1, bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.content = nn.Conv2d(channels, half, 3, padding=1)
        self.gate = nn.Conv2d(channels, half, 3, padding=1)
        self.direct = nn.Conv2d(channels, half, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge `x`."""
        residual = self.residual(x)
        residual = self.content(residual) * self.gate(residual).sigmoid()
        larger = functional.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)
        return functional.relu(self.direct(larger) + residual)
