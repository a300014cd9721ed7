# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Layers that read a map at computed places, made of operators every ONNX runtime has.

Positions and pooling windows are computed from the shapes themselves: an exported graph follows
the input size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 3
TAPS = KERNEL * KERNEL
OFFSET_KERNELS = (1, 3, 5)
OFFSET_GROUPS = (1, 2, 4)


def cells(length: int, like: Tensor) -> Tensor:
    """Count 0 to `length` - 1 in the dtype and on the device of `like`: (length,)."""
    return torch.arange(length, device=like.device).to(like.dtype)


def sample(x: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Read `x` between its pixels, bilinear, zero outside.

    Args:
        x: (N, C, H, W).
        columns: (N, A, B) positions in pixels, 0 in the middle of the first column.
        rows: The same downwards.

    Returns:
        (N, C, A, B).
    """
    height, width = x.shape[2:]
    grid = torch.stack(((2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1), 3)
    return functional.grid_sample(
        x, grid, mode='bilinear', padding_mode='zeros', align_corners=False
    )


def neighbours(x: Tensor, kernel: int, dilation: int = 1) -> list[Tensor]:
    """Shift (N, C, H, W) to each tap of a kernel, row-major, zero outside: kernel^2 such maps."""
    reach = dilation * (kernel // 2)
    padded = functional.pad(x, (reach, reach, reach, reach))
    # Ends counted from the far side are constants: the exported slices need no shape arithmetic.
    spans = [slice(start, start - 2 * reach or None) for start in range(0, 2 * reach + 1, dilation)]
    return [padded[:, :, rows, columns] for rows in spans for columns in spans]


def window_weights(length: int, windows: int, like: Tensor) -> Tensor:
    """Weights of adaptive average pooling along one axis: (windows, length), rows sum to 1."""
    index = torch.arange(windows, device=like.device)
    start = torch.div(index * length, windows, rounding_mode='floor')[:, None]
    stop = torch.div((index + 1) * length + windows - 1, windows, rounding_mode='floor')[:, None]
    place = torch.arange(length, device=like.device)
    inside = ((place >= start) & (place < stop)).to(like.dtype)
    return inside / (stop - start).to(like.dtype)


def adaptive_mean(x: Tensor, windows: int) -> Tensor:
    """Average (N, C, H, W) over a grid of windows: (N, C, windows, windows), any H and W."""
    rows = window_weights(x.shape[2], windows, x)
    columns = window_weights(x.shape[3], windows, x)
    return rows @ x @ columns.transpose(0, 1)


class DeformableConv(nn.Module):
    """Modulated deformable 3x3 convolution, offsets from a pyramid of three grouped convolutions.

    (N, cin, H, W) to (N, cout, H, W), cin a multiple of 4 and of `groups`.

    Zhu et al., Deformable ConvNets v2, CVPR 2019; Duta et al., Pyramidal Convolution, 2020.

    Args:
        cin: Input channels.
        cout: Output channels.
        groups: Groups of input channels with their own offsets.
    """

    def __init__(self, cin: int, cout: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        wide = 3 * groups * TAPS
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(cin, wide, kernel, padding=kernel // 2, groups=parts, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(),
            )
            for kernel, parts in zip(OFFSET_KERNELS, OFFSET_GROUPS, strict=True)
        )
        self.offset = nn.Conv2d(len(OFFSET_KERNELS) * wide, wide, 1)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)
        self.weight = nn.Parameter(torch.empty(cout, cin, KERNEL, KERNEL))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias = nn.Parameter(torch.zeros(cout))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `x` at shifted places."""
        height, width = x.shape[2:]
        raw = self.offset(torch.cat([branch(x) for branch in self.branches], 1))
        shifts = raw[:, : 2 * self.groups * TAPS]
        shifts = shifts.reshape(-1, TAPS, 2, height, width)
        mask = raw[:, 2 * self.groups * TAPS :].sigmoid()
        tap = torch.arange(TAPS, device=x.device)[:, None, None]
        row = cells(height, x)[:, None] + (tap // KERNEL - KERNEL // 2) + shifts[:, :, 0]
        column = cells(width, x) + (tap % KERNEL - KERNEL // 2) + shifts[:, :, 1]
        group = x.reshape(-1, x.shape[1] // self.groups, height, width)
        read = sample(group, column.flatten(1, 2), row.flatten(1, 2))
        read = read.reshape(-1, group.shape[1], TAPS, height, width)
        read = read * mask.reshape(-1, 1, TAPS, height, width)
        read = read.reshape(-1, x.shape[1] * TAPS, height, width)
        return functional.conv2d(read, self.weight.flatten(1)[:, :, None, None], self.bias)


class DeformableAttention(nn.Module):
    """Each cell of a coarse map reads a few computed places of a fine one, single head.

    Queries (N, H1 * W1, C), fine tokens (N, H2 * W2, C), row-major, to (N, H1 * W1, C).

    Zhu et al., Deformable DETR, ICLR 2021.

    Args:
        channels: Width of the tokens.
        points: Places a cell reads.
    """

    def __init__(self, channels: int, points: int) -> None:
        super().__init__()
        self.points = points
        self.sampling_offsets = nn.Linear(channels, 2 * points)
        self.attention_weights = nn.Linear(channels, points)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        nn.init.zeros_(self.sampling_offsets.weight)
        nn.init.uniform_(self.sampling_offsets.bias, -1, 1)

    def forward(
        self,
        query: Tensor,
        query_size: tuple[int, int],
        tokens: Tensor,
        token_size: tuple[int, int],
    ) -> Tensor:
        """Gather from `tokens` for every query; sizes are (height, width) of the maps."""
        (rows, columns), (height, width) = query_size, token_size
        value = self.value_proj(tokens).transpose(1, 2)
        value = value.reshape(-1, value.shape[1], height, width)
        shift = self.sampling_offsets(query).unflatten(2, (self.points, 2))
        weights = self.attention_weights(query).softmax(2)
        # A shift counts pixels of the fine map; the centre of a coarse cell is scaled to them.
        row = (cells(rows, query) + 0.5) * height / rows - 0.5
        column = (cells(columns, query) + 0.5) * width / columns - 0.5
        row = row[:, None].expand(rows, columns).flatten()[:, None] + shift[..., 1]
        column = column.expand(rows, columns).flatten()[:, None] + shift[..., 0]
        read = (sample(value, column, row) * weights[:, None]).sum(3)
        out: Tensor = self.output_proj(read.transpose(1, 2))
        return out
