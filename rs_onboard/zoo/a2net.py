# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Change detection: A2Net on a multi-level LWGANet."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo import lwganet
from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 64
BRANCH_WIDTH = 32
FIRST_SCALE = 2  # log2 of the stride of the finest level
DILATIONS = (7, 5, 3, 1)
SIZES = InputRule(
    multiple=32,
    minimum=96,
    note='Masks are enlarged from stride 32. The published program takes squares alone.',
)
SOURCE = 'Li et al., A2Net, IEEE TGRS 2023; backbone: '


def conv_bn(cin: int, cout: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Build a convolution with bias and batch normalisation that keeps the size."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, padding=padding, dilation=dilation), nn.BatchNorm2d(cout)
    )


def conv_bn_relu(cin: int, cout: int, kernel: int = 3) -> nn.Sequential:
    """Build a convolution with bias, batch normalisation and ReLU."""
    return conv_bn(cin, cout, kernel).append(nn.ReLU())


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Resize (N, C, H, W) to (N, C, factor * H, factor * W), bilinear."""
    return functional.interpolate(
        x, scale_factor=float(factor), mode='bilinear', align_corners=False
    )


class ScaleAggregation(nn.Module):
    """One backbone level joined with its finer and coarser neighbours.

    Maps (N, C, 2H, 2W), (N, C', H, W) and (N, C'', H/2, W/2) to (N, 64, H, W); the first and the
    last level lack a neighbour.

    Args:
        finer: Channels of the finer level or None.
        same: Channels of the level itself.
        coarser: Channels of the coarser level or None.
    """

    def __init__(self, finer: int | None, same: int, coarser: int | None) -> None:
        super().__init__()
        branches = 1 + (finer is not None) + (coarser is not None)
        self.finer = None if finer is None else conv_bn_relu(finer, BRANCH_WIDTH)
        self.same = conv_bn_relu(same, BRANCH_WIDTH)
        self.coarser = None if coarser is None else conv_bn_relu(coarser, BRANCH_WIDTH)
        self.fuse = nn.Sequential(
            *conv_bn_relu(branches * BRANCH_WIDTH, WIDTH), *conv_bn(WIDTH, WIDTH)
        )
        self.identity = nn.Conv2d(same, WIDTH, 1)

    def forward(self, finer: Tensor | None, same: Tensor, coarser: Tensor | None) -> Tensor:
        """Bring the neighbours to the size of `same` and join them."""
        branches = [self.same(same)]
        if self.finer is not None and finer is not None:
            branches.insert(0, self.finer(functional.max_pool2d(finer, 2)))
        if self.coarser is not None and coarser is not None:
            branches.append(enlarge(self.coarser(coarser), 2))
        return functional.relu(self.fuse(torch.cat(branches, 1)) + self.identity(same))


class TemporalFusion(nn.Module):
    """The difference of two dates seen at four shrinking ranges: (N, 64, H, W) to same."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges = nn.ModuleList(conv_bn(WIDTH, WIDTH, 3, dilation) for dilation in DILATIONS)
        self.shortcuts = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 1) for _ in DILATIONS)

    def forward(self, difference: Tensor) -> Tensor:
        """Refine the absolute difference of a level."""
        x = difference
        for convolve, shortcut in zip(self.ranges, self.shortcuts, strict=True):
            x = functional.relu(shortcut(difference) + convolve(x))
        return x


