# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The probabilistic IoU: symmetric, bounded, blind to names of sides, and with gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip('torch')

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.training.gaussian_boxes import direction_of, gaussians, probabilistic_iou

sides = st.floats(2, 300)
places = st.floats(-200, 200)
angles = st.floats(-math.pi, math.pi)
boxes = st.tuples(places, places, sides, sides, angles)


def iou(one, two):
    rows = [torch.tensor([box], dtype=torch.float64) for box in (one, two)]
    return float(
        probabilistic_iou(*(gaussians(row[:, :4], direction_of(row[:, 4])) for row in rows))
    )


def slow_iou(one, two):
    """Compute it by matrices, as the paper writes it."""
    means, covariances = [], []
    for cx, cy, w, h, theta in (one, two):
        turn = np.array([[math.cos(theta), -math.sin(theta)], [math.sin(theta), math.cos(theta)]])
        means.append(np.array([cx, cy]))
        covariances.append(turn @ np.diag([w * w / 12, h * h / 12]) @ turn.T)
    middle = (covariances[0] + covariances[1]) / 2
    gap = means[1] - means[0]
    dets = [np.linalg.det(c) for c in covariances]
    distance = gap @ np.linalg.solve(middle, gap) / 8 + 0.5 * math.log(
        np.linalg.det(middle) / math.sqrt(dets[0] * dets[1])
    )
    return 1 - math.sqrt(max(0.0, 1 - math.exp(-min(distance, 100.0))))


@settings(max_examples=150, deadline=None)
@given(boxes, boxes)
def test_it_is_what_the_paper_defines_and_symmetric(one, two):
    value = iou(one, two)
    assert value == pytest.approx(slow_iou(one, two), abs=2e-3)
    assert value == pytest.approx(iou(two, one), abs=1e-9)
    assert -1e-6 <= value <= 1


@settings(max_examples=50, deadline=None)
@given(boxes)
def test_a_box_fits_itself_whatever_its_sides_and_half_turns_are_called(box):
    cx, cy, w, h, theta = box
    assert iou(box, box) > 0.999
    assert iou(box, (cx, cy, w, h, theta + math.pi)) > 0.999
    assert iou(box, (cx, cy, h, w, theta + math.pi / 2)) > 0.999


def test_far_boxes_of_other_shapes_still_have_a_gradient():
    start = torch.tensor([[10.0, 10.0, 34.0, 30.0]], requires_grad=True)
    turn = torch.tensor([[0.7, 0.7]], requires_grad=True)
    goal = gaussians(torch.tensor([[25.0, 5.0, 80.0, 12.0]]), direction_of(torch.tensor([-1.2])))
    (1 - probabilistic_iou(gaussians(start, turn), goal)).sum().backward()
    assert torch.isfinite(start.grad).all()
    assert (start.grad != 0).all()
    assert (turn.grad != 0).all()
