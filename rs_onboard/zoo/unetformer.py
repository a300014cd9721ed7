# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation: the UNetFormer decoder on a multi-level LWGANet or DecoupleNet."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo import decouplenet, lwganet
from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH = 64
HEADS = 8
WINDOW = 8
CHANNEL_GATE_WIDTH = 4
MLP_RATIO = 4
DROPOUT = 0.1
FUSION_FLOOR = 1e-8
SIZES = InputRule(
    multiple=32,
    minimum=160,
    note='Windows of 8x8 at stride 32 are filled by reflection, which needs five rows there.',
)
SOURCE = 'Wang et al., UNetFormer, ISPRS 2022; backbone: '


def conv(cin: int, cout: int, kernel: int) -> nn.Conv2d:
    """Build a convolution without bias that keeps the size."""
    return nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False)


def conv_bn(cin: int, cout: int, kernel: int) -> nn.Sequential:
    """Build a convolution with batch normalisation."""
    return nn.Sequential(conv(cin, cout, kernel), nn.BatchNorm2d(cout))


def conv_bn_relu(cin: int, cout: int, kernel: int) -> nn.Sequential:
    """Build a convolution with batch normalisation and ReLU6."""
    return nn.Sequential(conv(cin, cout, kernel), nn.BatchNorm2d(cout), nn.ReLU6())


def separable_conv_bn(channels: int, kernel: int) -> nn.Sequential:
    """Build a depthwise convolution, batch normalisation and a pointwise convolution.

    An odd kernel keeps the size, an even one takes one row and column away.
    """
    return nn.Sequential(
        nn.Conv2d(
            channels, channels, kernel, padding=(kernel - 1) // 2, groups=channels, bias=False
        ),
        nn.BatchNorm2d(channels),
        conv(channels, channels, 1),
    )


def enlarge(x: Tensor, factor: int, *, align_corners: bool = False) -> Tensor:
    """Resize (N, C, H, W) to (N, C, factor * H, factor * W), bilinear."""
    return functional.interpolate(
        x, scale_factor=float(factor), mode='bilinear', align_corners=align_corners
    )


def relative_positions() -> Tensor:
    """Row of the bias table for each pair of pixels of a window: (64, 64) int64, query first."""
    row, column = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing='ij')
    row, column = row.flatten(), column.flatten()
    down = row[:, None] - row + WINDOW - 1
    right = column[:, None] - column + WINDOW - 1
    return down * (2 * WINDOW - 1) + right


