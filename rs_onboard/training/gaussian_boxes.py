# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Oriented boxes as Gaussians, and how far apart they are; the loss of box regression.

Llerena et al., Gaussian Bounding Boxes and Probabilistic Intersection-over-Union for Object
Detection, 2021: a box is the Gaussian with the mean and covariance of a uniform density in it, and
1 less the Hellinger distance of two of them behaves like an IoU with gradients everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Where the distance saturates, so do its gradients; beyond this there are none to lose.
FARTHEST = 100.0
EPSILON = 1e-7


class Gaussians(NamedTuple):
    """Boxes as Gaussians, any leading shape.

    Attributes:
        mean: (..., 2) x, y [px].
        xx: (...,) variance along x [px^2].
        yy: (...,) variance along y.
        xy: (...,) covariance.
    """

    mean: Tensor
    xx: Tensor
    yy: Tensor
    xy: Tensor


def gaussians(boxes: Tensor, direction: Tensor) -> Gaussians:
    """Turn boxes (..., 4) cx, cy, w, h with directions (..., 2) (cos 2 theta, sin 2 theta).

    The direction is that of the side w; it need not be of length one.
    """
    along, across = boxes[..., 2].square() / 12, boxes[..., 3].square() / 12
    middle, half = (along + across) / 2, (along - across) / 2
    return Gaussians(
        boxes[..., :2],
        middle + half * direction[..., 0],
        middle - half * direction[..., 0],
        half * direction[..., 1],
    )


def probabilistic_iou(one: Gaussians, two: Gaussians) -> Tensor:
    """Return 1 less the Hellinger distance, in (0, 1], of boxes whose shapes broadcast."""
    x, y = (two.mean - one.mean).unbind(-1)
    xx, yy, xy = one.xx + two.xx, one.yy + two.yy, one.xy + two.xy
    determinant = xx * yy - xy.square() + EPSILON
    offset = (yy * x.square() - 2 * xy * x * y + xx * y.square()) / (4 * determinant)
    areas = (one.xx * one.yy - one.xy.square()).clamp(min=0) * (
        two.xx * two.yy - two.xy.square()
    ).clamp(min=0)
    shape = (determinant / (4 * (areas + EPSILON).sqrt()) + EPSILON).log() / 2
    distance = (offset + shape).clamp(EPSILON, FARTHEST)
    return 1 - (1 - (-distance).exp() + EPSILON).sqrt()


def direction_of(theta: Tensor) -> Tensor:
    """Return (..., 2) (cos 2 theta, sin 2 theta)."""
    return torch.stack(((2 * theta).cos(), (2 * theta).sin()), dim=-1)
