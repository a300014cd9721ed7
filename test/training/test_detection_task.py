# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Objects move with their tiles, unlabelled classes teach nothing, and learning learns."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

import torch

from rs_onboard.perception.boxes import corners
from rs_onboard.training.augment import Window
from rs_onboard.training.average_precision import Objects
from rs_onboard.training.data.sample import DataSet, Sample
from rs_onboard.training.recipe import AugmentRecipe
from rs_onboard.training.tasks.detection import DetectionTask, padded, visible_share, within
from rs_onboard.zoo.points import Predictions, grid_points

SPREAD = AugmentRecipe('image', 0.4, 1.4, 0.7, 0, 0, 0, 0, 0)
BOXES = np.array([[100.0, 70.0, 80.0, 16.0, 0.6], [40.0, 100.0, 30.0, 12.0, -1.2]])


def painted(height=160, width=200):
    """An image whose objects are white and grey rectangles."""
    image = np.zeros((height, width, 3), np.uint8)
    for quad, value in zip(corners(BOXES), (255, 130), strict=True):
        cv2.fillConvexPoly(image, np.rint(quad).astype(np.int32), (value,) * 3)
    return image


def sample(classes=(0, 1), origin=''):
    objects = Objects(BOXES, np.array(classes), np.zeros(2, np.bool_))
    return Sample(f'{origin}/one', painted(), objects=objects, origin=origin)


def task_of(samples, classes=('a', 'b', 'c')):
    data = DataSet(Path(), classes, {'train': tuple(samples), 'val': tuple(samples)})
    return DetectionTask(SimpleNamespace(augment=SPREAD), data)


def test_boxes_and_pixels_move_together():
    rng = np.random.default_rng(0)
    image, objects = painted(), sample().objects
    seen = 0
    for _ in range(60):
        place = Window.draw(160, 200, 96, SPREAD, rng)
        tile = place.cut(image, 96)
        moved = within(objects, place, 96)
        for box, label in zip(moved.boxes, moved.classes, strict=True):
            inside = np.zeros((96, 96), np.uint8)
            core = corners([box * (1, 1, 0.7, 0.5, 1)])[0]
            cv2.fillConvexPoly(inside, np.rint(core).astype(np.int32), 1)
            pixels = tile[inside > 0, 0].astype(int)
            if len(pixels) > 8:
                assert np.median(pixels) == pytest.approx((255, 130)[label], abs=12)
                seen += 1
    assert seen > 40


def test_an_object_mostly_outside_the_tile_is_not_asked_for():
    quad = corners([[0.0, 50.0, 40.0, 10.0, 0.0]])[0]
    assert visible_share(quad, 100) == pytest.approx(0.5, abs=0.07)
    assert visible_share(quad + np.array([200, 0]), 100) == 0.0
    assert visible_share(quad + np.array([50, 0]), 100) == 1.0


class FreePoints(torch.nn.Module):
    """A network whose predictions are its parameters, whatever it sees."""

    def __init__(self, classes=3, side=96):
        super().__init__()
        self.points = grid_points(torch.zeros(1, 1, side // 8, side // 8), 8)
        count = len(self.points)
        self.logits = torch.nn.Parameter(torch.full((1, count, classes), -3.0))
        self.sizes = torch.nn.Parameter(torch.zeros(1, count, 2))
        self.turn = torch.nn.Parameter(torch.tensor([1.0, 0.1]).repeat(1, count, 1))

    def forward(self, images):
        batch = len(images)
        boxes = torch.cat(
            (self.points.expand(batch, -1, 2), self.sizes.exp().expand(batch, -1, 2) * 24), dim=2
        )
        turn = self.turn / self.turn.norm(dim=2, keepdim=True)
        logits = self.logits.expand(batch, -1, -1)
        strides = torch.full((len(self.points),), 8.0)
        return Predictions(logits, boxes, turn.expand(batch, -1, 2), self.points, strides)


def test_classes_that_a_set_does_not_label_are_left_alone():
    one = sample((0, 0), 'first')
    task = task_of([one, sample((0, 1), 'second')])
    assert task.known_of(one).tolist() == [True, False, False]
    network = FreePoints()
    task.loss(network, [one], 96, np.random.default_rng(1)).backward()
    touched = network.logits.grad.abs().sum((0, 1))
    assert touched[0] > 0
    assert touched[1:].tolist() == [0.0, 0.0]


def test_learning_brings_boxes_to_the_objects():
    whole = AugmentRecipe('image', 1.0, 1.0, 0, 0, 0, 0, 0, 0)
    one = dataclasses.replace(sample(), image=painted(160, 160))
    task = task_of([one])
    task.recipe.augment = whole
    network = FreePoints(side=128)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.05)
    losses = []
    for _ in range(150):
        # The same orientation every time.
        loss = task.loss(network, [one], 128, np.random.default_rng(5))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.45 * losses[0]


def test_an_image_without_objects_teaches_the_background():
    nothing = Objects(np.zeros((0, 5)), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    bare = dataclasses.replace(sample(), objects=nothing)
    task = task_of([sample((0, 1)), bare])
    network = FreePoints()
    loss = task.loss(network, [bare], 96, np.random.default_rng(1))
    assert torch.isfinite(loss)
    loss.backward()
    assert (network.logits.grad[..., :2] > 0).all()


def test_images_are_padded_to_sides_the_network_takes():
    image = padded(painted(100, 129))
    assert image.shape == (128, 192, 3)
    assert np.array_equal(image[:100, :129], painted(100, 129))
