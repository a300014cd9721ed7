# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Learning to find objects: task-aligned scores, and boxes by probabilistic IoU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from rs_onboard.perception.boxes import areas, corners, from_corners
from rs_onboard.perception.suppression import suppress
from rs_onboard.training.assignment import assign
from rs_onboard.training.augment import Window, degrade
from rs_onboard.training.average_precision import Objects, Ranking, match
from rs_onboard.training.gaussian_boxes import direction_of, gaussians, probabilistic_iou
from rs_onboard.training.tasks.base import Scores, Tones, to_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rs_onboard.training.data.sample import DataSet, Image, Sample
    from rs_onboard.training.recipe import Recipe
    from rs_onboard.zoo.points import Predictions

# An object of which less is within a tile is not asked for there.
VISIBLE = 0.4
BOX_WEIGHT = 2.0
# Suppression while validating, as in flight.
IOU, LEAST_SCORE = 0.1, 0.05
MULTIPLE = 64


class DetectionTask:
    """Oriented boxes; sets in which not all classes are labelled teach only those that are."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        self.recipe = recipe
        self.classes = len(data.classes)
        train = data.splits['train']
        self.tones = Tones(train)
        known = {sample.origin: np.zeros(self.classes, np.bool_) for sample in train}
        for sample in train:
            if sample.objects is not None:
                known[sample.origin][sample.objects.classes] = True
        self.known = known

    def loss(
        self,
        network: nn.Module,
        samples: Sequence[Sample],
        size: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """Augment images with their objects and add up the losses of scores and boxes."""
        tiles = [self._tile(sample, size, rng) for sample in samples]
        found: Predictions = network(to_input([image for image, _ in tiles]))
        probabilities = found.logits.detach().sigmoid()
        target = torch.zeros_like(found.logits)
        box_loss, weight = found.boxes.sum() * 0.0, found.boxes.new_zeros(())
        for index, (_, objects) in enumerate(tiles):
            if not len(objects.boxes):
                continue
            truth = torch.as_tensor(objects.boxes, dtype=torch.float32)
            labels = torch.as_tensor(objects.classes)
            direction = direction_of(truth[:, 4])
            chosen = assign(
                probabilities[index],
                found.boxes[index].detach(),
                found.direction[index].detach(),
                found.points,
                found.strides,
                truth[:, :4],
                direction,
                labels,
            )
            target[index, chosen.points, labels[chosen.objects]] = chosen.scores
            ours = gaussians(
                found.boxes[index, chosen.points], found.direction[index, chosen.points]
            )
            theirs = gaussians(truth[chosen.objects, :4], direction[chosen.objects])
            gap = 1 - probabilistic_iou(ours, theirs)
            # Points that fit badly still learn a little, or nothing would start.
            share = chosen.scores.clamp(min=0.1)
            box_loss = box_loss + (gap * share).sum()
            weight = weight + share.sum()
        asked = np.stack([self.known[sample.origin] for sample in samples])
        mask = torch.as_tensor(asked)[:, None, :]
        scores = functional.binary_cross_entropy_with_logits(found.logits, target, reduction='none')
        # Easy background must not drown the objects (quality focal loss).
        focus = (found.logits.sigmoid() - target).abs().square().detach()
        score_loss = (scores * focus * mask).sum() / target.sum().clamp(min=1.0)
        return score_loss + BOX_WEIGHT * box_loss / weight.clamp(min=1.0)

    def validate(self, network: nn.Module, samples: Sequence[Sample]) -> Scores:
        """Find the objects of whole images at their own size; the figure is AP50 over classes."""
        judged = []
        for sample in samples:
            assert sample.objects is not None
            image = padded(sample.image)
            with torch.no_grad():
                outputs = network.candidates(to_input([image]))
            boxes, scores, labels = (output.cpu().numpy() for output in outputs[:3])
            high = (scores >= LEAST_SCORE) & self.known_of(sample)[labels]
            boxes, scores, labels = boxes[high], scores[high], labels[high]
            kept = suppress(boxes, scores, labels, threshold=IOU)
            judged.append(
                match(boxes[kept], scores[kept], labels[kept], sample.objects, self.classes)
            )
        average = float(np.nanmean(Ranking(judged).average_precision()))
        return Scores(average, {'ap50': average})

    def known_of(self, sample: Sample) -> NDArray[np.bool_]:
        """Say which classes the set of a sample labels, (C,)."""
        return self.known.get(sample.origin, np.ones(self.classes, np.bool_))

    def _tile(self, sample: Sample, size: int, rng: np.random.Generator) -> tuple[Image, Objects]:
        """Cut a tile with the objects that are visible in it."""
        assert sample.objects is not None
        height, width = sample.image.shape[:2]
        place = Window.draw(height, width, size, self.recipe.augment, rng)
        image = degrade(
            place.cut(sample.image, size),
            self.recipe.augment,
            rng,
            self.tones.draw(sample, rng),
        )
        return image, within(sample.objects, place, size)


def within(objects: Objects, place: Window, size: int) -> Objects:
    """Bring objects into a tile and keep those of which enough is visible.

    What is cut keeps its whole box: the part in the tile says where the rest is.
    """
    quads = corners(objects.boxes).reshape(-1, 2)
    boxes = from_corners(place.move(quads, size).reshape(-1, 4, 2))
    inside = np.array([visible_share(quad, size) for quad in corners(boxes)])
    kept = (inside >= VISIBLE) & (areas(boxes) > 4.0) if len(boxes) else np.zeros(0, np.bool_)
    return Objects(boxes[kept], objects.classes[kept], objects.difficult[kept])


def visible_share(quad: NDArray[np.float64], size: int) -> float:
    """Return how much of a convex quadrilateral (4, 2) lies within the tile, by a grid in it."""
    steps = (np.arange(8) + 0.5) / 8
    u, v = (grid.ravel()[:, None] for grid in np.meshgrid(steps, steps))
    points = quad[0] + u * (quad[1] - quad[0]) + v * (quad[3] - quad[0])
    return float(((points > -0.5) & (points < size - 0.5)).all(axis=1).mean())


def padded(image: Image) -> Image:
    """Pad an image at the right and bottom to sides that the network takes, with its mean.

    Not mirrored as for segmentation: a mirrored object would count as a false one.
    """
    pads = [-side % MULTIPLE for side in image.shape[:2]]
    wide = np.full(
        (image.shape[0] + pads[0], image.shape[1] + pads[1], 3), image.mean((0, 1)), np.uint8
    )
    wide[: image.shape[0], : image.shape[1]] = image
    return wide
