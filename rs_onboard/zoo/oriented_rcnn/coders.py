# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the heads predict of a box: midpoint offsets of an anchor, deltas of an oriented box.

Boxes are [..., 5] cx, cy, w, h, theta (pixels, radians, le90); anchors [..., 4] x1, y1, x2, y2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Sizes grow or shrink by at most this factor, as logarithm.
MAX_LOG_RATIO = math.log(1000 / 16)

# Corners this close to the edge of the circumscribed box (pixels) lie on it.
ON_EDGE = 0.1


def wrap(theta: Tensor) -> Tensor:
    """Bring angles into [-pi/2, pi/2)."""
    return torch.remainder(theta + math.pi / 2, math.pi) - math.pi / 2


def corners(boxes: Tensor) -> Tensor:
    """Return the corners (-, -), (+, -), (+, +), (-, +) of the box frame, [..., 4, 2], pixels."""
    cx, cy, w, h, theta = boxes.unbind(-1)
    cos, sin = theta.cos(), theta.sin()
    ux, uy, vx, vy = w / 2 * cos, w / 2 * sin, -h / 2 * sin, h / 2 * cos
    x = torch.stack((cx - ux - vx, cx + ux - vx, cx + ux + vx, cx - ux + vx), dim=-1)
    y = torch.stack((cy - uy - vy, cy + uy - vy, cy + uy + vy, cy - uy + vy), dim=-1)
    return torch.stack((x, y), dim=-1)


def circumscribed(boxes: Tensor) -> Tensor:
    """Return the axis-aligned boxes around oriented ones: [..., 4] x1, y1, x2, y2, pixels."""
    cx, cy, w, h, theta = boxes.unbind(-1)
    cos, sin = theta.cos(), theta.sin()
    half_x = (w / 2 * cos).abs() + (h / 2 * sin).abs()
    half_y = (w / 2 * sin).abs() + (h / 2 * cos).abs()
    return torch.stack((cx - half_x, cy - half_y, cx + half_x, cy + half_y), dim=-1)


