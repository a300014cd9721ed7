# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Regions are those of a slow flood fill, and their outlines enclose their pixels exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception import regions
from rs_onboard.perception.regions import find_regions, outlines_of
from rs_onboard.perception.tiles import PixelBox


def flood(mask, steps):
    """Yield the pixels of every connected part of a mask, as sets of (y, x)."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    while left:
        part, front = set(), [left.pop()]
        while front:
            y, x = front.pop()
            part.add((y, x))
            near = {(y + dy, x + dx) for dy, dx in steps} & left
            left -= near
            front += near
        yield part


CORNERS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
EDGES = [(dy, dx) for dy, dx in CORNERS if not dy or not dx]


def slow_regions(probability, lowest, min_area_px):
    found = []
    for part in flood(probability >= lowest, CORNERS):
        if len(part) >= min_area_px:
            ys, xs = ([p[axis] for p in part] for axis in (0, 1))
            scores = [int(probability[p]) for p in part]
            first = min(part)
            box = (min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1)
            found.append((-len(part), first[0], box[0], first[1], box, scores))
    return sorted(found)


def polygon_area(corners):
    x, y = corners.astype(np.float64).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


masks = st.builds(
    lambda height, width, seed, share: (
        (np.random.default_rng(seed).random((height, width)) < share)
        * np.random.default_rng(seed + 1).integers(128, 256, (height, width))
    ).astype(np.uint8),
    st.integers(1, 16),
    st.integers(1, 16),
    st.integers(0, 10_000),
    st.sampled_from([0.05, 0.3, 0.6, 0.9, 1.0]),
)


@settings(max_examples=150, deadline=None)
@given(masks, st.integers(1, 6), st.sampled_from([128, 129, 200]))
def test_regions_are_those_of_a_slow_flood_fill_in_a_fixed_order(mask, least, lowest):
    found = find_regions(mask, threshold=lowest / 255, min_area_px=least)
    expected = slow_regions(mask, lowest, least)
    assert found.small == len(slow_regions(mask, lowest, 1)) - len(expected)
    assert found.beyond == 0
    assert [region.area_px for region in found.found] == [-row[0] for row in expected]
    for region, (*_, box, scores) in zip(found.found, expected, strict=True):
        assert region.box == PixelBox(*box)
        assert region.mean_score == pytest.approx(np.mean(scores) / 255)
        assert region.max_score == max(scores) / 255


@settings(max_examples=150, deadline=None)
@given(masks)
def test_an_outline_encloses_the_pixels_and_holes_of_its_region_and_nothing_else(mask):
    found = dict(outlines_of(mask > 0)) if mask.any() else {}
    parts = list(flood(mask, CORNERS))
    assert len(found) == len(parts)
    for part in parts:
        inside = np.zeros_like(mask, bool)
        inside[tuple(np.transpose(list(part)))] = True
        ring = np.pad(inside, 1)
        outside = max(flood(~ring, EDGES), key=lambda free: (0, 0) in free)
        (corners,) = (each for (x, y), each in found.items() if (y, x) in part)
        assert polygon_area(corners) == ring.size - len(outside)
        assert corners.min(axis=0).tolist() == np.argwhere(inside).min(axis=0)[::-1].tolist()
        assert corners.max(axis=0).tolist() == (np.argwhere(inside).max(axis=0)[::-1] + 1).tolist()


def test_a_rectangle_has_four_corners_clockwise_on_screen():
    mask = np.zeros((9, 12), np.uint8)
    mask[2:5, 3:10] = 255
    (region,), _, _ = find_regions(mask, threshold=0.5, min_area_px=1)
    start = region.outline.tolist().index([3, 2])
    assert np.roll(region.outline, -start, axis=0).tolist() == [[3, 2], [10, 2], [10, 5], [3, 5]]


def test_an_empty_mask_and_a_full_one_have_no_region_and_one():
    assert find_regions(np.zeros((5, 7), np.uint8), threshold=0.01, min_area_px=1).found == ()
    (region,), _, _ = find_regions(np.full((5, 7), 255, np.uint8), threshold=1.0, min_area_px=1)
    assert (region.area_px, region.mean_score, region.box) == (35, 1.0, (0, 0, 7, 5))


def test_of_too_many_regions_the_largest_are_kept(monkeypatch):
    monkeypatch.setattr(regions, 'MAX_REGIONS', 3)
    mask = np.zeros((4, 40), np.uint8)
    for number in range(6):
        mask[0, 6 * number : 6 * number + 1 + number % 5] = 255
    found = find_regions(mask, threshold=0.5, min_area_px=2)
    assert [region.area_px for region in found.found] == [5, 4, 3]
    assert (found.small, found.beyond) == (2, 1)
