# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Second stage: classify and refine the proposals, then keep the best of overlapping boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_onboard.perception.suppression import suppress
from rs_onboard.zoo.oriented_rcnn.coders import DeltaCoder
from rs_onboard.zoo.oriented_rcnn.roi_align import BINS

CODER = DeltaCoder()
MIN_SCORE = 0.05
SUPPRESSION_IOU = 0.1
DETECTIONS = 2000  # an image


class RoiHead(nn.Module):
    """Two shared layers, then class scores and one refinement for all classes.

    Input [R, width, 7, 7]; output logits [R, classes + 1] (background last) and deltas [R, 5].
    """

    def __init__(self, classes: int, width: int = 256, hidden: int = 1024) -> None:
        super().__init__()
        self.first = nn.Linear(width * BINS**2, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.logits = nn.Linear(hidden, classes + 1)
        self.deltas = nn.Linear(hidden, 5)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Score and refine the regions."""
        x = functional.relu(self.first(regions.flatten(1)))
        x = functional.relu(self.second(x))
        return self.logits(x), self.deltas(x)


@dataclass(frozen=True)
class Detections:
    """Objects of one image, best first.

    Attributes:
        boxes: [K, 5] float32 cx, cy, w, h, theta: pixels, radians, le90.
        scores: [K] float32 in [0, 1].
        labels: [K] int64, the class.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor

    def rows(self) -> Tensor:
        """Return [K, 7] float32: box, score, label."""
        columns = (self.boxes, self.scores[:, None], self.labels[:, None].to(self.boxes))
        return torch.cat(columns, dim=1)

    def by_class(self) -> Tensor:
        """Return the rows grouped by class, best first within a class."""
        return self.rows()[torch.argsort(self.labels, stable=True)]


def scored(probabilities: Tensor, min_score: float) -> tuple[Tensor, Tensor]:
    """List the pairs of region and class that score: regions and classes, both [K] int64.

    Args:
        probabilities: [R, classes + 1], background last.
        min_score: Scores must be above.
    """
    region, label = (probabilities[:, :-1] > min_score).nonzero().unbind(1)
    return region, label


def detections(
    boxes: Tensor,
    probabilities: Tensor,
    *,
    min_score: float = MIN_SCORE,
    threshold: float = SUPPRESSION_IOU,
    most: int = DETECTIONS,
) -> Detections:
    """Keep, class by class, the boxes that score and overlap no better one.

    Every box stands for each class it scores in. Classes are kept apart as the authors' program
    does it, by a shift in float32, because its rounding moves overlaps near the threshold.

    Args:
        boxes: [R, 5] float32.
        probabilities: [R, classes + 1], background last.
        min_score: Scores must be above.
        threshold: Exact rotated IoU above which the lesser box of a class is dropped.
        most: Detections an image.
    """
    region, label = scored(probabilities, min_score)
    found, score = boxes[region], probabilities[region, label]
    if not len(region):
        return Detections(found, score, label)
    lane = found[:, :2].max() + found[:, 2:4].max() + 1
    apart = found.clone()
    apart[:, :2] += (label * lane)[:, None]
    kept = suppress(
        apart.detach().cpu().numpy(),
        score.detach().cpu().numpy(),
        threshold=threshold,
        limit=most,
    )
    keep = torch.from_numpy(kept).to(found.device)
    return Detections(found[keep], score[keep], label[keep])