def _centre_size(anchors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return centre x, centre y, width and height of rows x1, y1, x2, y2."""
    x1, y1, x2, y2 = anchors.unbind(-1)
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def _length(x: Tensor, y: Tensor) -> Tensor:
    """Return the lengths of vectors; `hypot` has no ONNX form."""
    return (x * x + y * y).sqrt()


@dataclass(frozen=True)
class MidpointOffsetCoder:
    """Oriented box as its circumscribed box and where it touches the upper and the right side.

    Six numbers: shift and log size of the circumscribed box against the anchor, and the offsets of
    the touching points from the middle of those sides, as fractions of the side.

    Xie et al., Oriented R-CNN for Object Detection, ICCV 2021.
    """

    stds: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 0.5, 0.5)

    def decode(self, anchors: Tensor, deltas: Tensor) -> Tensor:
        """Return the boxes [..., 5] of `anchors` [..., 4] moved by `deltas` [..., 6]."""
        px, py, pw, ph = _centre_size(anchors)
        dx, dy, dw, dh, da, db = (deltas * deltas.new_tensor(self.stds)).unbind(-1)
        gw = pw * dw.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        gh = ph * dh.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        # The touching points make a parallelogram; both diagonals are stretched to the longer one,
        # which makes it a rectangle.
        top_x, top_y = da.clamp(-0.5, 0.5) * gw, -gh / 2
        right_x, right_y = gw / 2, db.clamp(-0.5, 0.5) * gh
        top, right = _length(top_x, top_y), _length(right_x, right_y)
        longest = torch.maximum(top, right)
        top_x, top_y = top_x * (longest / top), top_y * (longest / top)
        right_x, right_y = right_x * (longest / right), right_y * (longest / right)
        first_x, first_y = right_x - top_x, right_y - top_y
        second_x, second_y = -top_x - right_x, -top_y - right_y
        first, second = _length(first_x, first_y), _length(second_x, second_y)
        longer = first > second
        theta = torch.where(longer, torch.atan2(first_y, first_x), torch.atan2(second_y, second_x))
        return torch.stack(
            (
                px + pw * dx,
                py + ph * dy,
                torch.maximum(first, second),
                torch.minimum(first, second),
                wrap(theta),
            ),
            dim=-1,
        )

    def encode(self, anchors: Tensor, targets: Tensor) -> Tensor:
        """Return the deltas [..., 6] that make `targets` [..., 5] of `anchors` [..., 4]."""
        px, py, pw, ph = _centre_size(anchors)
        around = circumscribed(targets)
        gx, gy, gw, gh = _centre_size(around)
        x, y = corners(targets).unbind(-1)
        lowest = x.new_tensor(-torch.inf)
        on_top = (y - around[..., 1, None]).abs() <= ON_EDGE
        on_right = (x - around[..., 2, None]).abs() <= ON_EDGE
        ga = torch.where(on_top, x, lowest).amax(-1)
        gb = torch.where(on_right, y, lowest).amax(-1)
        deltas = torch.stack(
            (
                (gx - px) / pw,
                (gy - py) / ph,
                (gw / pw).log(),
                (gh / ph).log(),
                (ga - gx) / gw,
                (gb - gy) / gh,
            ),
            dim=-1,
        )
        return deltas / deltas.new_tensor(self.stds)


@dataclass(frozen=True)
class DeltaCoder:
    """Oriented box as shift in the frame of a region, log sizes and turn against it.

    Five numbers. The turn is the smaller one of two: onto the longer or onto the shorter side.
    """

    stds: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2, 0.1)

    def decode(
        self, rois: Tensor, deltas: Tensor, image_size: tuple[int, int] | None = None
    ) -> Tensor:
        """Return the boxes [..., 5] of `rois` [..., 5] moved by `deltas` [..., 5].

        Args:
            rois: Regions to start from.
            deltas: Predictions of the head.
            image_size: (height, width) in pixels; centres are clamped to the image.
        """
        px, py, pw, ph, pa = rois.unbind(-1)
        dx, dy, dw, dh, da = (deltas * deltas.new_tensor(self.stds)).unbind(-1)
        gw = pw * dw.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        gh = ph * dh.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        cos, sin = pa.cos(), pa.sin()
        gx = px + dx * pw * cos - dy * ph * sin
        gy = py + dx * pw * sin + dy * ph * cos
        if image_size is not None:
            # As tensors, because sizes are values of the graph while it is exported.
            bottom, right = (torch.as_tensor(size - 1).to(gx) for size in image_size)
            gx, gy = gx.clamp(min=0).minimum(right), gy.clamp(min=0).minimum(bottom)
        ga = wrap(pa + da)
        wide = gw > gh
        return torch.stack(
            (
                gx,
                gy,
                torch.where(wide, gw, gh),
                torch.where(wide, gh, gw),
                torch.where(wide, ga, wrap(ga + math.pi / 2)),
            ),
            dim=-1,
        )

    def encode(self, rois: Tensor, targets: Tensor) -> Tensor:
        """Return the deltas [..., 5] that make `targets` [..., 5] of `rois` [..., 5]."""
        px, py, pw, ph, pa = rois.unbind(-1)
        gx, gy, gw, gh, ga = targets.unbind(-1)
        cos, sin = pa.cos(), pa.sin()
        straight, across = wrap(ga - pa), wrap(ga - pa + math.pi / 2)
        near = straight.abs() < across.abs()
        deltas = torch.stack(
            (
                (cos * (gx - px) + sin * (gy - py)) / pw,
                (-sin * (gx - px) + cos * (gy - py)) / ph,
                (torch.where(near, gw, gh) / pw).log(),
                (torch.where(near, gh, gw) / ph).log(),
                torch.where(near, straight, across),
            ),
            dim=-1,
        )
        return deltas / deltas.new_tensor(self.stds)
