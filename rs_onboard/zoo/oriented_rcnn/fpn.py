# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Feature pyramid: five maps of equal width from the four levels of a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence


class FeaturePyramid(nn.Module):
    """Add coarse levels to fine ones from the top down; strides 4 to 64.

    Input four maps [N, C_i, H / s, W / s], s = 4, 8, 16, 32; output five maps [N, width, H / s,
    W / s], s = 4 .. 64. Convolutions have biases; there is no norm and no activation.

    Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Build the pyramid, finest level first."""
        maps = [lateral(x) for lateral, x in zip(self.laterals, levels, strict=True)]
        for i in range(len(maps) - 1, 0, -1):
            size = maps[i - 1].shape[-2:]
            maps[i - 1] = maps[i - 1] + functional.interpolate(maps[i], size=size, mode='nearest')
        outputs = [smooth(x) for smooth, x in zip(self.smooth, maps, strict=True)]
        outputs.append(outputs[-1][:, :, ::2, ::2])
        return outputs
