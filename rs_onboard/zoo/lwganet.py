# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""LWGANet L0, L1, L2: light group attention, as scene classifier and as multi-level backbone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.blocks import DropPath, named_levels, normalised
from rs_onboard.zoo.lwga_attention import MediumRangeAttention, PointAttention, wide_attention
from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.zoo.network import Task

PRE_HEAD_WIDTH = 1280
SIZES = InputRule(
    multiple=32,
    minimum=96,
    slack=3,
    note=(
        'Four levels of 2x2 windows need even sides, the blur of the last needs three rows. '
        'The published program takes squares alone; rectangles follow the same formulas.'
    ),
)
SOURCE = 'Lu et al., LWGANet: A Lightweight Group Attention Backbone, 2025'
LICENCE = 'contradictory: LICENSE says MIT, the README CC BY-NC 4.0'


@dataclass(frozen=True)
class LWGANetVariant:
    """Sizes of one member of the family.

    Attributes:
        width: Channels after the stem; doubled by each of the three downsamplings.
        depths: Blocks of the four stages.
        activation: Class of every activation.
        drop_path: Rate of the last block in training; grows linearly from 0.
    """

    width: int
    depths: tuple[int, int, int, int]
    activation: type[nn.Module]
    drop_path: float

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of the four stages, at strides 4, 8, 16 and 32."""
        return (self.width, 2 * self.width, 4 * self.width, 8 * self.width)


VARIANTS = {
    'l0': LWGANetVariant(32, (1, 2, 4, 2), nn.GELU, 0.0),
    'l1': LWGANetVariant(64, (1, 2, 4, 2), nn.GELU, 0.1),
    'l2': LWGANetVariant(96, (1, 4, 4, 2), nn.ReLU, 0.1),
}


class LWGABlock(nn.Module):
    """Four attentions of growing range on a quarter of the channels each, then a two-layer mix.

    (N, C, H, W) to the same shape, C a multiple of 16. The program of May 2024 has no norm after
    the mix (`first_version`).
    """

    def __init__(
        self,
        channels: int,
        stage: int,
        activation: type[nn.Module],
        *,
        drop_path: float,
        first_version: bool,
    ) -> None:
        super().__init__()
        quarter = channels // 4
        self.point = PointAttention(quarter, activation)
        self.local = nn.Sequential(
            nn.Conv2d(quarter, quarter, 3, padding=1, bias=False),
            nn.BatchNorm2d(quarter),
            activation(),
        )
        self.medium = MediumRangeAttention(quarter)
        self.wide = wide_attention(stage, quarter, activation)
        self.wide_norm = nn.Identity() if stage == 2 else nn.BatchNorm2d(quarter)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
            nn.BatchNorm2d(2 * channels),
            activation(),
            nn.Conv2d(2 * channels, channels, 1, bias=False),
        )
        self.norm = nn.Identity() if first_version else nn.BatchNorm2d(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` at its size."""
        x1, x2, x3, x4 = x.chunk(4, 1)
        mixed = torch.cat(
            (
                self.point(x1),
                self.local(x2),
                self.medium(x3),
                self.wide_norm(x4 + self.wide(x4)),
            ),
            1,
        )
        return x + self.drop_path(self.norm(self.mlp(mixed)))


