# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which points of a detector answer for which object: task-aligned assignment.

Feng et al., TOOD: Task-aligned One-stage Object Detection, ICCV 2021. The points within an object
that score its class and fit its box best learn it; how well they fit is what their score should be.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rs_onboard.training.gaussian_boxes import gaussians, probabilistic_iou

# Points an object is learnt by, and the weights of score and fit in choosing them.
POINTS = 10
SCORE_POWER = 0.5
FIT_POWER = 4.0
# Points this many strides from the centre always are candidates: small objects hold none.
NEAR = 1.0


class Assignment(NamedTuple):
    """What the P points of an image learn.

    Attributes:
        points: (K,) int64 points that learn an object.
        objects: (K,) int64 the object of each.
        scores: (K,) float32 the score each should give the class of its object, in [0, 1].
    """

    points: Tensor
    objects: Tensor
    scores: Tensor


def assign(
    probabilities: Tensor,
    boxes: Tensor,
    direction: Tensor,
    points: Tensor,
    strides: Tensor,
    objects: Tensor,
    object_direction: Tensor,
    classes: Tensor,
) -> Assignment:
    """Choose the points of one image.

    Args:
        probabilities: (P, C) of the network, detached.
        boxes: (P, 4) of the network, detached.
        direction: (P, 2) of the network, detached.
        points: (P, 2) x, y [px].
        strides: (P,) [px].
        objects: (M, 4) cx, cy, w, h of the objects, M >= 1.
        object_direction: (M, 2) (cos 2 theta, sin 2 theta).
        classes: (M,) int64.
    """
    inside = candidates(points, strides, objects, object_direction)
    # Rows are objects: (M, P).
    fit = probabilistic_iou(
        gaussians(objects[:, None], object_direction[:, None]),
        gaussians(boxes[None], direction[None]),
    )
    score = probabilities[:, classes].T
    merit = score.pow(SCORE_POWER) * fit.pow(FIT_POWER) * inside
    count = min(POINTS, merit.shape[1])
    # Where nothing fits yet, closeness decides among equals.
    closeness = 1e-9 / (1 + (points[None] - objects[:, None, :2]).square().sum(2).sqrt())
    best = (merit + closeness * inside).topk(count, dim=1).indices
    chosen = torch.zeros_like(inside).scatter_(1, best, True) & inside
    # A point within several objects learns the one it fits best.
    owner = torch.where(chosen, fit, torch.full_like(fit, -1.0)).argmax(dim=0)
    kept = chosen & (torch.arange(len(objects), device=points.device)[:, None] == owner)
    taken = kept.any(dim=0).nonzero()[:, 0]
    whose = owner[taken]
    # The best point of an object should score as well as the best one fits.
    top_merit = (merit * kept).amax(dim=1).clamp(min=1e-9)
    top_fit = (fit * kept).amax(dim=1)
    target = merit[whose, taken] / top_merit[whose] * top_fit[whose]
    return Assignment(taken, whose, target.clamp(0, 1))


def candidates(points: Tensor, strides: Tensor, objects: Tensor, direction: Tensor) -> Tensor:
    """Say which points (P) lie in or near the centre of which objects (M): (M, P) bool."""
    offset = points[None] - objects[:, None, :2]
    # The direction of the side w itself, from its doubled angle.
    cos = ((1 + direction[:, 0]) / 2).clamp(min=0).sqrt()
    sin = ((1 - direction[:, 0]) / 2).clamp(min=0).sqrt() * torch.where(
        direction[:, 1] < 0, -1.0, 1.0
    )
    along = offset[..., 0] * cos[:, None] + offset[..., 1] * sin[:, None]
    across = offset[..., 1] * cos[:, None] - offset[..., 0] * sin[:, None]
    half = objects[:, None, 2:] / 2
    within = (along.abs() < half[..., 0]) & (across.abs() < half[..., 1])
    near = offset.abs().amax(dim=2) < NEAR * strides
    # Coarse grids are not for objects smaller than a step of theirs, fine ones not for huge ones.
    longest = objects[:, None, 2:].amax(dim=2)
    fitting = (longest > strides / 2) & (longest < 64 * strides)
    return (within | near) & fitting
