# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The attentions of LWGANet, from a pixel's own channels to the whole map.

Two of them are written in closed form. The published program shears a square map, convolves and
shears back; here all four long convolutions are one depthwise kernel, which takes rectangles too.
It also unpools by stored indices; here three comparisons per window tell where the maximum was,
which every ONNX runtime has.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.blocks import BlurPool, GlobalAttention, resize_nearest

REACH = 5  # pixels of the long side of a long kernel, either way from its centre
BREADTH = 1  # the same of its short side
TAPS = (2 * REACH + 1) * (2 * BREADTH + 1)
SPAN = 2 * (REACH + BREADTH) + 1  # side of the square that holds every sheared kernel
MEDIUM_RANGE_STRIDE = 3


class PointAttention(nn.Module):
    """Add to a map its product with a gate made of each pixel's channels: (N, C, H, W) to same."""

    def __init__(self, channels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1, bias=False),
            nn.BatchNorm2d(4 * channels),
            activation(),
            nn.Conv2d(4 * channels, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Emphasise `x`."""
        return x + x * self.gate(x).sigmoid()


def long_kernel_places() -> Tensor:
    """Place the taps of the four long kernels in one square kernel.

    Returns:
        (4, SPAN * SPAN) int64 for the kernels (rows, columns, sheared rows, sheared columns): the
        index of the tap among all 4 * TAPS taps, or 4 * TAPS where the kernel has none.
    """
    centre = SPAN // 2
    places = torch.full((4, SPAN, SPAN), 4 * TAPS, dtype=torch.int64)
    for along in range(-REACH, REACH + 1):
        for across in range(-BREADTH, BREADTH + 1):
            tall = (along + REACH) * (2 * BREADTH + 1) + across + BREADTH
            flat = (across + BREADTH) * (2 * REACH + 1) + along + REACH
            places[0, centre + along, centre + across] = tall
            places[1, centre + across, centre + along] = TAPS + flat
            places[2, centre + along, centre + across - along] = 2 * TAPS + tall
            places[3, centre + across - along, centre + along] = 3 * TAPS + flat
    return places.flatten(1)


class MediumRangeAttention(nn.Module):
    """Gate a map by long thin convolutions at a third of its size: (N, C, H, W) to same.

    The four kernels lie along rows, columns and both diagonals. Their sum is one depthwise
    convolution of 13 x 13, with fewer multiplications than the four.
    """

    places: Tensor
    no_tap: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        long, short = 2 * REACH + 1, 2 * BREADTH + 1
        self.channels = channels
        self.blur = BlurPool(channels, MEDIUM_RANGE_STRIDE)
        self.rows = nn.Parameter(torch.empty(channels, 1, long, short))
        self.columns = nn.Parameter(torch.empty(channels, 1, short, long))
        self.rows_sheared = nn.Parameter(torch.empty(channels, 1, long, short))
        self.columns_sheared = nn.Parameter(torch.empty(channels, 1, short, long))
        for kernel in self.parameters():
            nn.init.kaiming_uniform_(kernel, a=math.sqrt(5))
        self.norm = nn.BatchNorm2d(channels)
        self.register_buffer('places', long_kernel_places(), persistent=False)
        self.register_buffer('no_tap', torch.zeros(channels, 1), persistent=False)

    def kernel(self) -> Tensor:
        """Sum the four kernels in one: (C, 1, SPAN, SPAN)."""
        kernels = (self.rows, self.columns, self.rows_sheared, self.columns_sheared)
        taps = torch.cat([*(kernel.flatten(1) for kernel in kernels), self.no_tap], 1)
        first, second, third, fourth = (
            taps.index_select(1, place) for place in self.places.unbind()
        )
        return (first + second + third + fourth).view(self.channels, 1, SPAN, SPAN)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh `x` by its surroundings."""
        gate = self.blur(functional.max_pool2d(x, 3, stride=1, padding=1))
        gate = functional.conv2d(gate, self.kernel(), padding=SPAN // 2, groups=self.channels)
        gate = self.norm(gate).sigmoid()
        return x * resize_nearest(gate, (x.shape[2], x.shape[3]))


class PeakPool(nn.Module):
    """Keep the largest entry of each 2x2 window and put a processed map back where it was.

    (N, C, H, W) to the same shape, H and W even; `inner` works at half the size. Of equal entries
    the first in row-major order counts. The choice is no continuous function of the input: where
    two entries of a window agree to rounding, two runtimes may choose differently.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Process the peaks of `x`; every other position becomes 0."""
        upper_left, upper_right = x[:, :, ::2, ::2], x[:, :, ::2, 1::2]
        lower_left, lower_right = x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2]
        upper = torch.maximum(upper_left, upper_right)
        lower = torch.maximum(lower_left, lower_right)
        values = self.inner(torch.maximum(upper, lower))
        in_upper = values * (upper >= lower)
        in_lower = values - in_upper
        in_upper_left = in_upper * (upper_left >= upper_right)
        in_lower_left = in_lower * (lower_left >= lower_right)
        windows = (in_upper_left, in_upper - in_upper_left, in_lower_left, in_lower - in_lower_left)
        return functional.pixel_shuffle(torch.stack(windows, 2).flatten(1, 2), 2)


class LargeKernelGate(nn.Module):
    """Gate a map by two depthwise convolutions of growing reach: (N, C, H, W) to same."""

    def __init__(self, channels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        half = channels // 2
        self.enter = nn.Sequential(nn.Conv2d(channels, channels, 1), activation())
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.far = nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels)
        self.near_squeeze = nn.Conv2d(channels, half, 1)
        self.far_squeeze = nn.Conv2d(channels, half, 1)
        self.choose = nn.Conv2d(2, 2, 7, padding=3)
        self.widen = nn.Conv2d(half, channels, 1)
        self.leave = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh `x` by its surroundings."""
        x = self.enter(x)
        near = self.near(x)
        far = self.far_squeeze(self.far(near))
        near = self.near_squeeze(near)
        both = torch.cat((near, far), 1)
        summary = torch.cat((both.mean(1, keepdim=True), both.amax(1, keepdim=True)), 1)
        near_share, far_share = self.choose(summary).sigmoid().chunk(2, 1)
        leaving: Tensor = self.leave(x * self.widen(near * near_share + far * far_share))
        return leaving


def wide_attention(stage: int, channels: int, activation: type[nn.Module]) -> nn.Module:
    """Build the branch of the largest range for stage 0 to 3, without its shortcut.

    The first two stages gate their peaks, the third lets them attend to each other, the fourth
    lets every position attend to every other.
    """
    if stage < 2:
        return PeakPool(LargeKernelGate(channels, activation))
    attention = GlobalAttention(channels)
    if stage == 2:
        return PeakPool(nn.Sequential(attention, nn.BatchNorm2d(channels)))
    return attention