class Downsampling(nn.Module):
    """Halve the size by a strided convolution and a max pool, joined: (N, C, H, W) to 2C channels.

    H and W even.
    """

    def __init__(self, channels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        wide = 2 * channels
        self.expand = nn.Conv2d(channels, wide, 3, padding=1, groups=channels)
        self.conv = nn.Sequential(
            nn.Conv2d(wide, wide, 3, stride=2, padding=1, groups=wide), activation()
        )
        self.conv_norm = nn.BatchNorm2d(wide)
        self.pool_norm = nn.BatchNorm2d(wide)
        self.fusion = nn.Conv2d(2 * wide, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Downsample `x`."""
        x = self.expand(x)
        convolved = self.conv_norm(self.conv(x))
        pooled = self.pool_norm(functional.max_pool2d(x, 3, stride=2, padding=1))
        fused: Tensor = self.fusion(torch.cat((convolved, pooled), 1))
        return fused


class LWGANet(nn.Module):
    """Body that the classifier and the backbone share; see `SOURCE`.

    Args:
        variant: Sizes, one of `VARIANTS`.
        bands: Input bands.
        first_version: Build the program of May 2024, which has no norm after a block's mix.
    """

    def __init__(
        self, variant: LWGANetVariant, *, bands: int = 3, first_version: bool = False
    ) -> None:
        super().__init__()
        self.channels = variant.channels
        self.stem = nn.Sequential(
            nn.Conv2d(bands, variant.width, 4, stride=4, bias=False),
            nn.BatchNorm2d(variant.width),
        )
        depth = sum(variant.depths)
        rates = iter(torch.linspace(0, variant.drop_path, depth, device='cpu').tolist())
        self.stages = nn.ModuleList()
        for stage, (width, depth) in enumerate(zip(self.channels, variant.depths, strict=True)):
            if stage:
                self.stages.append(Downsampling(width // 2, variant.activation))
            blocks = (
                LWGABlock(
                    width,
                    stage,
                    variant.activation,
                    drop_path=next(rates),
                    first_version=first_version,
                )
                for _ in range(depth)
            )
            self.stages.append(nn.Sequential(*blocks))

    def levels(self, images: Tensor) -> list[Tensor]:
        """Compute the four stage outputs, strides 4 to 32, of `images` (N, bands, H, W)."""
        if not torch.jit.is_tracing():
            SIZES.check('lwganet', *images.shape[-2:])
        x = self.stem(images)
        outputs = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index % 2 == 0:
                outputs.append(x)
        return outputs


class LWGANetClassifier(LWGANet):
    """Scene classifier: images (N, bands, H, W) to logits (N, classes).

    2.94 M (L0), 7.13 M (L1) and 14.26 M (L2) parameters with 1000 classes.
    """

    def __init__(
        self,
        variant: LWGANetVariant,
        *,
        classes: int,
        bands: int = 3,
        first_version: bool = False,
    ) -> None:
        super().__init__(variant, bands=bands, first_version=first_version)
        self.pre_head = nn.Sequential(
            nn.Conv2d(self.channels[-1], PRE_HEAD_WIDTH, 1, bias=False), variant.activation()
        )
        self.head = nn.Linear(PRE_HEAD_WIDTH, classes)

    def classify(self, level: Tensor) -> Tensor:
        """Compute the logits from the last stage's output."""
        pooled = level.mean((2, 3), keepdim=True)
        logits: Tensor = self.head(self.pre_head(pooled).flatten(1))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Classify whole images."""
        return self.classify(self.levels(images)[-1])

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show the logits and the stage outputs (`stage0`..)."""
        levels = self.levels(images)
        named = {f'stage{i}': level for i, level in enumerate(levels)}
        return named | {'logits': self.classify(levels[-1])}


class LWGANetBackbone(LWGANet):
    """Multi-level features: images (N, bands, H, W) to four maps at strides 4, 8, 16 and 32.

    Each level passes its own batch norm; the next stage takes the tensor before it.
    """

    def __init__(
        self, variant: LWGANetVariant, *, bands: int = 3, first_version: bool = False
    ) -> None:
        super().__init__(variant, bands=bands, first_version=first_version)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in self.channels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the normalised stage outputs."""
        return normalised(self.norms, self.levels(images))

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show the stage outputs before and after their norms."""
        return named_levels(self.norms, self.levels(images))


# Both the names of May 2024 and the later ones; no name means one thing here and another there.
RENAMED = tuple(
    (re.compile(theirs), ours)
    for theirs, ours in (
        (r'^(Stem|patch_embed)\.proj\.', 'stem.0.'),
        (r'^(Stem|patch_embed)\.norm\.', 'stem.1.'),
        (r'^(stages\.\d+)\.blocks\.(\d+)\.norm\.', r'\1.\2.wide_norm.'),
        (r'^(stages\.\d+)\.blocks\.(\d+)\.norm1\.', r'\1.\2.norm.'),
        (r'^(stages\.\d+)\.blocks\.', r'\1.'),
        (r'\.PA\.p_conv\.', '.point.gate.'),
        (r'\.LA\.conv\.', '.local.'),
        (r'\.MRA\.max_m2\.', '.medium.blur.'),
        (r'\.MRA\.H_att1\.weight$', '.medium.rows'),
        (r'\.MRA\.V_att1\.weight$', '.medium.columns'),
        (r'\.MRA\.H_att2\.weight$', '.medium.rows_sheared'),
        (r'\.MRA\.V_att2\.weight$', '.medium.columns_sheared'),
        (r'\.MRA\.(batch)?norm\.', '.medium.norm.'),
        (r'\.(GA12|L_Conv)\.proj_1\.', '.wide.inner.enter.0.'),
        (r'\.(GA12|L_Conv)\.conv0\.', '.wide.inner.near.'),
        (r'\.(GA12|L_Conv)\.conv_spatial\.', '.wide.inner.far.'),
        (r'\.(GA12|L_Conv)\.conv1\.', '.wide.inner.near_squeeze.'),
        (r'\.(GA12|L_Conv)\.conv2\.', '.wide.inner.far_squeeze.'),
        (r'\.(GA12|L_Conv)\.conv_squeeze\.', '.wide.inner.choose.'),
        (r'\.(GA12|L_Conv)\.conv\.', '.wide.inner.widen.'),
        (r'\.(GA12|L_Conv)\.proj_2\.', '.wide.inner.leave.'),
        (r'\.(GA3|D_GA)\.attn\.', '.wide.inner.0.'),
        (r'\.(GA3|D_GA)\.norm\.', '.wide.inner.1.'),
        (r'\.GA4?\.', '.wide.'),
        (r'^(stages\.\d+)\.conv\.', r'\1.expand.'),
        (r'^(stages\.\d+)\.conv_c\.', r'\1.conv.0.'),
        (r'^(stages\.\d+)\.(batch_)?norm_c\.', r'\1.conv_norm.'),
        (r'^(stages\.\d+)\.(batch_)?norm_m\.', r'\1.pool_norm.'),
        (r'^avgpool_pre_head\.1\.', 'pre_head.0.'),
        (r'^norm0\.', 'norms.0.'),
        (r'^norm2\.', 'norms.1.'),
        (r'^norm4\.', 'norms.2.'),
        (r'^norm6\.', 'norms.3.'),
    )
)


def our_key(key: str) -> str:
    """Map a state-dict key of the authors, of either version, to ours."""
    for theirs, ours in RENAMED:
        key = theirs.sub(ours, key)
    return key


def build_classifier(
    variant: LWGANetVariant, *, classes: int, bands: int = 3, first_version: bool = False
) -> nn.Module:
    """Build the classifier of a variant."""
    return LWGANetClassifier(variant, classes=classes, bands=bands, first_version=first_version)


def build_backbone(
    variant: LWGANetVariant, *, classes: int = 0, bands: int = 3, first_version: bool = False
) -> nn.Module:
    """Build the backbone of a variant; it has no classes."""
    del classes
    return LWGANetBackbone(variant, bands=bands, first_version=first_version)


def entries(*, first_version: bool) -> dict[str, NetworkEntry]:
    """List the classifier and the backbone of each variant."""
    suffix = '_v1' if first_version else ''
    table = {}
    tasks: tuple[tuple[str, Task, Callable[..., nn.Module]], ...] = (
        ('', 'scene', build_classifier),
        ('_backbone', 'backbone', build_backbone),
    )
    for variant_name, variant in VARIANTS.items():
        for kind, task, build in tasks:
            name = f'lwganet_{variant_name}{suffix}{kind}'
            table[name] = NetworkEntry(
                name=name,
                task=task,
                build=partial(build, variant, first_version=first_version),
                published=PublishedFigures(
                    parameters=None,
                    macs=None,
                    input_size=(224, 224),
                    classes=1000,
                    difference='the authors give figures as images only; their program counts '
                    '0.1 % more multiply-accumulates, zeros around sheared maps',
                ),
                licence=LICENCE,
                source=SOURCE,
                input_rule=SIZES,
                our_key=our_key,
                default_classes=1000,
            )
    return table


NETWORKS: dict[str, NetworkEntry] = entries(first_version=False) | entries(first_version=True)
