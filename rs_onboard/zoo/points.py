# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A one-stage detector of oriented boxes that is light enough to fly.

Every point of four grids (strides 8 to 64) says which object it belongs to: no anchors, no second
stage, no custom operator. What it takes from the literature, and why:

- anchor-free points with task-aligned assignment (Feng et al., TOOD, ICCV 2021): one prediction a
  point is a ninth of the work of nine anchors, and nothing has to be tuned to the sizes in a set;
- a box as centre offset, log size and the direction (cos 2 theta, sin 2 theta): the doubled angle
  is continuous where le90 jumps, so no ship lies at a seam of the code;
- the probabilistic IoU as loss (Llerena et al., Gaussian Bounding Boxes and Probabilistic IoU,
  2021): it compares covariances, is smooth in all five numbers and does not mind what a square is
  called;
- a path-aggregation neck and heads of depthwise separable convolutions (as in PicoDet, Yu et al.,
  2021) with ReLU, which int8 keeps and ONNX Runtime fuses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from rs_onboard.zoo import decouplenet, lwganet
from rs_onboard.zoo.blocks import conv_norm
from rs_onboard.zoo.network import InputRule, NetworkEntry, PublishedFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.zoo.oriented_rcnn.detector import Backbone

STRIDES = (8, 16, 32, 64)
WIDTH = 96
KERNEL = 5
# A size of exp(0) is this many strides.
BASE_SIZE = 4.0
# exp(4) base sizes are 14 000 px at the coarsest level: no object, but no infinity either.
LOG_LIMIT = 4.0
# Scores start here, so that the many points without an object do not drown the few with one.
PRIOR = 0.01
# Candidates of an image that leave the graph, the best ones.
EXPORTED = 256
CLASSES = 10


class Predictions(NamedTuple):
    """What the points of all grids say, P in all.

    Attributes:
        logits: (N, P, C) float32.
        boxes: (N, P, 4) float32 cx, cy, w, h [px], w and h as the network names them.
        direction: (N, P, 2) float32 unit vectors (cos 2 theta, sin 2 theta), theta of the side w.
        points: (P, 2) float32 x, y of the points [px], pixel centres at whole numbers.
        strides: (P,) float32 stride of the grid of each [px].
    """

    logits: Tensor
    boxes: Tensor
    direction: Tensor
    points: Tensor
    strides: Tensor


def pointwise(cin: int, cout: int) -> nn.Sequential:
    """Build a 1 x 1 convolution with batch norm and ReLU."""
    return nn.Sequential(*conv_norm(cin, cout, 1), nn.ReLU())


def separable(cin: int, cout: int, *, stride: int = 1) -> nn.Sequential:
    """Build a depthwise and a 1 x 1 convolution, each with batch norm and ReLU."""
    depthwise = conv_norm(cin, cin, KERNEL, stride=stride, groups=cin)
    return nn.Sequential(*depthwise, nn.ReLU(), pointwise(cin, cout))


class PathAggregation(nn.Module):
    """Carry coarse context down to fine maps, then fine detail up to coarse ones.

    Takes maps at strides 8, 16 and 32; gives WIDTH channels at strides 8, 16, 32 and 64. Liu et
    al., PANet, CVPR 2018.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(pointwise(count, WIDTH) for count in channels)
        steps = len(channels) - 1
        self.down = nn.ModuleList(separable(2 * WIDTH, WIDTH) for _ in range(steps))
        self.shrink = nn.ModuleList(separable(WIDTH, WIDTH, stride=2) for _ in range(steps))
        self.up = nn.ModuleList(separable(2 * WIDTH, WIDTH) for _ in range(steps))
        self.coarsest = separable(WIDTH, WIDTH, stride=2)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Fuse the maps, finest first."""
        maps = [lateral(level) for lateral, level in zip(self.laterals, levels, strict=True)]
        for index in reversed(range(len(maps) - 1)):
            larger = nn.functional.interpolate(maps[index + 1], scale_factor=2.0, mode='nearest')
            maps[index] = self.down[index](torch.cat((maps[index], larger), dim=1))
        for index, (shrink, up) in enumerate(zip(self.shrink, self.up, strict=True)):
            smaller = shrink(maps[index])
            maps[index + 1] = up(torch.cat((smaller, maps[index + 1]), dim=1))
        return [*maps, self.coarsest(maps[-1])]


