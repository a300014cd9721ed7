# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented region proposal network: scores and oriented boxes of anchors, and their selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.perception.suppression import suppress
from rs_onboard.zoo.oriented_rcnn.anchors import RATIOS, STRIDES, grid_anchors
from rs_onboard.zoo.oriented_rcnn.coders import MidpointOffsetCoder, circumscribed

if TYPE_CHECKING:
    from collections.abc import Sequence

CODER = MidpointOffsetCoder()
CANDIDATES = 2000  # a level
PROPOSALS = 2000  # an image
SUPPRESSION_IOU = 0.8


@dataclass(frozen=True)
class RpnMaps:
    """Predictions for every anchor, one tensor a level.

    Attributes:
        logits: [N, 3, H_i, W_i] objectness before the sigmoid; channel = ratio.
        deltas: [N, 18, H_i, W_i] midpoint offsets; channel = 6 * ratio + component.
    """

    logits: list[Tensor]
    deltas: list[Tensor]


class OrientedRpn(nn.Module):
    """Head that slides over all levels: a 3 x 3 convolution, then scores and offsets.

    Input maps [N, width, H_i, W_i] with the strides of `anchors.STRIDES`.

    Xie et al., Oriented R-CNN for Object Detection, ICCV 2021.
    """

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.logits = nn.Conv2d(width, len(RATIOS), 1)
        self.deltas = nn.Conv2d(width, 6 * len(RATIOS), 1)

    def forward(self, pyramid: Sequence[Tensor]) -> RpnMaps:
        """Score the anchors of every level and predict their boxes."""
        shared = [functional.relu(self.conv(x)) for x in pyramid]
        return RpnMaps([self.logits(x) for x in shared], [self.deltas(x) for x in shared])


@dataclass(frozen=True)
class Candidates:
    """The best anchors of each level, decoded.

    Attributes:
        boxes: [N, K, 5] float32.
        scores: [N, K] in [0, 1].
        levels: [K] int64.
    """

    boxes: Tensor
    scores: Tensor
    levels: Tensor


def candidates(maps: RpnMaps, most: int = CANDIDATES) -> Candidates:
    """Decode the `most` best anchors of each level of each image."""
    boxes, scores, levels = [], [], []
    for level, (logits, deltas) in enumerate(zip(maps.logits, maps.deltas, strict=True)):
        score = logits.permute(0, 2, 3, 1).flatten(1).sigmoid()
        delta = deltas.permute(0, 2, 3, 1).reshape(score.shape[0], -1, 6)
        anchors = grid_anchors(STRIDES[level], *logits.shape[-2:], like=delta)
        # A tensor, because the count is a value of the graph while it is exported.
        count = torch.as_tensor(score.shape[1]).clamp(max=most)
        score, best = score.topk(count if torch.onnx.is_in_onnx_export() else int(count), dim=1)
        delta = delta.gather(1, best[..., None].expand(-1, -1, 6))
        boxes.append(CODER.decode(anchors[best], delta))
        scores.append(score)
        levels.append(torch.full_like(best[0], level))
    return Candidates(torch.cat(boxes, dim=1), torch.cat(scores, dim=1), torch.cat(levels))


def propose(maps: RpnMaps, most: int = PROPOSALS) -> Tensor:
    """Return the proposals of each image: [N, P, 6] cx, cy, w, h, theta, score, best first.

    Boxes that overlap a better one of the same level are left out; the overlap is that of the
    circumscribed boxes. Nothing is clipped to the image. P is `most`, or the number of candidates
    where there are fewer; rows with score -1 fill up images with fewer proposals.

    Levels are kept apart as the authors' program does it, by a shift in float32, because its
    rounding moves overlaps near the threshold.
    """
    found = candidates(maps)
    around = circumscribed(found.boxes)
    lane = around.amax((1, 2), keepdim=True) + 1
    apart = around + found.levels[:, None] * lane
    chosen = Suppression.apply(apart, found.scores[:, None], most)
    kept = torch.zeros_like(found.scores)
    kept[chosen[:, 0], chosen[:, 2]] = 1.0
    scores = torch.where(kept > 0, found.scores, -torch.ones_like(kept))
    count = torch.as_tensor(scores.shape[1]).clamp(max=most)
    score, best = scores.topk(count if torch.onnx.is_in_onnx_export() else int(count), dim=1)
    boxes = found.boxes.gather(1, best[..., None].expand(-1, -1, 5))
    return torch.cat((boxes, score[..., None]), dim=2).detach()


class Suppression(torch.autograd.Function):
    """Greedy suppression of axis-aligned boxes, which ONNX has as an operator of its own."""

    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, most: int) -> Tensor:  # noqa: ARG004
        """Choose boxes.

        Args:
            ctx: Not used, nothing flows back.
            boxes: [N, K, 4] x1, y1, x2, y2, pixels.
            scores: [N, 1, K].
            most: Boxes an image.

        Returns:
            [M, 3] int64: image, 0, box; the best first within an image.
        """
        rows = boxes.detach().cpu().double().numpy()
        score = scores[:, 0].detach().cpu().numpy()
        chosen = []
        for image, (low, high) in enumerate(zip(rows[..., :2], rows[..., 2:], strict=True)):
            flat = np.concatenate(((low + high) / 2, high - low, np.zeros((len(low), 1))), axis=1)
            kept = suppress(flat, score[image], threshold=SUPPRESSION_IOU, limit=most)
            chosen.append(np.stack((np.full_like(kept, image), np.zeros_like(kept), kept), axis=1))
        return torch.from_numpy(np.concatenate(chosen)).to(boxes.device)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, most: int) -> Any:
        """Write the standard operator."""
        limit = g.op('Constant', value_t=torch.tensor([most]))
        threshold = g.op('Constant', value_t=torch.tensor([SUPPRESSION_IOU]))
        return g.op('NonMaxSuppression', boxes, scores, limit, threshold)
