# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The one-stage detector: what its points mean, its cost, and its export at every size."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

import torch

from rs_onboard.perception.boxes import corners, normalise
from rs_onboard.zoo.catalogue import network
from rs_onboard.zoo.count import build_on_meta, count_macs
from rs_onboard.zoo.export import compare_with_torch, deploy, export_model
from rs_onboard.zoo.points import EXPORTED, STRIDES, grid_points, le90


def random_detector(name, classes=3):
    """Build a detector whose norms and predictions are far from their starting values."""
    torch.manual_seed(1)
    built = network(name).build(classes=classes)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    for head in built.heads:
        for layer in (head.logits, head.box):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return built.eval()


def test_it_costs_less_than_five_gmac_and_a_tenth_of_two_stages():
    costs = {
        name: count_macs(build_on_meta(network(name), classes=10, bands=3), (1, 3, 512, 512)) / 1e9
        for name in ('points_decouplenet_d0', 'points_lwganet_l0', 'orcnn_decouplenet_d0')
    }
    assert max(costs['points_decouplenet_d0'], costs['points_lwganet_l0']) < 2.1
    assert costs['orcnn_decouplenet_d0'] > 10 * costs['points_decouplenet_d0']


def test_points_are_the_centres_of_their_cells_and_cover_the_image():
    points = grid_points(torch.zeros(1, 2, 2, 3), 8)
    # Pixel centres are at whole numbers: the first cell of eight pixels runs from -0.5 to 7.5.
    expected = [(3.5, 3.5), (11.5, 3.5), (19.5, 3.5), (3.5, 11.5), (11.5, 11.5), (19.5, 11.5)]
    assert [tuple(point) for point in points.tolist()] == expected
    with torch.no_grad():
        found = random_detector('points_decouplenet_d0')(torch.zeros(2, 3, 128, 192))
    count = sum((128 // s) * (192 // s) for s in STRIDES)
    assert found.logits.shape == (2, count, 3)
    assert found.points.shape == (count, 2)
    norms = found.direction.norm(dim=2)
    assert float(norms.min()) > 0.9
    assert float(norms.max()) <= 1.0


def test_boxes_leave_as_the_same_rectangles_in_le90():
    rng = np.random.default_rng(0)
    rows = rng.uniform(1, 50, (500, 4))
    theta = rng.uniform(-math.pi, math.pi, 500)
    direction = np.stack((np.cos(2 * theta), np.sin(2 * theta)), axis=1)
    found = le90(torch.tensor(rows), torch.tensor(direction)).numpy()
    expected = normalise(np.column_stack((rows, theta)))
    np.testing.assert_allclose(found[:, :4], expected[:, :4])
    turn = (found[:, 4] - expected[:, 4] + math.pi / 2) % math.pi - math.pi / 2
    np.testing.assert_allclose(turn, 0, atol=1e-9)
    assert (found[:, 4] >= -math.pi / 2).all()
    assert (found[:, 4] < math.pi / 2).all()


def test_the_best_points_of_each_image_leave_it_and_name_it():
    detector = random_detector('points_decouplenet_d0')
    images = torch.randn(2, 3, 192, 128)
    with torch.no_grad():
        boxes, scores, labels, owners = detector.candidates(images)
        alone = detector.candidates(images[1:])
    assert boxes.shape == (2 * EXPORTED, 5)
    assert owners.tolist() == [0] * EXPORTED + [1] * EXPORTED
    assert (scores[1:EXPORTED] <= scores[: EXPORTED - 1]).all()
    assert 0 <= int(labels.min()) <= int(labels.max()) < 3
    torch.testing.assert_close(scores[EXPORTED:], alone[1], atol=1e-5, rtol=0)
    # Rounding may exchange two points of one score.
    same = torch.isclose(boxes[EXPORTED:], alone[0], atol=1e-2, rtol=1e-3).all(dim=1)
    assert same.float().mean() > 0.9


def test_upright_boxes_are_upright():
    with torch.no_grad():
        boxes, *_ = random_detector('upright_lwganet_l0').candidates(torch.randn(1, 3, 128, 128))
    quads = corners(boxes.numpy())
    sides = np.abs(quads - np.roll(quads, 1, axis=1))
    assert (sides.min(axis=2) < 1e-3 * sides.max(axis=2)).all()


@pytest.mark.parametrize('name', ['points_decouplenet_d0', 'points_lwganet_l0'])
def test_the_exported_graph_does_what_torch_does_at_every_size(name):
    entry = network(name)
    built = random_detector(name, classes=1)
    model = export_model(entry, built, size=(192, 192))
    assert {item.domain for item in model.opset_import} <= {'', 'ai.onnx'}
    rng = np.random.default_rng(2)
    batches = [
        {'tiles': rng.integers(0, 256, (count, height, width, 3), np.uint8)}
        for count, height, width in ((1, 192, 192), (5, 128, 128), (2, 128, 256), (1, 320, 192))
    ]
    compare_with_torch(deploy(entry, built), model, batches)