class GlobalLocalAttention(nn.Module):
    """Attention in windows, spread along rows and columns, beside two plain convolutions.

    (N, 64, H, W) to the same shape, at least 5x5; sides that are no multiple of 8 are filled by
    reflection.
    """

    pairs: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.qkv = conv(WIDTH, 3 * WIDTH, 1)
        self.local1 = conv_bn(WIDTH, WIDTH, 3)
        self.local2 = conv_bn(WIDTH, WIDTH, 1)
        self.proj = separable_conv_bn(WIDTH, WINDOW)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2, HEADS))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer('pairs', relative_positions().flatten(), persistent=False)

    def attend(self, x: Tensor) -> Tensor:
        """Let the pixels of each window attend to each other; sides are multiples of 8."""
        height, width = x.shape[2:]
        rows, columns = height // WINDOW, width // WINDOW
        tokens, each = WINDOW * WINDOW, WIDTH // HEADS
        qkv = self.qkv(x).reshape(-1, 3 * HEADS, each, rows, WINDOW, columns, WINDOW)
        qkv = qkv.permute(0, 3, 5, 1, 4, 6, 2).reshape(-1, 3 * HEADS, tokens, each)
        query, key, value = qkv.chunk(3, 1)
        bias = self.relative_position_bias_table.index_select(0, self.pairs)
        scores = (query * each**-0.5) @ key.transpose(2, 3)
        scores = scores + bias.view(tokens, tokens, HEADS).permute(2, 0, 1)
        mixed = (scores.softmax(3) @ value).reshape(-1, rows, columns, HEADS, WINDOW, WINDOW, each)
        return mixed.permute(0, 3, 6, 1, 4, 2, 5).reshape(-1, WIDTH, height, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x` over windows and neighbourhoods."""
        height, width = x.shape[2:]
        fill = (0, -width % WINDOW, 0, -height % WINDOW)
        mixed = self.attend(functional.pad(x, fill, mode='reflect'))[:, :, :height, :width]
        below = functional.pad(mixed, (0, 0, 0, 1), mode='reflect')
        right = functional.pad(mixed, (0, 1, 0, 0), mode='reflect')
        pad = WINDOW // 2 - 1
        spread = functional.avg_pool2d(below, (WINDOW, 1), 1, (pad, 0))
        spread = spread + functional.avg_pool2d(right, (1, WINDOW), 1, (0, pad))
        spread = spread + (self.local2(x) + self.local1(x))
        out: Tensor = self.proj(functional.pad(spread, (0, 1, 0, 1), mode='reflect'))
        return out


class Block(nn.Module):
    """Attention and a two-layer mix, each behind a batch norm and around a shortcut.

    (N, 64, H, W) to the same shape.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(WIDTH)
        self.attn = GlobalLocalAttention()
        self.norm2 = nn.BatchNorm2d(WIDTH)
        self.mlp = nn.Sequential(
            nn.Conv2d(WIDTH, MLP_RATIO * WIDTH, 1),
            nn.ReLU6(),
            nn.Conv2d(MLP_RATIO * WIDTH, WIDTH, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x`."""
        x = x + self.attn(self.norm1(x))
        refined: Tensor = x + self.mlp(self.norm2(x))
        return refined


class Fusion(nn.Module):
    """Join the decoder's map with a backbone level of twice its size by two learned weights.

    (N, 64, H, W) and (N, C, 2H, 2W) to (N, 64, 2H, 2W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(2))
        self.pre_conv = conv(channels, WIDTH, 1)
        self.post_conv = conv_bn_relu(WIDTH, WIDTH, 3)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Join `x` with `level`."""
        weights = self.weights.relu()
        weights = weights / (weights.sum() + FUSION_FLOOR)
        joined = weights[0] * self.pre_conv(level) + weights[1] * enlarge(x, 2)
        fused: Tensor = self.post_conv(joined)
        return fused


class Refinement(Fusion):
    """A fusion whose result is weighed by position and by channel: shapes as in `Fusion`."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.pa = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)
        self.ca = nn.Sequential(
            conv(WIDTH, CHANNEL_GATE_WIDTH, 1), nn.ReLU6(), conv(CHANNEL_GATE_WIDTH, WIDTH, 1)
        )
        self.shortcut = conv_bn(WIDTH, WIDTH, 1)
        self.proj = separable_conv_bn(WIDTH, 3)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Join `x` with `level` and refine the result."""
        y = super().forward(x, level)
        position = self.pa(y).sigmoid()
        channel = self.ca(y.mean((2, 3), keepdim=True)).sigmoid()
        refined = self.proj(position * y + channel * y) + self.shortcut(y)
        return functional.relu6(refined)


class AuxiliaryHead(nn.Module):
    """Coarse classifier that helps training: (N, 64, H, W) to (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(WIDTH, WIDTH, 3)
        self.dropout = nn.Dropout(DROPOUT)
        self.conv_out = conv(WIDTH, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Classify every pixel of `x`."""
        logits: Tensor = self.conv_out(self.dropout(self.conv(x)))
        return logits


class Decoder(nn.Module):
    """Four backbone levels, strides 4 to 32, to class logits at stride 4.

    Args:
        channels: Channels of the levels.
        classes: Number of classes.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.pre_conv = conv_bn(channels[3], WIDTH, 1)
        self.b4 = Block()
        self.p3 = Fusion(channels[2])
        self.b3 = Block()
        self.p2 = Fusion(channels[1])
        self.b2 = Block()
        self.p1 = Refinement(channels[0])
        self.segmentation_head = nn.Sequential(
            conv_bn_relu(WIDTH, WIDTH, 3), nn.Dropout(DROPOUT), conv(WIDTH, classes, 1)
        )
        self.aux_head = AuxiliaryHead(classes)

    def steps(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the (N, 64, H, W) maps at strides 32, 16, 8 and 4."""
        b4 = self.b4(self.pre_conv(levels[3]))
        b3 = self.b3(self.p3(b4, levels[2]))
        b2 = self.b2(self.p2(b3, levels[1]))
        return b4, b3, b2, self.p1(b2, levels[0])

    def auxiliary(self, b4: Tensor, b3: Tensor, b2: Tensor) -> Tensor:
        """Compute the logits at stride 8 that training adds to the loss."""
        coarse = enlarge(b4, 4, align_corners=True) + enlarge(b3, 2, align_corners=True) + b2
        logits: Tensor = self.aux_head(coarse)
        return logits


class UNetFormer(nn.Module):
    """Segmentation: images (N, bands, H, W) to logits (N, classes, H, W).

    12.58 M parameters on LWGANet L2 with 6 classes, 37 k of them in the auxiliary head.

    Args:
        backbone: Multi-level network with the attribute `channels`, strides 4, 8, 16, 32.
        classes: Number of classes.
    """

    def __init__(
        self, backbone: lwganet.LWGANetBackbone | decouplenet.DecoupleNetBackbone, classes: int
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.decoder = Decoder(backbone.channels, classes)

    def levels(self, images: Tensor) -> Sequence[Tensor]:
        """Compute the backbone's four maps."""
        if not torch.jit.is_tracing():
            SIZES.check('unetformer', *images.shape[2:])
        levels: Sequence[Tensor] = self.backbone(images)
        return levels

    def forward(self, images: Tensor) -> Tensor:
        """Classify every pixel."""
        steps = self.decoder.steps(self.levels(images))
        return self.full_size(self.decoder.segmentation_head(steps[-1]), images)

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits and, for a second loss term, the auxiliary ones, both at full size."""
        b4, b3, b2, p1 = self.decoder.steps(self.levels(images))
        logits = self.decoder.segmentation_head(p1)
        auxiliary = self.decoder.auxiliary(b4, b3, b2)
        return self.full_size(logits, images), self.full_size(auxiliary, images)

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show backbone levels (`feat0`..), decoder steps and logits."""
        levels = self.levels(images)
        steps = self.decoder.steps(levels)
        named = {f'feat{i}': level for i, level in enumerate(levels)}
        names = ('decoder_b4', 'decoder_b3', 'decoder_b2', 'decoder_p1')
        named |= dict(zip(names, steps, strict=True))
        logits = self.decoder.segmentation_head(steps[-1])
        return named | {'logits': self.full_size(logits, images)}

    @staticmethod
    def full_size(logits: Tensor, images: Tensor) -> Tensor:
        """Resize `logits` to the size of `images`."""
        size = (images.shape[2], images.shape[3])
        return functional.interpolate(logits, size=size, mode='bilinear', align_corners=False)


RENAMED = tuple(
    (re.compile(theirs), ours)
    for theirs, ours in (
        (r'\.(qkv|conv_out|pa)\.0\.', r'.\1.'),
        (r'\.(p[123])\.pre_conv\.0\.', r'.\1.pre_conv.'),
        (r'\.ca\.1\.0\.', '.ca.0.'),
        (r'\.ca\.3\.0\.', '.ca.2.'),
        (r'\.segmentation_head\.2\.0\.', '.segmentation_head.2.'),
        (r'\.mlp\.fc1\.', '.mlp.0.'),
        (r'\.mlp\.fc2\.', '.mlp.2.'),
    )
)


def our_key(key: str, *, backbone_key: Callable[[str], str]) -> str | None:
    """Map a state-dict key of the authors to ours; `backbone_key` does it for the backbone."""
    part, _, rest = key.partition('.')
    if part == 'backbone':
        return f'backbone.{backbone_key(rest)}'
    if key.endswith('.relative_position_index'):
        return None
    for theirs, ours in RENAMED:
        key = theirs.sub(ours, key)
    return key


def is_optional(key: str) -> bool:
    """Tell whether `key` of ours belongs to the auxiliary head, which training alone runs."""
    return key.startswith('decoder.aux_head.')


def build(
    backbone: Callable[..., lwganet.LWGANetBackbone | decouplenet.DecoupleNetBackbone],
    *,
    classes: int,
    bands: int = 3,
) -> nn.Module:
    """Build the segmentation network on a backbone."""
    return UNetFormer(backbone(bands=bands), classes)


def entry(
    name: str,
    backbone: Callable[..., lwganet.LWGANetBackbone | decouplenet.DecoupleNetBackbone],
    backbone_key: Callable[[str], str],
    source: str,
    published: tuple[float, float] | None = None,
) -> NetworkEntry:
    """Describe the segmentation network on one backbone.

    Args:
        name: Catalogue name.
        backbone: Builder of the backbone, takes `bands`.
        backbone_key: Maps the backbone's keys.
        source: Paper of the backbone.
        published: Parameters in millions and multiply-accumulates in 1e9, if there are any.
    """
    parameters, macs = published or (None, None)
    return NetworkEntry(
        name=name,
        task='segmentation',
        build=partial(build, backbone),
        published=PublishedFigures(
            parameters=parameters,
            macs=macs,
            input_size=(1024, 1024),
            classes=6,
            difference='the published count is 50.3 G where multiply-accumulates alone are 49.5 G'
            if published
            else 'no figures published',
        ),
        licence='GPL-3.0-only (LICENSE of the segmentation part)',
        source=SOURCE + source,
        input_rule=SIZES,
        our_key=partial(our_key, backbone_key=backbone_key),
        optional_key=is_optional,
        default_classes=7,
    )


NETWORKS: dict[str, NetworkEntry] = {
    f'lwganet_{name}_seg': entry(
        f'lwganet_{name}_seg',
        partial(lwganet.LWGANetBackbone, variant),
        lwganet.our_key,
        lwganet.SOURCE,
        (12.6, 50.3) if name == 'l2' else None,
    )
    for name, variant in lwganet.VARIANTS.items()
} | {
    f'decouplenet_{name}_seg': entry(
        f'decouplenet_{name}_seg',
        partial(decouplenet.DecoupleNetBackbone, figures.embed, drop_path=figures.drop_path),
        decouplenet.our_key,
        decouplenet.PAPER,
    )
    for name, figures in decouplenet.VARIANTS.items()
}
