# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures are placed by the directions of their edges, and patches to a part of a pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.geo.correlation import PASSES, PatchSearch, edges, magnitude, place, search

IMAGES = Path(__file__).parents[1] / 'data' / 'images'
HEIGHT, WIDTH = 480, 640


@pytest.fixture(scope='module')
def ground():
    """Return a photograph of ground, (760, 1000) uint8 grey."""
    picture = cv2.imread(str(IMAGES / 'aerial.jpg'), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(picture, (1000, 760), interpolation=cv2.INTER_CUBIC)


def pair(ground, matrix):
    """Cut a frame, and the view that `matrix` moves onto it, with what it shows."""
    frame = np.ascontiguousarray(ground[140 : 140 + HEIGHT, 180 : 180 + WIDTH])
    to_ground = np.array([[1, 0, 180], [0, 1, 140], [0, 0, 1]], float) @ matrix
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    whole = np.full_like(ground, 255)
    return frame, *(
        cv2.warpPerspective(image, to_ground, (WIDTH, HEIGHT), flags=flags)
        for image in (ground, whole)
    )


def moved(points, matrix):
    places = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return places[:, :2] / places[:, 2:]


MOTIONS = [
    (turn, scale, x, y)
    for turn, scale in ((3.0, 0.9), (-6.0, 1.0), (4.0, 1.15), (0.0, 1.0))
    for x, y in ((35.0, -22.0), (-60.0, 41.0))
]


@pytest.mark.parametrize(('turn', 'scale', 'x', 'y'), MOTIONS)
def test_the_whole_is_placed_within_a_step_of_the_search_and_patches_within_a_pixel(
    ground, turn, scale, x, y
):
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), turn, scale)
    matrix[:2, 2] += (x, y)
    frame, view, mask = pair(ground, matrix)
    coarse = place(frame, view, mask)
    assert coarse.peak > 10
    corners = np.array([(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)], float)
    gaps = np.linalg.norm(moved(corners, coarse.matrix) - moved(corners, matrix), axis=1)
    # Half a step of the search, 1.5 degrees or 6 % of the scale, at the corners.
    assert gaps.max() < 26
    source, target = search(frame, view, mask, coarse.matrix, PASSES[0])
    misses = np.linalg.norm(moved(source, matrix) - target, axis=1)
    assert len(source) > 20
    # On pictures of half the size.
    assert np.median(misses) < 2.0
    source, target = search(frame, view, mask, matrix, PASSES[1])
    assert len(source) > 40
    assert np.median(np.linalg.norm(moved(source, matrix) - target, axis=1)) < 0.2


def test_edges_are_the_same_in_a_negative(ground):
    gap = np.abs(edges(ground) - edges(255 - ground))
    # Smoothing rounds a negative the other way.
    assert np.quantile(gap, 0.999) < 0.1


@pytest.mark.parametrize(('half', 'far'), [(29, 19), (29, 8), (12, 5)])
def test_patches_correlate_as_opencv_has_it(ground, half, far):
    image = magnitude(ground)
    search = PatchSearch(image, half, far)
    rng = np.random.default_rng(3)
    margin = half + far
    for _ in range(12):
        row, column = (int(rng.integers(margin, side - margin)) for side in image.shape)
        patch = image[row - half : row + half, column - half : column + half]
        # The image is compared with a patch of its own that another noise has disturbed.
        patch = (patch + rng.normal(0, patch.std(), patch.shape)).astype(np.float32)
        centred = patch - patch.mean()
        found = search.correlate(centred, float(np.linalg.norm(centred)), row, column)
        around = image[row - margin : row + margin, column - margin : column + margin]
        expected = cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED)
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_even_ground_correlates_with_nothing():
    search = PatchSearch(np.full((100, 100), 3.0, np.float32), 10, 4)
    found = search.correlate(np.zeros((20, 20), np.float32), 0.0, 50, 50)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e-3
