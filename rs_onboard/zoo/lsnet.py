# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""LSNet: light Siamese change detection with context-guided blocks and three fusion pyramids."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.zoo.network import Builder

BATCH_NORM_EPS = 1e-2
BASE_WIDTH = 32
STAGE_DEPTHS = (3, 3, 8, 12)
LEVELS = len(STAGE_DEPTHS)

SIZES = InputRule(
    multiple=8,
    minimum=8,
    note='Gates and coordinate attention are global means, so padding changes the whole result.',
)


def double(x: Tensor) -> Tensor:
    """Resize (N, C, H, W) to (N, C, 2H, 2W), bilinear with aligned corners."""
    return functional.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=True)


class Slopes(nn.PReLU):
    """PReLU with one slope a channel, as sums and products while training.

    The derivative of the library's own takes longer than all other layers of a block.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Scale the negative values of (N, C, H, W)."""
        if not self.training:
            return super().forward(x)
        slope = self.weight[:, None, None]
        return slope * x + (1 - slope) * functional.relu(x)


def norm_prelu(channels: int) -> nn.Sequential:
    """Batch normalisation and one learned slope a channel."""
    return nn.Sequential(nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS), Slopes(channels))


class GlobalGate(nn.Module):
    """Channel gate from the mean of the map: (N, C, H, W) to (N, C, H, W)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel of `x` by its gate."""
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class ContextGuidedBlock(nn.Module):
    """Local and dilated depthwise features, joined and gated by their global mean.

    (N, cin, H, W) to (N, cout, H, W), or to (N, cout, H/2, W/2) when `down`. Dilation and gate
    reduction follow from the pyramid level: 2^level and 4 * 2^level.

    Wu et al., CGNet: A Light-weight Context Guided Network for Semantic Segmentation, 2020.
    """

    def __init__(
        self, cin: int, cout: int, level: int, *, down: bool = False, skip: bool = False
    ) -> None:
        super().__init__()
        half, dilation = cout // 2, 1 << level
        self.skip = skip
        self.conv1x1 = nn.Sequential(
            nn.Conv2d(cin, half, 3, 2, 1) if down else nn.Conv2d(cin, half, 1),
            nn.BatchNorm2d(half, eps=BATCH_NORM_EPS),
            Slopes(half),
        )
        self.f_loc = nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False)
        self.f_sur = nn.Conv2d(
            half, half, 3, padding=dilation, dilation=dilation, groups=half, bias=False
        )
        self.bn = nn.BatchNorm2d(cout, eps=BATCH_NORM_EPS)
        self.activate = Slopes(cout)
        self.f_glo = GlobalGate(cout, reduction=4 << level)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the gated block, plus its input when `skip`."""
        squeezed = self.conv1x1(x)
        joined = torch.cat((self.f_loc(squeezed), self.f_sur(squeezed)), 1)
        out = self.f_glo(self.activate(self.bn(joined)))
        return x + out if self.skip else out


def stage(cin: int, level: int, depth: int) -> nn.ModuleList:
    """Blocks of one level; the first changes the width and, but for level 0, halves the size."""
    cout = BASE_WIDTH << level
    first = ContextGuidedBlock(cin, cout, level, down=level > 0)
    rest = (ContextGuidedBlock(cout, cout, level, skip=True) for _ in range(depth - 1))
    return nn.ModuleList((first, *rest))


def backbone_widths(bands: int) -> tuple[int, int, int, int]:
    """Channels of the four backbone outputs: with three bands 35, 131, 256, 512."""
    return (BASE_WIDTH + bands, 4 * BASE_WIDTH + bands, 8 * BASE_WIDTH, 16 * BASE_WIDTH)


class Backbone(nn.Module):
    """Context-guided backbone shared by both dates.

    (N, bands, H, W) to four maps at scales 1, 1/2, 1/4, 1/8 (`backbone_widths` channels).
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        widths = backbone_widths(bands)
        self.stem = stage(bands, 0, STAGE_DEPTHS[0])
        self.norm_prelu_0 = norm_prelu(widths[0])
        self.level1 = stage(widths[0], 1, STAGE_DEPTHS[1])
        self.norm_prelu_1 = norm_prelu(widths[1])
        self.level2 = stage(widths[1], 2, STAGE_DEPTHS[2])
        self.norm_prelu_2 = norm_prelu(widths[2])
        self.level3 = stage(widths[2], 3, STAGE_DEPTHS[3])
        self.norm_prelu_3 = norm_prelu(widths[3])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the four normalised stage ends, finest first."""
        injected = (x, functional.avg_pool2d(x, 3, 2, 1))
        maps: list[Tensor] = []
        current = x
        for level, (blocks, end) in enumerate(
            (
                (self.stem, self.norm_prelu_0),
                (self.level1, self.norm_prelu_1),
                (self.level2, self.norm_prelu_2),
                (self.level3, self.norm_prelu_3),
            )
        ):
            first = last = blocks[0](current)
            for block in blocks[1:]:
                last = block(last)
            joined = [last] if level == 0 else [last, first]
            current = end(torch.cat((*joined, *injected[level : level + 1]), 1))
            maps.append(current)
        return maps


class DifferencePyramid(nn.Module):
    """The diffFPN and, `thin`, the thin diffFPN.

    Takes the backbone maps of both dates; gives full-size maps of 32, 32 and 64 channels (32 and
    64 when thin). Despite its name nothing is subtracted: swapping the dates changes the result.
    """

    def __init__(self, widths: Sequence[int], *, thin: bool) -> None:
        super().__init__()
        out = [BASE_WIDTH << level for level in range(LEVELS)]
        self.rows = LEVELS - 1 if thin else LEVELS
        self.out_channels = (BASE_WIDTH,) * (self.rows - 2) + (2 * BASE_WIDTH,)
        self.lateral_convs = nn.ModuleList(
            nn.Sequential(ContextGuidedBlock(2 * widths[level], out[level], level))
            for level in range(LEVELS)
        )
        self.top_down_convs = nn.ModuleList(
            nn.Sequential(ContextGuidedBlock(out[level], out[level - 1], level))
            for level in range(LEVELS - 1, 0, -1)
        )
        steps = [level for row in range(self.rows - 1, 0, -1) for level in range(row)]
        couts = [out[level] for level in steps[:-1]] + [self.out_channels[-1]]
        self.diff_convs = nn.ModuleList(
            nn.Sequential(ContextGuidedBlock(out[level] + out[level + 1], cout, level))
            for level, cout in zip(steps, couts, strict=True)
        )

    def forward(self, before: list[Tensor], after: list[Tensor]) -> list[Tensor]:
        """Fuse lateral maps from coarse to fine, then merge neighbours until one map is left."""
        maps = [
            conv(torch.cat(pair, 1))
            for conv, pair in zip(self.lateral_convs, zip(before, after, strict=True), strict=True)
        ]
        for level, conv in zip(range(LEVELS - 2, -1, -1), self.top_down_convs, strict=True):
            maps[level] = maps[level] + double(conv(maps[level + 1]))
        convs = iter(self.diff_convs)
        row, finest = maps[: self.rows], []
        while len(row) > 1:
            row = [
                next(convs)(torch.cat((fine, double(coarse)), 1)) for fine, coarse in pairwise(row)
            ]
            finest.append(row[0])
        return finest


class DensePyramid(nn.Module):
    """The denseFPN: every merge sees both dates and all earlier merges of its level.

    Takes the backbone maps of both dates; gives three full-size maps of 32 channels.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = (BASE_WIDTH,) * (LEVELS - 1)
        for step in range(1, LEVELS):
            for level in range(LEVELS - step):
                cout = BASE_WIDTH << level
                coarse = 2 * widths[level + 1] if step == 1 else 2 * cout
                cin = 2 * widths[level] + (step - 1) * cout + coarse
                name = f'conv{level}_{step}'
                self.add_module(name, nn.Sequential(ContextGuidedBlock(cin, cout, level)))

    def forward(self, before: list[Tensor], after: list[Tensor]) -> list[Tensor]:
        """Merge each level with the next coarser one, three times."""
        seen = [[a, b] for a, b in zip(before, after, strict=True)]
        coarse = [[double(x) for x in pair] for pair in seen[1:]]
        for step in range(1, LEVELS):
            merged = [
                self.get_submodule(f'conv{level}_{step}')(torch.cat((*fine, *doubled), 1))
                for level, (fine, doubled) in enumerate(zip(seen, coarse, strict=False))
            ]
            for fine, x in zip(seen, merged, strict=False):
                fine.append(x)
            coarse = [[double(x)] for x in merged[1:]]
        return seen[0][2:]


