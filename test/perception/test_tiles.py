# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tile grids overlap as asked, cover every pixel once, and cost nothing until tiles are cut."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.errors import TileError
from rs_onboard.perception.tiles import MAX_TILES, TilePlan, make_grid


def nearest_tile(grid):
    """Decide pixel by pixel which tile centre is nearest, the earlier one at equal distance."""
    axes = []
    for starts, tile, length in (
        (grid.ys, grid.tile_height, grid.height),
        (grid.xs, grid.tile_width, grid.width),
    ):
        # Twice the positions, so that centres of pixels and of tiles are whole numbers.
        axes.append(
            [
                min(range(len(starts)), key=lambda i: (abs(2 * p + 1 - 2 * starts[i] - tile), i))
                for p in range(length)
            ]
        )
    rows, columns = np.array(axes[0]), np.array(axes[1])
    return rows[:, np.newaxis] * len(grid.xs) + columns


def owner(grid):
    """Return which tile's core holds each pixel and how many cores do."""
    owners = np.full((grid.height, grid.width), -1)
    times = np.zeros((grid.height, grid.width), int)
    for index, core in enumerate(grid.cores()):
        owners[core.frame] = index
        times[core.frame] += 1
    return owners, times


@st.composite
def plans(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    overlap = draw(st.integers(0, min(height, width) - 1))
    return TilePlan(height, width, overlap, dynamic=draw(st.booleans()))


@settings(max_examples=80, deadline=None)
@given(plans(), st.integers(1, 60), st.integers(1, 60), st.floats(0.1, 1.6))
def test_cores_give_every_pixel_to_the_nearest_tile_exactly_once(plan, height, width, scale):
    grid = make_grid(plan, height, width, scale=scale)
    owners, times = owner(grid)
    assert (times == 1).all()
    assert (owners == nearest_tile(grid)).all()


@settings(max_examples=80, deadline=None)
@given(plans(), st.integers(1, 100), st.integers(1, 100))
def test_neighbours_overlap_as_asked_and_the_last_tile_ends_at_the_edge(plan, height, width):
    grid = make_grid(plan, height, width)
    for starts, tile, length in (
        (grid.ys, grid.tile_height, height),
        (grid.xs, grid.tile_width, width),
    ):
        assert starts[0] == 0
        assert starts[-1] + tile == max(tile, length)
        steps = np.diff(starts)
        assert (steps > 0).all()
        assert (steps <= tile - plan.overlap).all() or len(starts) == 1
        # No fewer tiles would do.
        if len(starts) > 1:
            assert tile + (len(starts) - 2) * (tile - plan.overlap) < length


@settings(max_examples=50, deadline=None)
@given(plans(), st.integers(1, 60), st.integers(1, 60), st.floats(0.1, 1.6))
def test_both_slices_of_a_core_are_the_same_pixels_within_the_tile(plan, height, width, scale):
    grid = make_grid(plan, height, width, scale=scale)
    for index, core in enumerate(grid.cores()):
        y, x = grid.origin(index)
        assert (core.frame[0].start, core.frame[1].start) == (
            y + core.tile[0].start,
            x + core.tile[1].start,
        )
        for part, whole, side in zip(
            core.tile, core.frame, (grid.tile_height, grid.tile_width), strict=True
        ):
            assert 0 <= part.start < part.stop <= side
            assert part.stop - part.start == whole.stop - whole.start


def test_a_frame_that_fits_is_one_tile():
    grid = make_grid(TilePlan(128, 256, 64), 128, 256)
    assert (len(grid), grid.ys, grid.xs) == (1, (0,), (0,))
    assert not grid.resampled
    assert grid.box(0) == (0, 0, 256, 128)


def test_one_pixel_more_than_a_tile_takes_a_second_tile():
    grid = make_grid(TilePlan(128, 128, 32), 129, 128)
    assert (grid.ys, grid.xs) == ((0, 1), (0,))


def test_a_frame_smaller_than_a_tile_sticks_out_at_the_right_and_bottom_only():
    grid = make_grid(TilePlan(128, 128), 1, 1)
    assert (grid.tile_height, grid.tile_width, len(grid)) == (128, 128, 1)
    assert grid.core(0).frame == (slice(0, 1), slice(0, 1))
    assert grid.core(0).tile == (slice(0, 1), slice(0, 1))


@pytest.mark.parametrize(
    ('length', 'multiple', 'minimum', 'side'),
    [
        (1, 1, 1, 1),
        (1, 32, 32, 32),
        (33, 32, 32, 64),
        (100, 32, 64, 128),
        (10, 16, 20, 32),  # the least side is no multiple itself
        (127, 32, 32, 128),
        (500, 32, 32, 128),
    ],
)
def test_dynamic_tiles_shrink_to_the_frame_but_stay_multiples(length, multiple, minimum, side):
    plan = TilePlan(128, 128, dynamic=True, multiple=multiple, minimum=minimum)
    grid = make_grid(plan, length, 128)
    assert (grid.tile_height, grid.tile_width) == (side, 128)


def test_tiles_lie_in_the_original_frame_by_their_boxes():
    grid = make_grid(TilePlan(50, 50), 100, 200, scale=0.5)
    assert (grid.height, grid.width, grid.resampled) == (50, 100, True)
    assert [grid.box(i) for i in range(2)] == [(0, 0, 100, 100), (100, 0, 100, 100)]


def test_a_frame_never_shrinks_to_nothing():
    grid = make_grid(TilePlan(64, 64), 100, 3, scale=0.01)
    assert (grid.height, grid.width, len(grid)) == (1, 1, 1)


def test_a_grid_over_a_hundred_megapixels_allocates_no_tiles():
    tracemalloc.start()
    grid = make_grid(TilePlan(512, 512, 128), 10_000, 10_000)
    cores = sum(1 for _ in grid.cores())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cores == len(grid) == 26 * 26
    assert peak < 100_000, f'{peak} bytes: the grid holds more than where tiles start'


@pytest.mark.parametrize('size', [(0, 10), (10, 0), (-1, 10)])
def test_an_empty_frame_is_refused(size):
    with pytest.raises(TileError, match=r'tile grid: found a frame of .* at least 1x1'):
        make_grid(TilePlan(16, 16), *size)


def test_more_tiles_than_any_good_plan_gives_are_refused():
    assert len(make_grid(TilePlan(1, 1), 100, 100)) == MAX_TILES
    with pytest.raises(TileError, match=r'10100 tiles of 1x1 px; at most 10000.*larger tiles'):
        make_grid(TilePlan(1, 1), 100, 101)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ((0, 16), 'found tiles of 0x16 px; expected at least 1x1'),
        ((16, -1), 'found tiles of 16x-1 px'),
        ((16, 32, 16), 'an overlap of 16 px with tiles of 16x32 px; expected 0 to 15'),
        ((16, 16, -1), 'an overlap of -1 px'),
    ],
)
def test_plans_that_cover_nothing_are_refused(values, message):
    with pytest.raises(TileError, match=message):
        TilePlan(*values)
