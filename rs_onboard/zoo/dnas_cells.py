# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DNAS edge cells: the resize every edge starts with and the ten candidate operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.dnas_encoding import OPERATOR_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence


def rescale(x: Tensor, scale: float) -> Tensor:
    """Resize (N, C, H, W) by a power of two, bilinear with aligned corners.

    Sizes must be even where they shrink, which the network's size rule guarantees; the original's
    rule for odd sizes gives summands of unequal sizes.
    """
    if scale == 1:
        return x
    return functional.interpolate(x, scale_factor=scale, mode='bilinear', align_corners=True)


class GlobalAverage(nn.Sequential):
    """Layers applied to the mean over H and W and spread again: (N, C, H, W) to (N, C', H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute the constant map."""
        mean = super().forward(x.mean((2, 3), keepdim=True))
        return mean.expand(-1, -1, x.shape[2], x.shape[3])


def conv_operator(cin: int, cout: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Convolution that keeps the size, batch normalisation, ReLU."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(),
    )


def separable_operator(cin: int, cout: int, kernel: int) -> nn.Sequential:
    """Depthwise and pointwise convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(cin, cin, kernel, padding=kernel // 2, groups=cin, bias=False),
        nn.Conv2d(cin, cout, 1, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(),
    )


def pool_operator(cin: int, cout: int, pool: nn.Module) -> nn.Sequential:
    """1x1 convolution, batch normalisation and then a pool that keeps the size; no ReLU."""
    return nn.Sequential(nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout), pool)


def make_operator(index: int, cin: int, cout: int) -> nn.Module:
    """Make operator `index` of `OPERATOR_NAMES`: (N, cin, H, W) to (N, cout, H, W)."""
    name = OPERATOR_NAMES[index]
    if name.startswith('sep_conv'):
        return separable_operator(cin, cout, kernel=int(name[-1]))
    if name == 'avg_pool_3x3':
        return pool_operator(cin, cout, nn.AvgPool2d(3, 1, 1, count_include_pad=False))
    if name == 'max_pool_3x3':
        return pool_operator(cin, cout, nn.MaxPool2d(3, 1, 1))
    if name == 'global_average_pool':
        return GlobalAverage(*conv_operator(cin, cout, 1))
    kernel, dilation = {
        'conv1x1': (1, 1),
        'conv3x3': (3, 1),
        'conv3x3_dil3': (3, 3),
        'conv3x3_dil12': (3, 12),
    }[name]
    return conv_operator(cin, cout, kernel, dilation)


class Cell(nn.Module):
    """What an edge computes: the source resized to the target's level, then its operators.

    (N, cin, H, W) to (N, cout, H * cin / cout, W * cin / cout).
    """

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.scale = cin / cout

    def initialise(self) -> None:
        """Draw convolution weights as the authors do: Kaiming normal, fan-in."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)


class PlainCell(Cell):
    """Edge of the first two search networks: ReLU, 3x3 convolution, batch normalisation."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout)
        self.op = nn.Sequential(
            nn.ReLU(), nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout)
        )
        self.initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Compute the edge."""
        return self.op(rescale(x, self.scale))


class MixedCell(Cell):
    """Edge of the third search network: all ten operators, weighted."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout)
        self.ops = nn.ModuleDict(
            {name: make_operator(index, cin, cout) for index, name in enumerate(OPERATOR_NAMES)}
        )
        self.initialise()

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Compute the sum of the operators, times `weights` (10,)."""
        x = rescale(x, self.scale)
        terms = [weight * op(x) for weight, op in zip(weights, self.ops.values(), strict=True)]
        return sum_of(terms)


class FinalCell(Cell):
    """Edge of a decoded network: the sum of the selected operators."""

    def __init__(self, cin: int, cout: int, operators: Sequence[int]) -> None:
        super().__init__(cin, cout)
        self.ops = nn.ModuleList(make_operator(index, cin, cout) for index in operators)
        self.initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Compute the edge."""
        x = rescale(x, self.scale)
        return sum_of([op(x) for op in self.ops])


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """Add tensors of equal shape from left to right."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
