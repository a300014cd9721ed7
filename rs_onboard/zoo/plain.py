# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Plain networks of our own: what a shipped network must beat at the same cost.

One encoder of inverted residuals (Sandler et al., MobileNetV2, CVPR 2018) serves all three, so that
a backbone trained on scenes starts the others. The widths of the decoders set the cost: that of
DecoupleNet D0 at 224 x 224, of SegGhostNet UED+BES+SFM at 512 x 512, of A2Net-LWGANet-L0 at
256 x 256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.blocks import conv_norm
from rs_onboard.zoo.network import NetworkEntry, PublishedFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rs_onboard.zoo.network import Builder, Task

    ConvolutionLayer = Callable[[int, int], nn.Module]

STEM_CHANNELS = 32
# Rows: expansion, channels, blocks, stride. A level ends before the next stride of 2.
STAGES = (
    ((1, 16, 1, 1),),
    ((6, 24, 2, 2),),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 2), (6, 320, 1, 1)),
)
CHANNELS = tuple(rows[-1][1] for rows in STAGES)
SCENE_CHANNELS = 256
# Channels of the decoder at strides 16, 8, 4 and 2.
SEGMENTATION_WIDTHS = (96, 64, 52, 42)
CHANGE_WIDTHS = (128, 96, 72, 53)
DROPOUT = 0.2


def convolution(cin: int, cout: int) -> nn.Sequential:
    """Build a 3 x 3 convolution with batch norm and ReLU."""
    return nn.Sequential(*conv_norm(cin, cout, 3), nn.ReLU())


def separable(cin: int, cout: int) -> nn.Sequential:
    """Build a depthwise 3 x 3 and a 1 x 1 convolution, each with batch norm and ReLU."""
    return nn.Sequential(
        *conv_norm(cin, cin, 3, groups=cin), nn.ReLU(), *conv_norm(cin, cout, 1), nn.ReLU()
    )


class InvertedResidual(nn.Module):
    """Widen, convolve each channel, narrow; add the input where the shape stays.

    Input [N, cin, H, W], output [N, cout, ceil(H / stride), ceil(W / stride)].
    """

    def __init__(self, cin: int, cout: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        wide = cin * expansion
        widen = (*conv_norm(cin, wide, 1), nn.ReLU6()) if expansion > 1 else ()
        self.residual = nn.Sequential(
            *widen,
            *conv_norm(wide, wide, 3, stride=stride, groups=wide),
            nn.ReLU6(),
            *conv_norm(wide, cout, 1),
        )
        self.skip = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        """Run the block; no activation follows the sum."""
        out: Tensor = self.residual(x)
        return x + out if self.skip else out


class Encoder(nn.Module):
    """Images [N, bands, H, W] to 16, 24, 32, 96 and 320 channels at strides 2 to 32."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(bands, STEM_CHANNELS, 3, stride=2), nn.ReLU6())
        width = STEM_CHANNELS
        levels = []
        for rows in STAGES:
            blocks = []
            for expansion, channels, depth, stride in rows:
                for index in range(depth):
                    step = stride if index == 0 else 1
                    blocks.append(
                        InvertedResidual(width, channels, expansion=expansion, stride=step)
                    )
                    width = channels
            levels.append(nn.Sequential(*blocks))
        self.levels = nn.ModuleList(levels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the five levels, the finest first."""
        x = self.stem(images)
        maps = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """From the coarsest level up, each enlarged, joined with the next finer one and convolved.

    Five levels as of `Encoder` to [N, classes, H / 2, W / 2].
    """

    def __init__(self, widths: Sequence[int], layer: ConvolutionLayer, *, classes: int) -> None:
        super().__init__()
        coarse = (CHANNELS[-1], *widths[:-1])
        skips = CHANNELS[-2::-1]
        self.joins = nn.ModuleList(
            nn.Sequential(layer(low + skip, width), layer(width, width))
            for low, skip, width in zip(coarse, skips, widths, strict=True)
        )
        self.classify = nn.Conv2d(widths[-1], classes, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Decode to logits."""
        x = levels[-1]
        for join, skip in zip(self.joins, levels[-2::-1], strict=True):
            x = join(torch.cat((enlarge(x, skip), skip), dim=1))
        logits: Tensor = self.classify(x)
        return logits


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Interpolate `x` bilinearly to the height and width of `like`."""
    return functional.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=False)


class PlainMobileNet(nn.Module):
    """Scenes: images [N, bands, H, W] to logits [N, classes], any size."""

    def __init__(self, *, classes: int, bands: int = 3) -> None:
        super().__init__()
        self.backbone = Encoder(bands)
        self.widen = nn.Sequential(*conv_norm(CHANNELS[-1], SCENE_CHANNELS, 1), nn.ReLU6())
        self.classify = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(SCENE_CHANNELS, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Classify the images."""
        logits: Tensor = self.classify(self.widen(self.backbone(images)[-1]).mean((2, 3)))
        return logits

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show the logits."""
        return {'logits': self(images)}


class PlainUnet(nn.Module):
    """Segmentation: images [N, bands, H, W] to logits [N, classes, H, W], any size."""

    def __init__(self, *, classes: int, bands: int = 3) -> None:
        super().__init__()
        self.backbone = Encoder(bands)
        self.decoder = Decoder(SEGMENTATION_WIDTHS, separable, classes=classes)

    def forward(self, images: Tensor) -> Tensor:
        """Label every pixel."""
        return enlarge(self.decoder(self.backbone(images)), images)

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show the logits."""
        return {'lbl': self(images)}


class PlainSiameseUnet(nn.Module):
    """Change: two dates [N, bands, H, W] to logits [N, classes, H, W], any size.

    The encoder is shared and the decoder sees the absolute difference of each level, so that the
    order of the dates has no effect.
    """

    def __init__(self, *, classes: int, bands: int = 3) -> None:
        super().__init__()
        self.backbone = Encoder(bands)
        self.decoder = Decoder(CHANGE_WIDTHS, convolution, classes=classes)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Compute the logits."""
        # One pass over both dates: in training their batch statistics are common.
        levels = self.backbone(torch.cat((before, after)))
        first = before.shape[0]
        return enlarge(self.decoder([(x[:first] - x[first:]).abs() for x in levels]), before)

    def named_outputs(self, before: Tensor, after: Tensor) -> dict[str, Tensor]:
        """Show the logits."""
        return {'out': self(before, after)}


def entry(name: str, task: Task, build: Builder, side: int, classes: int) -> NetworkEntry:
    """Describe one network; `side` is that of the network whose cost it has."""
    return NetworkEntry(
        name=name,
        task=task,
        build=build,
        published=PublishedFigures(
            parameters=None,
            macs=None,
            input_size=(side, side),
            classes=classes,
            difference='ours, a baseline: no figures published',
        ),
        licence='Apache-2.0',
        source='rs_onboard; encoder after Sandler et al., MobileNetV2, CVPR 2018',
        inputs=2 if task == 'change' else 1,
        default_classes=classes,
    )


NETWORKS: dict[str, NetworkEntry] = {
    network.name: network
    for network in (
        entry('plain_mobilenet', 'scene', PlainMobileNet, 224, 21),
        entry('plain_unet', 'segmentation', PlainUnet, 512, 6),
        entry('plain_siamese_unet', 'change', PlainSiameseUnet, 256, 2),
    )
}