class PointHead(nn.Module):
    """What the points of one grid say: class logits, and box with direction."""

    def __init__(self, classes: int, *, oriented: bool) -> None:
        super().__init__()
        self.classify = nn.Sequential(separable(WIDTH, WIDTH), separable(WIDTH, WIDTH))
        self.locate = nn.Sequential(separable(WIDTH, WIDTH), separable(WIDTH, WIDTH))
        self.logits = nn.Conv2d(WIDTH, classes, 1)
        self.box = nn.Conv2d(WIDTH, 6 if oriented else 4, 1)
        for layer in (self.logits, self.box):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.logits.bias, -math.log((1 - PRIOR) / PRIOR))
        if oriented:
            with torch.no_grad():
                # A direction to start from: a vector of no length has none.
                self.box.bias[4] = 1.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give (N, P, C) logits and (N, P, 4 or 6) numbers of the points of a map, rows first."""
        logits, box = self.logits(self.classify(x)), self.box(self.locate(x))
        return logits.flatten(2).transpose(1, 2), box.flatten(2).transpose(1, 2)


class PointDetector(nn.Module):
    """Backbone, path aggregation, a head a grid.

    Images are float32 [N, bands, H, W], (value - mean) / std with the constants of ImageNet; sides
    are multiples of 64.

    Args:
        backbone: Images to four maps at strides 4, 8, 16 and 32.
        channels: Channels of those maps.
        classes: Number of classes.
        oriented: False for upright boxes, the baseline.
    """

    def __init__(
        self, backbone: Backbone, channels: Sequence[int], *, classes: int, oriented: bool = True
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.oriented = oriented
        self.neck = PathAggregation(channels[1:])
        self.heads = nn.ModuleList(PointHead(classes, oriented=oriented) for _ in STRIDES)

    def forward(self, images: Tensor) -> Predictions:
        """Run the network."""
        maps = self.neck(self.backbone(images)[1:])
        logits, boxes, directions, points, strides = [], [], [], [], []
        for x, head, stride in zip(maps, self.heads, STRIDES, strict=True):
            found, numbers = head(x)
            grid = grid_points(x, stride)
            centre = grid + numbers[..., :2] * stride
            limited = numbers[..., 2:4].clamp(-LOG_LIMIT, LOG_LIMIT)
            boxes.append(torch.cat((centre, limited.exp() * (BASE_SIZE * stride)), dim=2))
            logits.append(found)
            directions.append(numbers[..., 4:] if self.oriented else numbers[..., 0])
            points.append(grid)
            strides.append(torch.full_like(grid[:, 0], stride))
        return Predictions(
            torch.cat(logits, dim=1),
            torch.cat(boxes, dim=1),
            self._unit(torch.cat(directions, dim=1)),
            torch.cat(points),
            torch.cat(strides),
        )

    def candidates(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Give the best points of each image as boxes, before suppression.

        Returns:
            Boxes [M, 5] in le90, scores [M], classes [M] int64 and images [M] int64; M is
            `EXPORTED` an image, less where there are fewer points.
        """
        found = self(images)
        scores, labels = found.logits.sigmoid().max(dim=2)
        # A tensor, because the count is a value of the graph while it is exported.
        count = torch.as_tensor(scores.shape[1]).clamp(max=EXPORTED)
        best, rows = scores.topk(count if torch.onnx.is_in_onnx_export() else int(count), dim=1)
        boxes = found.boxes.gather(1, rows[..., None].expand(-1, -1, 4))
        direction = found.direction.gather(1, rows[..., None].expand(-1, -1, 2))
        owners = torch.zeros_like(rows) + torch.arange(rows.shape[0], device=rows.device)[:, None]
        return (
            le90(boxes, direction).flatten(0, 1),
            best.flatten(),
            labels.gather(1, rows).flatten(),
            owners.flatten(),
        )

    def named_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Show what the points say."""
        found = self(images)
        return {'logits': found.logits, 'boxes': found.boxes, 'direction': found.direction}

    def _unit(self, direction: Tensor) -> Tensor:
        """Bring directions to length one; upright boxes all have the same."""
        if not self.oriented:
            return torch.stack((torch.ones_like(direction), torch.zeros_like(direction)), dim=2)
        return direction / (direction.square().sum(dim=2, keepdim=True) + 1e-6).sqrt()


def grid_points(x: Tensor, stride: int) -> Tensor:
    """Return the (H * W, 2) points x, y [px of the image] of a map (N, C, H, W), rows first."""
    # Sums of ones instead of a range: sizes stay values of the graph in the export.
    ones = torch.ones_like(x[0, 0])
    columns, rows = ones.cumsum(1) - 0.5, ones.cumsum(0) - 0.5
    return torch.stack((columns, rows), dim=2).flatten(0, 1) * stride - 0.5


def le90(boxes: Tensor, direction: Tensor) -> Tensor:
    """Return boxes (..., 5) with w >= h and theta in [-pi/2, pi/2).

    Args:
        boxes: (..., 4) cx, cy, w, h.
        direction: (..., 2) (cos 2 theta, sin 2 theta) of the side w.
    """
    centre, width, height = boxes[..., :2], boxes[..., 2], boxes[..., 3]
    # A quarter turn of the box is half a turn of the doubled angle.
    sign = torch.where(height > width, -1.0, 1.0)
    theta = torch.atan2(direction[..., 1] * sign, direction[..., 0] * sign) / 2
    theta = torch.where(theta >= torch.pi / 2, theta - torch.pi, theta)
    sizes = (torch.maximum(width, height), torch.minimum(width, height), theta)
    return torch.cat((centre, torch.stack(sizes, dim=-1)), dim=-1)


@dataclass(frozen=True)
class Family:
    """Backbones that the detector is built on."""

    entry: NetworkEntry
    channels: tuple[int, ...]

    def build(self, *, oriented: bool, classes: int, bands: int = 3) -> nn.Module:
        """Build the detector."""
        backbone = self.entry.build(classes=0, bands=bands)
        return PointDetector(backbone, self.channels, classes=classes, oriented=oriented)


def entries() -> dict[str, NetworkEntry]:
    """List the detector on the smallest backbone of both families, and with upright boxes."""
    embed = decouplenet.VARIANTS['d0'].embed
    families = {
        'decouplenet_d0': tuple(embed * 2**i for i in range(4)),
        'lwganet_l0': lwganet.VARIANTS['l0'].channels,
    }
    known = {**decouplenet.NETWORKS, **lwganet.NETWORKS}
    table = {}
    for name, channels in families.items():
        family = Family(known[f'{name}_backbone'], channels)
        for prefix, oriented in (('points', True), ('upright', False)):
            table[f'{prefix}_{name}'] = NetworkEntry(
                name=f'{prefix}_{name}',
                task='detection',
                build=partial(family.build, oriented=oriented),
                published=PublishedFigures(
                    parameters=None,
                    macs=None,
                    input_size=(512, 512),
                    classes=CLASSES,
                    difference='ours: no figures published'
                    if oriented
                    else 'ours, a baseline: no figures published',
                ),
                licence='Apache-2.0',
                source='rs_onboard; see the module',
                input_rule=InputRule(
                    multiple=64, minimum=128, note='The coarsest grid has a point every 64 pixels.'
                ),
                default_classes=CLASSES,
            )
    return table


NETWORKS: dict[str, NetworkEntry] = entries()