class SupervisedAttention(nn.Module):
    """Emphasise a map by its own change logits.

    (N, 64, H, W) to the same shape and logits (N, 1, H, W).
    """

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Conv2d(WIDTH, 1, 1)
        self.context = conv_bn_relu(2, WIDTH, 1)
        self.refine = conv_bn_relu(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Refine `x` and classify it."""
        logit = self.classify(x)
        changed = logit.sigmoid()
        return self.refine(x * self.context(torch.cat((changed, 1 - changed), 1))), logit


class Decoder(nn.Module):
    """Change maps of four levels to change logits at each, the finest first."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.ModuleList(SupervisedAttention() for _ in range(3))
        self.join = nn.ModuleList(conv_bn_relu(WIDTH, WIDTH) for _ in range(3))
        self.classify = nn.Conv2d(WIDTH, 1, 1)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Compute logits (N, 1, H, W) at strides 4, 8, 16 and 32 from (N, 64, H, W) maps."""
        logits: list[Tensor] = []
        x = levels[3]
        for level in (2, 1, 0):
            x, logit = self.attend[level](x)
            logits.insert(0, logit)
            x = self.join[level](levels[level] + enlarge(x, 2))
        return [self.classify(x), *logits]


class A2Net(nn.Module):
    """Change detection; two dates (N, bands, H, W) to logits (N, 2, H, W), class 1 is change.

    The logit of class 0 is zero, so that the softmax of both is the authors' sigmoid of one. The
    order of the dates has no effect. 2.91 M (L0) and 14.31 M (L2) parameters.
    """

    def __init__(self, backbone: lwganet.LWGANetBackbone) -> None:
        super().__init__()
        self.backbone = backbone
        channels = (None, *backbone.channels, None)
        self.aggregation = nn.ModuleList(
            ScaleAggregation(channels[i - 1], backbone.channels[i - 1], channels[i + 1])
            for i in range(1, 5)
        )
        self.fusion = nn.ModuleList(TemporalFusion() for _ in range(4))
        self.decoder = Decoder()

    def aggregate(self, before: Tensor, after: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Compute both dates' maps (N, 64, H_i, W_i) at strides 4, 8, 16 and 32."""
        if not torch.jit.is_tracing():
            SIZES.check('a2net', *before.shape[2:])
        levels = (None, *self.backbone(torch.cat((before, after))), None)
        dates = [join(*levels[i : i + 3]) for i, join in enumerate(self.aggregation)]
        first = before.shape[0]
        return [x[:first] for x in dates], [x[first:] for x in dates]

    def change_logits(self, before: Tensor, after: Tensor) -> list[Tensor]:
        """Compute the authors' four change logits (N, 1, H, W) at full size, the best first.

        The later ones are side outputs for training.
        """
        return self.full_size(self.decoder(self.fuse(*self.aggregate(before, after))))

    def fuse(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
        """Compute the change maps of the four levels."""
        levels = zip(self.fusion, first, second, strict=True)
        return [fusion((a - b).abs()) for fusion, a, b in levels]

    @staticmethod
    def full_size(logits: Sequence[Tensor]) -> list[Tensor]:
        """Enlarge the logits of the four levels to the size of the images."""
        return [enlarge(logit, 1 << (FIRST_SCALE + i)) for i, logit in enumerate(logits)]

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Compute the logits."""
        logit = self.change_logits(before, after)[0]
        return torch.cat((torch.zeros_like(logit), logit), 1)

    def named_outputs(self, before: Tensor, after: Tensor) -> dict[str, Tensor]:
        """Show every step, each with the stride's exponent in its name, and the masks."""
        first, second = self.aggregate(before, after)
        fused = self.fuse(first, second)
        logits = self.decoder(fused)
        named = {}
        for i, mask in enumerate(self.full_size(logits)):
            scale = FIRST_SCALE + i
            named[f'aggregate_first_p{scale}'] = first[i]
            named[f'fusion_c{scale}'] = fused[i]
            named[f'logit_p{scale}'] = logits[i]
            named[f'mask_p{scale}'] = mask.sigmoid()
        return named


def level_of(scale: str) -> int:
    """Index of the level that the authors number by the exponent of its stride."""
    return int(scale) - FIRST_SCALE


def aggregation_key(match: re.Match[str]) -> str:
    """Rename a branch: finer levels start with a pool, which takes the place of the convolution."""
    target, source = level_of(match[1]), level_of(match[2])
    branch = ('finer', 'same', 'coarser')[source - target + 1]
    return f'aggregation.{target}.{branch}.{int(match[3]) - (source < target)}.'


RENAMED = (
    (r'^swa\.conv_scale(\d)_c(\d)\.(\d)\.', aggregation_key),
    (
        r'^swa\.conv_aggregation_s(\d)\.conv_(fuse|identity)\.',
        lambda match: f'aggregation.{level_of(match[1])}.{match[2]}.',
    ),
    (r'^tfm\.tffm_x(\d)\.', lambda match: f'fusion.{level_of(match[1])}.'),
    (r'\.conv_branch1\.', lambda _: '.ranges.0.'),
    (r'\.conv_branch(\d)_f\.', lambda match: f'.ranges.{int(match[1]) - 1}.'),
    (r'\.conv_branch(\d)\.', lambda match: f'.shortcuts.{int(match[1]) - 2}.'),
    (r'^decoder\.sam_p(\d)\.', lambda match: f'decoder.attend.{level_of(match[1]) - 1}.'),
    (r'^decoder\.conv_p(\d)\.', lambda match: f'decoder.join.{level_of(match[1])}.'),
    (r'\.cls\.', lambda _: '.classify.'),
    (r'\.conv_context\.', lambda _: '.context.'),
    (r'\.conv2\.', lambda _: '.refine.'),
)


def our_key(key: str) -> str:
    """Map a state-dict key of the authors to ours."""
    part, _, rest = key.partition('.')
    if part == 'backbone':
        return f'backbone.{lwganet.our_key(rest)}'
    for theirs, ours in RENAMED:
        key = re.sub(theirs, ours, key)
    return key


def build(variant: lwganet.LWGANetVariant, *, classes: int = 2, bands: int = 3) -> nn.Module:
    """Build A2Net on a variant of LWGANet; its classes are always change and no change."""
    del classes
    return A2Net(lwganet.LWGANetBackbone(variant, bands=bands))


NETWORKS: dict[str, NetworkEntry] = {
    f'a2net_lwganet_{name}': NetworkEntry(
        name=f'a2net_lwganet_{name}',
        task='change',
        build=partial(build, variant),
        published=PublishedFigures(
            parameters=None,
            macs=None,
            input_size=(256, 256),
            classes=2,
            difference='no figures published',
        ),
        licence=lwganet.LICENCE,
        source=SOURCE + lwganet.SOURCE,
        inputs=2,
        input_rule=SIZES,
        our_key=our_key,
    )
    for name, variant in lwganet.VARIANTS.items()
}
