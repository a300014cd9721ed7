# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Change detection: CLAFA (cross-level attentive feature aggregation) on a multi-level LWGANet."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo import lwganet
from rs_onboard.zoo.clafa_layers import WIDTH, AdaptiveNorm, Enlargement, VerticalFusion
from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures
from rs_onboard.zoo.sampling import DeformableConv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_SCALE = 2  # log2 of the stride of the finest level
DEFORMABLE_GROUPS = 4
SAMPLING_POINTS = (16, 8, 4)  # of the fusions to strides 4, 8 and 16
HEAD_WIDTH = WIDTH // 4
DROPOUT = 0.1
SIDE_SIZE = (256, 256)  # the published program's side outputs, whatever the input
SIZES = InputRule(
    multiple=32,
    minimum=96,
    note='Levels at strides 4 to 32 are doubled to meet. The authors take squares alone.',
)
SOURCE = 'CLAFA (cross-level attentive feature aggregation); backbone: '


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, H, W) to (N, C, *size), bilinear."""
    return functional.interpolate(x, size=size, mode='bilinear', align_corners=False)


class Pyramid(nn.Module):
    """Backbone levels to 128 channels each, every level normalised by the next coarser one.

    Four maps (N, C_i, H_i, W_i) to four maps (N, 128, H_i, W_i).
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            DeformableConv(cin, WIDTH, DEFORMABLE_GROUPS) for cin in channels
        )
        self.norm = nn.BatchNorm2d(WIDTH)
        self.adapt = nn.ModuleList(AdaptiveNorm() for _ in channels[1:])
        self.smooth = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in channels)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Compute the pyramid from the finest to the coarsest level."""
        x = functional.relu(self.norm(self.lateral[3](levels[3])))
        merged = [x]
        for level in (2, 1, 0):
            size = (levels[level].shape[2], levels[level].shape[3])
            x = self.adapt[level](self.lateral[level](levels[level]), resize(x, size))
            merged.insert(0, x)
        return [smooth(x) for smooth, x in zip(self.smooth, merged, strict=True)]


class Head(nn.Module):
    """Fused map at stride 4 to logits at full size: (N, 128, H, W) to (N, classes, 4H, 4W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.up = nn.Sequential(Enlargement(WIDTH), Enlargement(WIDTH // 2))
        self.smooth = nn.Sequential(
            nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, padding=1), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.final = nn.Conv2d(HEAD_WIDTH, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Classify every pixel."""
        logits: Tensor = self.final(self.smooth(self.up(x)))
        return logits


class CLAFA(nn.Module):
    """Change detection; two dates (N, bands, H, W) to logits (N, classes, H, W), class 1 is change.

    The order of the dates has no effect. 5.17 M (L0) and 18.17 M (L2) parameters; the authors hold
    another 0.53 M and 1.47 M that never run.
    """

    def __init__(self, backbone: lwganet.LWGANetBackbone, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = Pyramid(backbone.channels)
        self.fusion = nn.ModuleList(VerticalFusion(points) for points in SAMPLING_POINTS)
        self.head = Head(classes)
        self.side = nn.ModuleList(nn.Conv2d(WIDTH, classes, 1) for _ in backbone.channels)

    def pyramids(self, before: Tensor, after: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Compute both dates' maps (N, 128, H_i, W_i) at strides 4, 8, 16 and 32."""
        if not torch.jit.is_tracing():
            SIZES.check('clafa', *before.shape[2:])
        dates = self.pyramid(self.backbone(torch.cat((before, after))))
        first = before.shape[0]
        return [x[:first] for x in dates], [x[first:] for x in dates]

    def fuse(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
        """Compute the change maps of the four levels, every coarser one handed down."""
        differences = [(a - b).abs() for a, b in zip(first, second, strict=True)]
        fused = [differences[3]]
        for level in (2, 1, 0):
            fused.insert(0, self.fusion[level](fused[0], differences[level]))
        return fused

    def side_logits(self, fused: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Classify the change maps of every level and resize to `size`, the finest level first."""
        return [resize(side(x), size) for side, x in zip(self.side, fused, strict=True)]

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Compute the logits."""
        logits: Tensor = self.head(self.fuse(*self.pyramids(before, after))[0])
        return logits

    def forward_with_auxiliary(self, before: Tensor, after: Tensor) -> list[Tensor]:
        """Compute the logits and, for further loss terms, those of each level at full size."""
        fused = self.fuse(*self.pyramids(before, after))
        size = (before.shape[2], before.shape[3])
        return [self.head(fused[0]), *self.side_logits(fused, size)]

    def named_outputs(self, before: Tensor, after: Tensor) -> dict[str, Tensor]:
        """Show the first date's pyramid, the fused maps, the side logits (`p2`..), the result."""
        first, second = self.pyramids(before, after)
        fused = self.fuse(first, second)
        side = self.side_logits(fused, SIDE_SIZE)
        named = {'result': self.head(fused[0])}
        for i in range(len(fused)):
            scale = FIRST_SCALE + i
            named[f'pyramid_first_p{scale}'] = first[i]
            named[f'fused_f{scale}'] = fused[i]
            named[f'p{scale}'] = side[i]
        return named


def level_of(scale: str) -> int:
    """Index of the level that the authors number by the exponent of its stride."""
    return int(scale) - FIRST_SCALE


UNUSED = re.compile(r'^project\.|^fpn\.p\d\.conv_offset\.|^fpn\.p\d_beta\.conv\.bias$')
RENAMED: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r'^fpn\.p5_bn\.', lambda _: 'pyramid.norm.'),
    (r'^fpn\.p(\d)_bn\.', lambda match: f'pyramid.adapt.{level_of(match[1])}.norm.'),
    (r'^fpn\.p(\d)_Gamma\.fc\.', lambda match: f'pyramid.adapt.{level_of(match[1])}.gamma.'),
    (r'^fpn\.p(\d)_beta\.stem\.', lambda match: f'pyramid.adapt.{level_of(match[1])}.beta.'),
    (r'^fpn\.p(\d)_beta\.conv\.', lambda match: f'pyramid.adapt.{level_of(match[1])}.beta.2.'),
    (r'^fpn\.p(\d)_smooth\.', lambda match: f'pyramid.smooth.{level_of(match[1])}.'),
    (r'^fpn\.p(\d)\.', lambda match: f'pyramid.lateral.{level_of(match[1])}.'),
    (r'\.pyconv_levels\.', lambda _: '.branches.'),
    (r'^p\d_to_p(\d)\.', lambda match: f'fusion.{level_of(match[1])}.'),
    (r'\.pos\.', lambda _: '.position.'),
    (r'\.crossattn\.', lambda _: '.attention.'),
    (r'\.convs\.0\.block\.', lambda _: '.kernels.0.'),
    (r'\.enc\.block\.', lambda _: '.kernels.1.'),
    (r'^(head\.up\.\d)\.residual_up\.', lambda match: f'{match[1]}.residual.'),
    (r'^(head\.up\.\d)\.gate\.conv2d\.', lambda match: f'{match[1]}.content.'),
    (r'^(head\.up\.\d)\.gate\.mask_conv2d\.', lambda match: f'{match[1]}.gate.'),
    (r'^(head\.up\.\d)\.up\.1\.', lambda match: f'{match[1]}.direct.'),
    (r'^p(\d)_head\.', lambda match: f'side.{level_of(match[1])}.'),
)


def our_key(key: str) -> str | None:
    """Map a state-dict key of the authors to ours, or to None for layers that never run."""
    part, _, rest = key.partition('.')
    if part == 'backbone':
        return f'backbone.{lwganet.our_key(rest)}'
    if UNUSED.match(key):
        return None
    for theirs, ours in RENAMED:
        key = re.sub(theirs, ours, key)
    return key


def is_optional(key: str) -> bool:
    """Tell whether `key` of ours belongs to a side output, which training alone looks at."""
    return key.startswith('side.')


def build(variant: lwganet.LWGANetVariant, *, classes: int = 2, bands: int = 3) -> nn.Module:
    """Build CLAFA on a variant of LWGANet."""
    return CLAFA(lwganet.LWGANetBackbone(variant, bands=bands), classes)


NETWORKS: dict[str, NetworkEntry] = {
    f'clafa_lwganet_{name}': NetworkEntry(
        name=f'clafa_lwganet_{name}',
        task='change',
        build=partial(build, variant),
        published=PublishedFigures(
            parameters=None,
            macs=None,
            input_size=(256, 256),
            classes=2,
            difference='no figures published; ours leave out layers that never run',
        ),
        licence=lwganet.LICENCE,
        source=SOURCE + lwganet.SOURCE,
        inputs=2,
        input_rule=SIZES,
        our_key=our_key,
        optional_key=is_optional,
    )
    for name, variant in lwganet.VARIANTS.items()
}
