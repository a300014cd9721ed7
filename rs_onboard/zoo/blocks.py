# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Layers that more than one network uses, all of them exportable to ONNX at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

ATTENTION_HEAD_WIDTH = 4


def conv_norm(
    cin: int, cout: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    """Make a convolution without bias and its batch norm."""
    convolution = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(cout)


class BlurPool(nn.Module):
    """Downsample with the fixed binomial filter (1, 3, 3, 1), reflected at the border.

    (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)); at least 3 rows and columns. The
    filter is a constant: it follows the module to its device but is no part of a checkpoint.

    Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019.
    """

    filt: Tensor

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride
        taps = torch.tensor((1.0, 3.0, 3.0, 1.0))
        kernel = (taps[:, None] * taps / 64).repeat(channels, 1, 1, 1)
        self.register_buffer('filt', kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filter and subsample `x`."""
        x = functional.pad(x, (1, 2, 1, 2), mode='reflect')
        return functional.conv2d(x, self.filt, stride=self.stride, groups=self.channels)


class GlobalAttention(nn.Module):
    """Multi-head self-attention over all positions of a map, heads of four channels, no biases.

    (N, C, H, W) to the same shape, C a multiple of 4. Memory grows with (H * W)^2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // ATTENTION_HEAD_WIDTH
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend from every position of `x` to every other."""
        _, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        qkv = self.qkv(tokens).unflatten(2, (3, self.heads, ATTENTION_HEAD_WIDTH))
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (query * ATTENTION_HEAD_WIDTH**-0.5) @ key.transpose(2, 3)
        mixed = scores.softmax(3) @ value
        tokens = self.proj(mixed.transpose(1, 2).flatten(2))
        return tokens.transpose(1, 2).reshape(-1, channels, height, width)


class DropPath(nn.Module):
    """Drop the residual branch of a whole sample with probability `rate` while training.

    Input and output (N, ...); does nothing in evaluation.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Scale the surviving samples so that the mean stays."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (mask / keep)


def resize_nearest(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, H, W) to (N, C, *size): row i takes floor(i * (H / rows)), in float32.

    ONNX Runtime divides by the inverse factor instead. For the factors 1/2 and 1/3 of our networks
    and up to 1100 rows this moves one row at 94, 166, 604, 742, 748 and 760 rows only.
    """
    return functional.interpolate(x, size=size, mode='nearest')


def normalised(norms: nn.ModuleList, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Pass each stage output of a backbone through its own norm."""
    return tuple(norm(level) for norm, level in zip(norms, levels, strict=True))


def named_levels(norms: nn.ModuleList, levels: Sequence[Tensor]) -> dict[str, Tensor]:
    """Show the stage outputs before (`stage0`..) and after (`feat0`..) their norms."""
    named = {f'stage{i}': level for i, level in enumerate(levels)}
    return named | {f'feat{i}': level for i, level in enumerate(normalised(norms, levels))}