class CoordinateAttention(nn.Module):
    """Row and column gates from axis means: (N, C, H, W) to (N, C, H, W).

    Hou et al., Coordinate Attention for Efficient Mobile Network Design, 2021.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, channels // 16)
        self.conv1 = nn.Conv2d(channels, hidden, 1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, channels, 1)
        self.conv3 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale `x` by a gate a row and a gate a column."""
        height = x.shape[2]
        # Means over an axis export with dynamic sizes; adaptive pools freeze at the traced size.
        rows = x.mean(3, keepdim=True)
        columns = x.mean(2, keepdim=True).transpose(2, 3)
        mixed = self.bn1(self.conv1(torch.cat((rows, columns), 2)))
        mixed = mixed * functional.relu6(mixed + 3) / 6
        row_gate = self.conv2(mixed[:, :, :height]).sigmoid()
        column_gate = self.conv3(mixed[:, :, height:].transpose(2, 3)).sigmoid()
        return x * column_gate * row_gate


class Head(nn.Module):
    """Coordinate attention and a 1x1 classifier: (N, C, H, W) to logits (N, classes, H, W)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.ca = CoordinateAttention(channels)
        self.conv_final = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits."""
        return self.conv_final(self.ca(x))


class LSNet(nn.Module):
    """Change detection network; logits of class 1 mean change.

    Two dates, each (N, bands, H, W) float32 in RGB order with values 0..255 (no normalisation), H
    and W multiples of 8, to logits (N, classes, H, W). 1.22 M (diffFPN), 1.18 M (thin diffFPN) and
    1.10 M parameters (denseFPN).

    Liu et al., LSNet: Extremely Light-Weight Siamese Network For Change Detection in Remote
    Sensing Image, 2022 (arXiv 2201.09156).
    """

    def __init__(
        self, pyramid: DifferencePyramid | DensePyramid, *, classes: int, bands: int
    ) -> None:
        super().__init__()
        self.backbone = Backbone(bands)
        self.head = Head(sum(pyramid.out_channels), classes)
        self.FPN = pyramid
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def named_outputs(self, before: Tensor, after: Tensor) -> dict[str, Tensor]:
        """Compute the pyramid's maps `x0_1`, `x0_2`, `x0_3` and the logits `out`.

        The thin diffFPN has two maps; as in the authors' program its last one also stands third.
        """
        if not torch.jit.is_tracing():
            SIZES.check('lsnet', *before.shape[2:])
        batch = before.shape[0]
        # One pass over both dates: in training their batch statistics are common.
        maps = self.backbone(torch.cat((before, after)))
        finest = self.FPN([x[:batch] for x in maps], [x[batch:] for x in maps])
        return {
            'x0_1': finest[0],
            'x0_2': finest[1],
            'x0_3': finest[-1],
            'out': self.head(torch.cat(finest, 1)),
        }

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Compute logits (N, classes, H, W)."""
        return self.named_outputs(before, after)['out']


def build_difffpn(*, classes: int, bands: int = 3, thin: bool = False) -> LSNet:
    """Build LSNet with the (thin) diffFPN."""
    pyramid = DifferencePyramid(backbone_widths(bands), thin=thin)
    return LSNet(pyramid, classes=classes, bands=bands)


def build_densefpn(*, classes: int, bands: int = 3) -> LSNet:
    """Build LSNet with the denseFPN."""
    return LSNet(DensePyramid(backbone_widths(bands)), classes=classes, bands=bands)


def entry(variant: str, build: Builder, parameters: float, flops: float) -> NetworkEntry:
    """Describe one variant by the figures its authors publish."""
    return NetworkEntry(
        name=f'lsnet_{variant}',
        task='change',
        build=build,
        inputs=2,
        input_rule=SIZES,
        published=PublishedFigures(
            parameters=parameters,
            macs=flops,
            input_size=(256, 256),
            classes=2,
            difference=(
                'published parameters leave out the PReLU slopes; published FLOPs add biases, 2 a '
                'batch-norm element and 11 an upsampled element to the multiply-accumulates'
            ),
        ),
        licence='Apache-2.0',
        source='Liu et al., LSNet, 2022, arXiv 2201.09156',
    )


NETWORKS: dict[str, NetworkEntry] = {
    network.name: network
    for network in (
        entry('densefpn', build_densefpn, 1.096694, 5.865196960),
        entry('difffpn', build_difffpn, 1.207706, 5.215173504),
        entry('thin_difffpn', partial(build_difffpn, thin=True), 1.167922, 4.778421408),
    )
}
