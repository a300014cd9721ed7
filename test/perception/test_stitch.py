# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Stitched masks are those of a slow loop over pixels, at the frame's scale and at others."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import frame_of, model_of, random_image

from rs_onboard.perception.mask_pool import MaskPool
from rs_onboard.perception.segmentation import SegmentationTask
from rs_onboard.perception.stitch import UNKNOWN_LABEL, MaskStitcher
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tiles import TilePlan, make_grid


def slow_stitch(grid, masks):
    """Take each pixel from the tile with the nearest centre, then the nearest pixel's value."""
    scaled = np.empty((grid.height, grid.width), np.uint8)
    for y in range(grid.height):
        for x in range(grid.width):
            index = min(
                range(len(grid)),
                key=lambda i: (
                    abs(2 * y + 1 - 2 * grid.origin(i)[0] - grid.tile_height),
                    abs(2 * x + 1 - 2 * grid.origin(i)[1] - grid.tile_width),
                    i,
                ),
            )
            top, left = grid.origin(index)
            scaled[y, x] = masks[index][y - top, x - left]
    mask = np.empty((grid.frame_height, grid.frame_width), np.uint8)
    for y in range(grid.frame_height):
        for x in range(grid.frame_width):
            # The scaled pixel that holds the centre of this one.
            row = int(Fraction(2 * y + 1, 2) * grid.height / grid.frame_height)
            column = int(Fraction(2 * x + 1, 2) * grid.width / grid.frame_width)
            mask[y, x] = scaled[row, column]
    return mask


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(3, 12),
    st.integers(0, 5),
    st.sampled_from([1.0, 0.5, 0.37, 1.4, 2.0]),
    st.randoms(use_true_random=False),
)
def test_stitching_in_any_order_is_the_slow_loop(height, width, side, overlap, scale, random):
    grid = make_grid(TilePlan(side, side + 1, min(overlap, side - 1)), height, width, scale=scale)
    masks = np.random.default_rng(random.randrange(1000)).integers(
        0, 255, (len(grid), side, side + 1), np.uint8
    )
    stitcher = MaskStitcher(grid, fill=UNKNOWN_LABEL, pool=MaskPool())
    for index in random.sample(range(len(grid)), len(grid)):
        stitcher.paste((index,), masks[index : index + 1])
    assert (stitcher.mask() == slow_stitch(grid, masks)).all()


def test_several_masks_are_pasted_at_once():
    grid = make_grid(TilePlan(4, 4, 2), 9, 11)
    masks = np.random.default_rng(0).integers(0, 255, (len(grid), 4, 4), np.uint8)
    stitcher = MaskStitcher(grid, fill=0, pool=MaskPool())
    stitcher.paste(range(5), masks[:5])
    stitcher.paste(range(5, len(masks)), masks[5:])
    assert (stitcher.mask() == slow_stitch(grid, masks)).all()


def test_what_no_tile_covers_keeps_the_fill():
    grid = make_grid(TilePlan(4, 4), 4, 8)
    stitcher = MaskStitcher(grid, fill=UNKNOWN_LABEL, pool=MaskPool())
    stitcher.paste((1,), np.zeros((1, 4, 4), np.uint8))
    assert stitcher.mask().tolist() == [[255] * 4 + [0] * 4] * 4


@pytest.mark.parametrize('scale', [0.25, 0.4, 0.9])
def test_resampling_does_not_move_the_mask(scale):
    """A mask that is mirrored before stitching comes out mirrored, to the pixel."""
    grid = make_grid(TilePlan(100, 100), 97, 83, scale=scale)
    mask = np.zeros((1, grid.tile_height, grid.tile_width), np.uint8)
    mask[0, : grid.height, : grid.width] = np.random.default_rng(1).integers(
        0, 9, (grid.height, grid.width)
    )
    mirrored = np.zeros_like(mask)
    mirrored[0, : grid.height, : grid.width] = mask[0, : grid.height, : grid.width][::-1, ::-1]
    results = []
    for tile in (mask, mirrored):
        stitcher = MaskStitcher(grid, fill=0, pool=MaskPool())
        stitcher.paste((0,), tile)
        results.append(stitcher.mask())
    different = results[0] != results[1][::-1, ::-1]
    # Only a pixel whose centre lies on a seam has no mirror image of its own.
    assert different.mean() < 0.02


@pytest.fixture(scope='module')
def colour():
    return model_of('segmentation')


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000), st.integers(1, 3))
def test_stitched_labels_are_the_strongest_band_of_every_pixel(colour, height, width, seed, batch):
    image = random_image(height, width, seed)
    task = SegmentationTask(colour, batch=batch, overlap=seed % 100)
    result = task.run(Tiler({'segmentation': task.plan}).cut(frame_of(image))['segmentation'])
    assert (result.labels == image.argmax(axis=2)).all()
    assert (result.confidence == image.max(axis=2)).all()
    assert result.report.tiles.count == len(make_grid(task.plan, height, width))
