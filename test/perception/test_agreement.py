# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The memory of the ground: places stay where they are, and count looks and finds."""

from __future__ import annotations

import numpy as np
import pytest
from flown_maps import CAMERA, LATITUDE, LONGITUDE, pose_above
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import nadir_pose

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.reference.view import GroundGrid
from rs_onboard.geo.wgs84 import wgs84_to_offset
from rs_onboard.perception.agreement import MAX_BLOCKS, GroundMemory
from rs_onboard.perception.errors import TaskError

SECOND = 1_000_000_000
EYE = CAMERA.scaled_to(160, 120)
POSE = pose_above(nadir_pose(60.0))


def looked_at(pose, east_m, north_m, side_m=8.0):
    """Return the ground grid of a view and the label image of a square on the ground."""
    x, y = np.meshgrid(np.arange(EYE.width), np.arange(EYE.height))
    pixels = np.stack((x, y), axis=-1).reshape(-1, 2).astype(float)
    offsets = wgs84_to_offset(locate(pixels, EYE, pose).wgs84.copy(), LATITUDE, LONGITUDE)
    inside = (np.abs(offsets - (east_m, north_m)) <= side_m / 2).all(axis=1)
    labels = inside.reshape(EYE.height, EYE.width).astype(np.int32)
    return GroundGrid.of(EYE, pose), labels


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-8, 8), st.floats(-8, 8), st.floats(0, 360), st.booleans()),
        min_size=1,
        max_size=7,
    ),
    st.integers(1, 3),
    st.integers(3, 5),
)
def test_a_place_counts_the_last_looks_and_finds_from_wherever_it_is_seen(views, finds, looks):
    """The slow reference is a list."""
    memory = GroundMemory(finds=finds, looks=looks)
    history = []
    for number, (east, north, yaw, found) in enumerate(views):
        grid, labels = looked_at(pose_above(POSE, east, north, yaw_deg=yaw), 0.0, 0.0)
        if not found:
            labels[:] = 0
        history = [*history, found][-looks:]
        told = memory.look(number * SECOND, grid, None, labels)
        assert len(told) == int(found)
        for item in told:
            assert (item.looks, item.finds) == (len(history), sum(history))
            assert item.confirmed == (sum(history) >= finds)
            assert item.number == 1


def test_two_places_have_two_numbers_and_keep_them():
    memory = GroundMemory()
    numbers = []
    for step in range(3):
        pose = pose_above(POSE, east_m=3.0 * step)
        grid, first = looked_at(pose, 5.0, 5.0)
        _, second = looked_at(pose, -6.0, -6.0)
        # The order of the regions in a frame says nothing.
        labels = first + 2 * second if step % 2 else 2 * first + second
        told = memory.look(step * SECOND, grid, None, labels)
        numbers.append([item.number for item in (told if step % 2 else told[::-1])])
    assert numbers == [[2, 1], [2, 1], [2, 1]]


def test_a_place_that_falls_apart_has_one_number_a_part():
    memory = GroundMemory()
    grid, whole = looked_at(POSE, 0.0, 0.0, side_m=12.0)
    (before,) = memory.look(0, grid, None, whole)
    columns = np.nonzero(whole)[1]
    parts = whole.copy()
    middle = int(columns.mean())
    parts[:, middle] = 0
    parts[:, middle + 1 :] *= 2
    first, second = memory.look(SECOND, grid, None, parts)
    assert (first.number, before.number) == (1, 1)
    assert second.number == 2
    assert first.confirmed
    assert second.confirmed
    again = memory.look(2 * SECOND, grid, None, parts)
    assert [item.number for item in again] == [1, 2]


def test_what_was_not_seen_is_no_look():
    memory = GroundMemory(finds=2, looks=3)
    grid, labels = looked_at(POSE, 0.0, 0.0)
    seen = np.ones(labels.shape, bool)
    memory.look(0, grid, seen, labels)
    nothing = np.zeros_like(labels)
    for step in range(1, 4):
        hidden = seen.copy()
        hidden[labels > 0] = False
        memory.look(step * SECOND, grid, hidden, nothing)
    (told,) = memory.look(5 * SECOND, grid, seen, labels)
    assert (told.looks, told.finds, told.confirmed) == (2, 2, True)


def test_a_clock_that_jumps_back_begins_anew():
    memory = GroundMemory()
    grid, labels = looked_at(POSE, 0.0, 0.0)
    memory.look(100 * SECOND, grid, None, labels)
    (told,) = memory.look(50 * SECOND, grid, None, labels)
    assert (told.looks, told.finds) == (1, 1)


def test_a_view_without_ground_has_regions_that_nobody_confirms():
    memory = GroundMemory(finds=1, looks=1)
    grid, labels = looked_at(POSE, 0.0, 0.0)
    sky = GroundGrid(np.full_like(grid.points, np.nan), grid.height, grid.width)
    (told,) = memory.look(0, sky, None, labels)
    assert (told.looks, told.confirmed) == (0, False)


@pytest.mark.parametrize('height_m', [40.0, 60.0, 75.0, 90.0, 120.0])
def test_a_height_that_sways_does_not_divide_the_memory(height_m):
    memory = GroundMemory(finds=4, looks=4)
    for step, share in enumerate((1.0, 0.8, 1.2, 0.9)):
        pose = pose_above(nadir_pose(height_m * share))
        grid, labels = looked_at(pose, 0.0, 0.0)
        (told,) = memory.look(step * SECOND, grid, None, labels)
        assert (told.number, told.looks, told.finds) == (1, step + 1, step + 1)


def test_a_large_frame_is_looked_at_in_steps_and_tells_the_same():
    camera = EYE.scaled_to(160 * 12, 120 * 12)
    small, labels = looked_at(POSE, 2.0, 1.0)
    large = GroundGrid.of(camera, POSE)
    memory = GroundMemory(finds=1, looks=2)
    (first,) = memory.look(0, large, None, labels.repeat(12, 0).repeat(12, 1))
    assert (first.looks, first.finds, first.confirmed) == (1, 1, True)
    assert small.height * 12 == large.height


def test_memory_is_bounded_and_the_oldest_ground_goes_first():
    memory = GroundMemory()
    labels = np.zeros((EYE.height, EYE.width), np.int32)
    for step in range(MAX_BLOCKS + 20):
        pose = pose_above(POSE, east_m=200.0 * step)
        memory.look(step * SECOND, GroundGrid.of(EYE, pose), None, labels)
    assert len(memory._blocks) <= MAX_BLOCKS


@pytest.mark.parametrize(('finds', 'looks'), [(0, 3), (4, 3), (2, 9)])
def test_counts_that_make_no_sense_are_refused(finds, looks):
    with pytest.raises(TaskError, match=f'found {finds} finds of {looks} looks'):
        GroundMemory(finds=finds, looks=looks)
