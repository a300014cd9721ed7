# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""SegGhostNet: GhostNet encoder and decoder (UED), body/edge head (BES), spatial fusion (SFM)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.zoo.network import NetworkEntry, PublishedFigures

PAPER = (
    'SegGhostNet (UED, BES, SFM): lightweight segmentation of high-resolution aerial images, 2021'
)
HEAD_CHANNELS = 24
STEM_CHANNELS = 16
# Rows: kernel, expanded channels, output channels, squeeze-excite, stride.
ENCODER: tuple[tuple[tuple[int, int, int, bool, int], ...], ...] = (
    ((3, 16, 16, False, 1),),
    ((3, 48, 24, False, 2),),
    ((3, 72, 24, False, 1),),
    ((5, 72, 40, True, 2),),
    ((5, 120, 40, True, 1),),
    ((3, 240, 80, False, 2),),
    (
        (3, 200, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 480, 112, True, 1),
        (3, 672, 112, True, 1),
    ),
    ((5, 672, 160, True, 2),),
    (
        (5, 960, 160, False, 1),
        (5, 960, 160, True, 1),
        (5, 960, 160, False, 1),
        (5, 960, 160, True, 1),
    ),
)
TAPS = (2, 4, 6, 8)
UNUSED = ('base_network.blocks.9.', 'base_network.conv_head.', 'base_network.classifier.')


def resize(x: Tensor, like: Tensor, *, align_corners: bool) -> Tensor:
    """Interpolate `x` bilinearly to the height and width of `like`."""
    return functional.interpolate(
        x, size=like.shape[-2:], mode='bilinear', align_corners=align_corners
    )


def conv_norm(
    cin: int, cout: int, kernel: int = 3, *, stride: int = 1, bias: bool = False, relu: bool = True
) -> nn.Sequential:
    """Build convolution, batch norm and, if wanted, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(cin, cout, kernel, stride=stride, padding=kernel // 2, bias=bias),
        nn.BatchNorm2d(cout),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


def depthwise(channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Build a depthwise convolution without bias."""
    return nn.Conv2d(
        channels, channels, kernel, stride, padding=kernel // 2, groups=channels, bias=False
    )


