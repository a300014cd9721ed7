# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Assignment: points inside learn, best ones highest, each one object at most."""

from __future__ import annotations

import math

import pytest

pytest.importorskip('torch')

import torch

from rs_onboard.training.assignment import POINTS, assign, candidates
from rs_onboard.training.gaussian_boxes import direction_of


def grid(side=64, stride=8):
    steps = torch.arange(side // stride) * stride + stride / 2 - 0.5
    y, x = torch.meshgrid(steps, steps, indexing='ij')
    points = torch.stack((x.flatten(), y.flatten()), dim=1)
    return points, torch.full((len(points),), float(stride))


def run(objects, theta, classes, boxes=None, probabilities=None):
    points, strides = grid()
    count = len(points)
    if boxes is None:
        boxes = torch.cat((points, torch.full((count, 2), 16.0)), dim=1)
    if probabilities is None:
        probabilities = torch.full((count, 3), 0.1)
    direction = torch.tensor([1.0, 0.0]).expand(count, 2)
    truth, turns = torch.tensor(objects), direction_of(torch.tensor(theta))
    found = assign(
        probabilities, boxes, direction, points, strides, truth, turns, torch.tensor(classes)
    )
    return points, found


def test_candidates_lie_in_the_turned_box_or_at_its_centre():
    points, strides = grid()
    theta = math.pi / 4
    inside = candidates(
        points,
        strides,
        torch.tensor([[32.0, 32.0, 60.0, 10.0]]),
        direction_of(torch.tensor([theta])),
    )[0]
    for point, given in zip(points.tolist(), inside.tolist(), strict=True):
        x, y = point[0] - 32, point[1] - 32
        along = x * math.cos(theta) + y * math.sin(theta)
        across = y * math.cos(theta) - x * math.sin(theta)
        within = abs(along) < 30 and abs(across) < 5
        assert given == (within or max(abs(x), abs(y)) < 8)
    # Upwards to the right is another direction.
    other = candidates(
        points,
        strides,
        torch.tensor([[32.0, 32.0, 60.0, 10.0]]),
        direction_of(torch.tensor([-theta])),
    )[0]
    assert (inside != other).any()


def test_a_small_object_between_the_points_is_learnt_all_the_same():
    _, found = run([[40.0, 40.0, 5.0, 5.0]], [0.0], [1])
    assert len(found.points) > 0
    assert (found.objects == 0).all()


def test_the_points_that_fit_best_have_the_highest_scores():
    points, _ = grid()
    boxes = torch.cat((points, torch.full((len(points), 2), 3.0)), dim=1)
    best = int(((points - torch.tensor([32.0, 32.0])).square().sum(1)).argmin())
    boxes[best] = torch.tensor([32.0, 32.0, 24.0, 24.0])
    _, found = run([[32.0, 32.0, 24.0, 24.0]], [0.0], [2], boxes=boxes)
    assert len(found.points) <= POINTS
    top = int(found.scores.argmax())
    assert int(found.points[top]) == best
    assert float(found.scores[top]) > 0.99
    assert (found.scores[torch.arange(len(found.points)) != top] < 0.5).all()


def test_a_point_learns_one_object_only_and_touching_objects_share_none():
    objects = [[20.0, 32.0, 30.0, 20.0], [34.0, 32.0, 30.0, 20.0]]
    _, found = run(objects, [0.0, 0.0], [0, 1])
    assert len(set(found.points.tolist())) == len(found.points)
    assert set(found.objects.tolist()) == {0, 1}
