# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Losses: cross entropy with mixed labels, and those of segmentation and change networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from rs_onboard.training.data.sample import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

RELAXATION_WINDOW = 5
TINY = 1e-14


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of logits (N, C) with target probabilities (N, C)."""
    return -(target * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def smooth_one_hot(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Turn class ids (N,) into smoothed target probabilities (N, C)."""
    hot = functional.one_hot(labels, classes).float()
    return hot * (1 - smoothing) + smoothing / classes


def class_weights(counts: Tensor) -> Tensor:
    """Weights 2 - share of the labelled pixels; 1 for a class without any. (C,) to (C,)."""
    share = counts.double() / counts.sum()
    return torch.where(counts > 0, 2 - share, torch.ones_like(share)).float()


def pixel_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross entropy over labelled pixels, divided by the number of all pixels.

    Args:
        logits: (N, C, H, W).
        labels: (N, H, W) class ids, 255 ignored.
        weights: (C,).
    """
    total = functional.cross_entropy(
        logits, labels.long(), weights, ignore_index=IGNORE, reduction='sum'
    )
    return total / labels.numel()


def one_hot_pixels(labels: Tensor, classes: int) -> Tensor:
    """Turn labels (N, H, W) into (N, C, H, W) float, all zero at ignored pixels."""
    known = labels != IGNORE
    hot = functional.one_hot(torch.where(known, labels, 0).long(), classes)
    return (hot * known[..., None]).permute(0, 3, 1, 2).float()


def dice(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - mean Dice coefficient over the batch, of the classes that occur in it.

    Args:
        logits: (N, C, H, W).
        labels: (N, H, W) class ids, 255 ignored.
    """
    hot = one_hot_pixels(labels, logits.shape[1])
    found = logits.softmax(dim=1) * (labels != IGNORE)[:, None]
    both = (found * hot).sum(dim=(0, 2, 3))
    size = (found + hot).sum(dim=(0, 2, 3))
    present = hot.sum(dim=(0, 2, 3)) > 0
    score = (2 * both + 1) / (size + 1)
    return 1 - (score * present).sum() / present.sum().clamp(min=1)


def relaxed_boundary(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Loss of the body branch: class shares of 5 x 5 windows are compared, not single pixels.

    Args:
        logits: (N, C, H, W).
        labels: (N, H, W) class ids, 255 ignored.
        weights: (C,).
    """
    found = functional.avg_pool2d(logits.softmax(dim=1), RELAXATION_WINDOW, stride=1)
    hot = one_hot_pixels(labels, logits.shape[1])
    truth = functional.avg_pool2d(hot, RELAXATION_WINDOW, stride=1)
    divergence = truth * ((truth + TINY).log() - (found + TINY).log())
    return (divergence * weights[:, None, None]).sum() / labels.numel()


def balanced_edge(logit: Tensor, edges: Tensor) -> Tensor:
    """Binary cross entropy of the edge branch, the rarer answer weighing more.

    Args:
        logit: (N, H, W).
        edges: (N, H, W) 1 edge, 0 none, 255 ignored.
    """
    positive = (edges == 1).sum()
    negative = (edges == 0).sum()
    known = (positive + negative).clamp(min=1)
    weight = torch.where(edges == 1, 1 + negative / known, 1 + positive / known)
    weight = torch.where(edges == IGNORE, 0.0, weight)
    truth = (edges == 1).to(logit.dtype)
    return (
        functional.binary_cross_entropy_with_logits(logit, truth, weight=weight, reduction='sum')
        / edges.numel()
    )


def change(logit: Tensor, labels: Tensor, dice_weight: float) -> Tensor:
    """Binary cross entropy, plus 1 - Dice coefficient of the change found in the whole batch.

    Args:
        logit: (N, H, W) of change.
        labels: (N, H, W) 1 changed, 0 unchanged, 255 ignored.
        dice_weight: Weight of the Dice loss.
    """
    known = (labels != IGNORE).to(logit.dtype)
    truth = (labels == 1).to(logit.dtype)
    entropy = functional.binary_cross_entropy_with_logits(
        logit, truth, weight=known, reduction='sum'
    ) / known.sum().clamp(min=1)
    found = logit.sigmoid() * known
    both = (found * truth).sum()
    coefficient = (2 * both + 1) / (found.sum() + truth.sum() + 1)
    return entropy + dice_weight * (1 - coefficient)