class GhostModule(nn.Module):
    """Half of the channels by a 1 x 1 convolution, the other half by a cheap depthwise one of it.

    Input [N, cin, H, W], output [N, cout, H, W]; cout is even.
    """

    def __init__(self, cin: int, cout: int, *, relu: bool) -> None:
        super().__init__()
        half = cout // 2
        self.primary_conv = nn.Sequential(nn.Conv2d(cin, half, 1, bias=False), nn.BatchNorm2d(half))
        self.cheap_operation = nn.Sequential(depthwise(half, 3), nn.BatchNorm2d(half))
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Compute both halves."""
        first = self.relu(self.primary_conv(x))
        return torch.cat((first, self.relu(self.cheap_operation(first))), dim=1)


class SqueezeExcite(nn.Module):
    """Weigh the channels of [N, C, H, W] with a hard-sigmoid gate of their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels / 4
        hidden = max(4, int(quarter + 2) // 4 * 4)
        if hidden < 0.9 * quarter:
            hidden += 4
        self.conv_reduce = nn.Conv2d(channels, hidden, 1)
        self.conv_expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale `x`."""
        gate = self.conv_expand(functional.relu(self.conv_reduce(x.mean(dim=(2, 3), keepdim=True))))
        return x * functional.hardsigmoid(gate)


class GhostBottleneck(nn.Module):
    """Expand with a ghost module, optionally halve and weigh, project, add the shortcut.

    Input [N, cin, H, W], output [N, cout, ceil(H / stride), ceil(W / stride)].
    """

    def __init__(self, cin: int, row: tuple[int, int, int, bool, int]) -> None:
        super().__init__()
        kernel, expanded, cout, squeeze, stride = row
        self.ghost1 = GhostModule(cin, expanded, relu=True)
        self.conv_dw = depthwise(expanded, kernel, stride) if stride > 1 else nn.Identity()
        self.bn_dw = nn.BatchNorm2d(expanded) if stride > 1 else nn.Identity()
        self.se = SqueezeExcite(expanded) if squeeze else nn.Identity()
        self.ghost2 = GhostModule(expanded, cout, relu=False)
        self.shortcut: nn.Module = nn.Identity()
        if cin != cout or stride > 1:
            self.shortcut = nn.Sequential(
                depthwise(cin, kernel, stride),
                nn.BatchNorm2d(cin),
                nn.Conv2d(cin, cout, 1, bias=False),
                nn.BatchNorm2d(cout),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Run the bottleneck; no activation follows the sum."""
        y = self.se(self.bn_dw(self.conv_dw(self.ghost1(x))))
        out: Tensor = self.ghost2(y) + self.shortcut(x)
        return out


class GhostEncoder(nn.Module):
    """GhostNet 1.0: images [N, bands, H, W] to 24, 40, 112 and 160 channels at strides 4 to 32."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(bands, STEM_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        blocks = []
        width = STEM_CHANNELS
        for rows in ENCODER:
            stage = []
            for row in rows:
                stage.append(GhostBottleneck(width, row))
                width = row[2]
            blocks.append(nn.Sequential(*stage))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the four levels."""
        x = functional.relu(self.bn1(self.conv_stem(images)))
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                levels.append(x)
        return levels


class SkipFusion(nn.Module):
    """Bring the coarse level to the size of the skip and fuse them (UED decoder step).

    Inputs [N, low, h, w] and [N, high, H, W], output [N, high, H, W].
    """

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.up = conv_norm(low, high, bias=True)
        self.cat_conv = conv_norm(2 * high, high, 1, bias=True)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Interpolate first, so that the convolution works at the finer size."""
        fine = self.up(resize(coarse, skip, align_corners=False))
        out: Tensor = self.cat_conv(torch.cat((skip, fine), dim=1))
        return out


class UnetDecoder(nn.Module):
    """Encoder and decoder that all variants share: images to [N, out, H/4, W/4]."""

    def __init__(self, *, bands: int, out: int) -> None:
        super().__init__()
        self.base_network = GhostEncoder(bands)
        self.dec_c1 = SkipFusion(40, 24)
        self.dec_c2 = SkipFusion(112, 40)
        self.dec_c3 = SkipFusion(160, 112)
        self.final_out = nn.Sequential(
            conv_norm(24, 24), conv_norm(24, 24), nn.Conv2d(24, out, 1, bias=False)
        )

    def decode(self, images: Tensor) -> Tensor:
        """Compute the feature map at a quarter of the input size."""
        x1, x2, x3, x4 = self.base_network(images)
        x = self.dec_c2(self.dec_c3(x4, x3), x2)
        out: Tensor = self.final_out(self.dec_c1(x, x1))
        return out


class SegGhostNetUED(UnetDecoder):
    """UED: images [N, bands, H, W] to logits [N, classes, H, W]; 2.77 M parameters, any size."""

    def __init__(self, *, classes: int, bands: int = 3) -> None:
        super().__init__(bands=bands, out=classes)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the class logits at input size."""
        return resize(self.decode(images), images, align_corners=True)

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show the logits."""
        return {'lbl': self(images)}


class BodyEdgeSplit(nn.Module):
    """Warp the features along a learned flow into a smooth body; the rest is the edge.

    Input [N, 24, H, W], two outputs of that shape.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_high_res = nn.Conv2d(channels, channels, 1)
        self.conv_low_res = nn.Sequential(
            conv_norm(channels, channels, stride=2, bias=True, relu=False),
            conv_norm(channels, channels, stride=2, bias=True, relu=False),
            nn.Conv2d(channels, channels, 1),
        )
        self.flow_make = nn.Conv2d(2 * channels, 2, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Split `x` into body and edge."""
        high = self.conv_high_res(x)
        low = resize(self.conv_low_res(x), x, align_corners=True)
        body = warp(high, self.flow_make(torch.cat((high, low), dim=1)))
        return body, high - body


def axis_grid(ones: Tensor) -> Tensor:
    """Positions -1 to 1 (-1 alone where there is one) along the last axis of `ones`.

    A running sum of the tensor itself: an exported graph then follows the input size.
    """
    index = ones.cumsum(-1) - 1
    last = (ones.sum(-1, keepdim=True) - 1).clamp(min=1)
    return 2 * index / last - 1


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Sample `x` [N, C, H, W] at positions shifted by `flow` [N, 2, H, W] (x, then y).

    The base grid has corners at -1 and 1 while the sampling puts them at pixel edges, so zero flow
    is not the identity: the published weights were trained with that.
    """
    ones = torch.ones_like(flow[:, :1])
    width = ones.sum(3, keepdim=True)
    height = ones.sum(2, keepdim=True)
    grid_x = axis_grid(ones) + flow[:, :1] / width
    grid_y = axis_grid(ones.transpose(2, 3)).transpose(2, 3) + flow[:, 1:] / height
    grid = torch.cat((grid_x, grid_y), dim=1).permute(0, 2, 3, 1)
    return functional.grid_sample(
        x, grid, mode='bilinear', padding_mode='zeros', align_corners=False
    )


class SpatialFusion(nn.Module):
    """Per-channel score of body against edge from row means, column means and the map itself (SFM).

    Input and output [N, 24, H, W]; the output lies in 0..1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.h_map = nn.Conv2d(channels, channels, 3, padding=1)
        self.w_map = nn.Conv2d(channels, channels, 3, padding=1)
        self.x_map = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the score."""
        rows = self.h_map(x).mean(dim=3, keepdim=True)
        columns = self.w_map(x).mean(dim=2, keepdim=True)
        return (rows @ columns + self.x_map(x)).sigmoid()


class SegGhostNetBES(UnetDecoder):
    """UED+BES and UED+BES+SFM: body and edge are told apart and supervised separately.

    Images [N, bands, H, W] to logits [N, classes, H, W]. `named_outputs` also gives the logits of
    the body `bdy` [N, classes, H, W], of the edge `edg` [N, H, W], its sigmoid `edg_sgm` and, with
    SFM, the score `scr_sgm` [N, 24, H/4, W/4]. 2.82 M and 2.83 M parameters, any size.

    Args:
        classes: Classes.
        bands: Input bands.
        score: Fuse body and edge by a score (SFM) instead of adding them.
    """

    def __init__(self, *, classes: int, bands: int = 3, score: bool = False) -> None:
        super().__init__(bands=bands, out=HEAD_CHANNELS)
        width = HEAD_CHANNELS
        self.decouple_body_edge = BodyEdgeSplit(width)
        self.decouple_body = nn.Sequential(
            conv_norm(width, width), nn.Conv2d(width, width, 3, padding=1)
        )
        self.decouple_edge = nn.Sequential(
            conv_norm(width, width), nn.Conv2d(width, width, 3, padding=1)
        )
        self.seg_out = nn.Sequential(
            conv_norm(width, width), conv_norm(width, width), nn.Conv2d(width, classes, 1)
        )
        self.body_out = nn.Sequential(conv_norm(width, width), nn.Conv2d(width, classes, 1))
        self.edge_out = nn.Sequential(conv_norm(width, width), nn.Conv2d(width, 1, 1))
        self.fusion_score = SpatialFusion(width) if score else None

    def fuse(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Compute body, edge, their fusion and the score, all at a quarter of the input size."""
        body, edge = self.decouple_body_edge(self.decode(images))
        body, edge = self.decouple_body(body), self.decouple_edge(edge)
        if self.fusion_score is None:
            return body, edge, body + edge, None
        score = self.fusion_score(body + edge)
        return body, edge, body * score + edge * (1 - score), score

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Compute all outputs; training needs them."""
        body, edge, fused, score = self.fuse(images)
        edge_logit = resize(self.edge_out(edge), images, align_corners=True).squeeze(1)
        outputs = {
            'lbl': resize(self.seg_out(fused), images, align_corners=True),
            'bdy': resize(self.body_out(body), images, align_corners=True),
            'edg': edge_logit,
            'edg_sgm': edge_logit.sigmoid(),
        }
        return outputs if score is None else {**outputs, 'scr_sgm': score}

    def forward(self, images: Tensor) -> Tensor:
        """Compute the class logits without running the heads of body and edge."""
        return resize(self.seg_out(self.fuse(images)[2]), images, align_corners=True)


def our_key(key: str) -> str | None:
    """Map a state-dict key of the authors to ours, or to None in the ImageNet layers never run."""
    return None if key.startswith(UNUSED) else key.replace('.primary.', '.')


def build_ued(*, classes: int, bands: int = 3) -> nn.Module:
    """Build UED."""
    return SegGhostNetUED(classes=classes, bands=bands)


def build_bes(score: bool, *, classes: int, bands: int = 3) -> nn.Module:
    """Build UED+BES or, with `score`, UED+BES+SFM."""
    return SegGhostNetBES(classes=classes, bands=bands, score=score)


def entries() -> dict[str, NetworkEntry]:
    """List the three variants."""
    rows = (
        ('segghostnet_ued', build_ued, 2.77, 1.44),
        ('segghostnet_ued_bes', partial(build_bes, False), 2.82, 2.19),
        ('segghostnet_ued_bes_sfm', partial(build_bes, True), 2.83, 2.37),
    )
    return {
        name: NetworkEntry(
            name=name,
            task='segmentation',
            build=build,
            published=PublishedFigures(
                parameters=parameters,
                macs=macs,
                input_size=(512, 512),
                classes=6,
                difference='the authors also count biases, batch norms and ReLUs'
                + (', and the heads that prediction skips' if 'bes' in name else ''),
            ),
            licence='MIT',
            source=PAPER,
            our_key=our_key,
            default_classes=6,
        )
        for name, build, parameters, macs in rows
    }


NETWORKS: dict[str, NetworkEntry] = entries()
