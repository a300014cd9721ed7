# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""DecoupleNet D0, D1 and D2: image classifier and multi-level backbone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.blocks import (
    BlurPool,
    DropPath,
    GlobalAttention,
    named_levels,
    normalised,
    resize_nearest,
)
from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures

PAPER = (
    'Lu et al., DecoupleNet: A Lightweight Backbone Network With Efficient Feature Decoupling for '
    'Remote Sensing Visual Tasks, IEEE TGRS 2024'
)
DEPTHS = (1, 6, 6, 2)
GATE_KERNEL = 9
HEAD_CHANNELS = 1280
INPUT_RULE = InputRule(
    multiple=32,
    minimum=64,
    slack=3,
    note='The network halves the size five times and its two downsampling branches agree on even '
    'sizes alone; up to 3 pixels beyond a multiple of 32 are dropped by the first layer.',
)


def conv(cin: int, cout: int, kernel: int, *, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """Build a convolution that keeps the size."""
    return nn.Conv2d(cin, cout, kernel, padding=kernel // 2, groups=groups, bias=bias)


class MediumRangeAttention(nn.Module):
    """Value path times a gate that looks along rows and columns at half size (MRLA).

    Input and output [N, C, H, W].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        long, pad = GATE_KERNEL, GATE_KERNEL // 2
        self.primary = nn.Sequential(conv(channels, half, 1), nn.BatchNorm2d(half))
        self.cheap = nn.Sequential(conv(half, half, 3, groups=half), nn.BatchNorm2d(half))
        self.gate_in = nn.Sequential(conv(channels, channels, 1), nn.BatchNorm2d(channels))
        self.gate_rows = nn.Conv2d(
            channels, channels, (long, 1), padding=(pad, 0), groups=channels, bias=False
        )
        self.gate_columns = nn.Conv2d(
            channels, channels, (1, long), padding=(0, pad), groups=channels, bias=False
        )
        self.gate_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the values of `x` with its gate."""
        gate = self.gate_in(functional.avg_pool2d(x, 2))
        gate = self.gate_norm(self.gate_rows(gate) + self.gate_columns(gate)).sigmoid()
        first = functional.gelu(self.primary(x))
        value = torch.cat((first, functional.gelu(self.cheap(first))), dim=1)
        return value * resize_nearest(gate, x.shape[-2:])


class FeatureMixer(nn.Module):
    """Split the channels over a local, a medium-range and a global (or idle) branch (MBFD).

    Input and output [N, C, H, W]; branches take C/4, C/4 and C/2 channels.
    """

    def __init__(self, channels: int, *, attend: bool) -> None:
        super().__init__()
        quarter = channels // 4
        self.split = (quarter, quarter, channels - 2 * quarter)
        self.local = conv(quarter, quarter, 3)
        self.medium = MediumRangeAttention(quarter)
        self.attention = GlobalAttention(self.split[2]) if attend else None
        self.norm = nn.BatchNorm2d(self.split[2]) if attend else None

    def forward(self, x: Tensor) -> Tensor:
        """Run the branches and join them in order."""
        near, middle, far = x.split(self.split, dim=1)
        if self.attention is not None and self.norm is not None:
            far = self.norm(far + self.attention(far))
        return torch.cat((self.local(near), self.medium(middle), far), dim=1)


class Block(nn.Module):
    """Feature mixer, then a two-layer perceptron, with the block's input as shortcut.

    Input and output [N, C, H, W].
    """

    def __init__(self, channels: int, *, attend: bool, drop_path: float) -> None:
        super().__init__()
        self.mix = FeatureMixer(channels, attend=attend)
        self.mlp = nn.Sequential(
            conv(channels, 2 * channels, 1),
            nn.BatchNorm2d(2 * channels),
            nn.GELU(),
            conv(2 * channels, channels, 1),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Add the transformed features to `x`."""
        out: Tensor = x + self.drop_path(self.mlp(self.mix(x)))
        return out


class Downsampling(nn.Module):
    """Halve the size and double the channels over a convolution and a pooling branch (FID).

    Input [N, C, H, W], output [N, 2C, H/2, W/2]; H and W even.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        part = wide // 8
        self.split = (part, wide // 2 - part, part, wide // 2 - part)
        self.expand = conv(channels, wide, 3, groups=channels, bias=True)
        self.partial = conv(2 * part, 2 * part, 3)
        self.conv = nn.Conv2d(wide, wide, 3, stride=2, padding=1, groups=wide)
        self.conv_norm = nn.BatchNorm2d(wide)
        self.blur = BlurPool(wide, stride=2)
        self.pool_norm = nn.BatchNorm2d(wide)
        self.fusion = conv(2 * wide, wide, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Expand, mix a quarter of the channels, and join both ways of halving."""
        first, second, third, fourth = self.expand(x).split(self.split, dim=1)
        mixed = self.partial(torch.cat((first, third), dim=1))
        x = torch.cat((mixed, second, fourth), dim=1)
        pooled = self.pool_norm(self.blur(functional.max_pool2d(x, 2, stride=1)))
        convolved = self.conv_norm(functional.gelu(self.conv(x)))
        out: Tensor = self.fusion(torch.cat((convolved, pooled), dim=1))
        return out


class Stage(nn.Module):
    """Blocks at one resolution. Input and output [N, C, H, W]."""

    def __init__(self, channels: int, *, attend: bool, drop_paths: list[float]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(Block(channels, attend=attend, drop_path=rate) for rate in drop_paths)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run the blocks in order."""
        out: Tensor = self.blocks(x)
        return out


class DecoupleNet(nn.Module):
    """Body that the classifier and the backbone share; see `PAPER`.

    Args:
        embed: Channels of the first stage: 32 (D0), 48 (D1) or 64 (D2); the later stages have 2, 4
            and 8 times as many.
        bands: Input bands.
        drop_path: Drop rate of the last block's residual branch; it grows linearly from 0.
    """

    def __init__(self, embed: int, *, bands: int, drop_path: float) -> None:
        super().__init__()
        self.channels = tuple(embed * 2**i for i in range(4))
        self.patch_embed = nn.Sequential(
            nn.Conv2d(bands, embed, 4, stride=4, bias=False), nn.BatchNorm2d(embed)
        )
        rates = [drop_path * i / (sum(DEPTHS) - 1) for i in range(sum(DEPTHS))]
        stages: list[nn.Module] = []
        for index, (width, depth) in enumerate(zip(self.channels, DEPTHS, strict=True)):
            if index:
                stages.append(Downsampling(width // 2))
            start = sum(DEPTHS[:index])
            stages.append(Stage(width, attend=index == 3, drop_paths=rates[start : start + depth]))
        self.stages = nn.ModuleList(stages)

    def levels(self, images: Tensor) -> list[Tensor]:
        """Compute the four stage outputs, strides 4 to 32, of `images` [N, bands, H, W]."""
        if not torch.jit.is_tracing():
            INPUT_RULE.check('decouplenet', *images.shape[-2:])
        x = self.patch_embed(images)
        outputs = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index % 2 == 0:
                outputs.append(x)
        return outputs


def initialise(network: nn.Module) -> None:
    """Set the authors' starting weights: truncated normal of std 0.02, biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class DecoupleNetClassifier(DecoupleNet):
    """Scene classifier: images [N, bands, H, W] to logits [N, classes].

    1.96 M (D0), 4.06 M (D1) and 6.93 M (D2) parameters with 45 classes.
    """

    def __init__(self, embed: int, *, classes: int, bands: int = 3, drop_path: float = 0.1) -> None:
        super().__init__(embed, bands=bands, drop_path=drop_path)
        self.pre_head = conv(self.channels[-1], HEAD_CHANNELS, 1)
        self.head = nn.Linear(HEAD_CHANNELS, classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Classify whole images."""
        pooled = self.levels(images)[-1].mean(dim=(2, 3), keepdim=True)
        logits: Tensor = self.head(functional.gelu(self.pre_head(pooled)).flatten(1))
        return logits

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show the logits."""
        return {'logits': self(images)}


class DecoupleNetBackbone(DecoupleNet):
    """Multi-level features: images [N, bands, H, W] to four tensors at strides 4, 8, 16, 32.

    Each level passes its own batch norm; the next stage takes the tensor before it.
    """

    def __init__(self, embed: int, *, bands: int = 3, drop_path: float = 0.1) -> None:
        super().__init__(embed, bands=bands, drop_path=drop_path)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in self.channels)
        initialise(self)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the normalised stage outputs."""
        return normalised(self.norms, self.levels(images))

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show the stage outputs before and after their norms."""
        return named_levels(self.norms, self.levels(images))


RENAMED = (
    ('patch_embed.proj.', 'patch_embed.0.'),
    ('patch_embed.norm.', 'patch_embed.1.'),
    ('.MBFD.Conv.', '.mix.local.'),
    ('.MBFD.MRLA.primary_conv.', '.mix.medium.primary.'),
    ('.MBFD.MRLA.cheap_operation.', '.mix.medium.cheap.'),
    ('.MBFD.MRLA.init.', '.mix.medium.gate_in.'),
    ('.MBFD.MRLA.H_att.', '.mix.medium.gate_rows.'),
    ('.MBFD.MRLA.V_att.', '.mix.medium.gate_columns.'),
    ('.MBFD.MRLA.batchnorm.', '.mix.medium.gate_norm.'),
    ('.MBFD.GA.', '.mix.attention.'),
    ('.MBFD.norm.', '.mix.norm.'),
    ('.Gconv.', '.expand.'),
    ('.pii.conv.', '.partial.'),
    ('.conv_D.', '.conv.'),
    ('.batch_norm_c.', '.conv_norm.'),
    ('.batch_norm_m.', '.pool_norm.'),
    ('.max_m2.filt', '.blur.filt'),
    ('avgpool_pre_head.1.', 'pre_head.'),
    ('norm0.', 'norms.0.'),
    ('norm2.', 'norms.1.'),
    ('norm4.', 'norms.2.'),
    ('norm6.', 'norms.3.'),
)


def our_key(key: str) -> str:
    """Map a state-dict key of the authors to ours."""
    for theirs, ours in RENAMED:
        if theirs.startswith('.'):
            key = key.replace(theirs, ours)
        elif key.startswith(theirs):
            key = ours + key[len(theirs) :]
    return key


@dataclass(frozen=True)
class Variant:
    """Sizes and published figures of D0, D1 or D2.

    Attributes:
        embed: Channels of the first stage.
        drop_path: Drop rate in classification training.
        parameters: Published parameters, millions, 45 classes.
        macs: Published multiply-accumulates, 1e9, 224 x 224.
    """

    embed: int
    drop_path: float
    parameters: float
    macs: float


VARIANTS = {
    'd0': Variant(32, 0.1, 1.96, 0.285),
    'd1': Variant(48, 0.15, 4.06, 0.630),
    'd2': Variant(64, 0.2, 6.93, 1.110),
}


def build_classifier(variant: Variant, *, classes: int, bands: int = 3) -> nn.Module:
    """Build the classifier of a variant."""
    return DecoupleNetClassifier(
        variant.embed, classes=classes, bands=bands, drop_path=variant.drop_path
    )


def build_backbone(variant: Variant, *, classes: int = 0, bands: int = 3) -> nn.Module:
    """Build the backbone of a variant; it has no classes."""
    del classes
    return DecoupleNetBackbone(variant.embed, bands=bands, drop_path=variant.drop_path)


def entries() -> dict[str, NetworkEntry]:
    """List the classifier and the backbone of each variant."""
    table = {}
    for name, variant in VARIANTS.items():
        table[f'decouplenet_{name}'] = NetworkEntry(
            name=f'decouplenet_{name}',
            task='scene',
            build=partial(build_classifier, variant),
            published=PublishedFigures(
                parameters=variant.parameters,
                macs=variant.macs,
                input_size=(224, 224),
                classes=45,
                difference='the authors also count norms, activations and pooling',
            ),
            licence='MIT',
            source=PAPER,
            input_rule=INPUT_RULE,
            our_key=our_key,
            default_classes=45,
        )
        table[f'decouplenet_{name}_backbone'] = NetworkEntry(
            name=f'decouplenet_{name}_backbone',
            task='backbone',
            build=partial(build_backbone, variant),
            published=PublishedFigures(
                parameters=None, macs=None, input_size=(224, 224), classes=0
            ),
            licence='MIT',
            source=PAPER,
            input_rule=INPUT_RULE,
            our_key=our_key,
        )
    return table


NETWORKS: dict[str, NetworkEntry] = entries()
