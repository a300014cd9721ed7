# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tiles are cut at the model's scale, without a copy or a stack more than is needed."""

from __future__ import annotations

import math
import threading
import time
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import camera_for, frame_of, nadir_pose, random_image

from rs_onboard.geo.rotation import from_roll_pitch_yaw, multiply
from rs_onboard.perception.errors import FrameError
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.tiler import StackedTiles, Tiler, tile_scale
from rs_onboard.perception.tiles import TilePlan


def cut(image, plan, **known):
    return Tiler({'scene': plan}).cut(frame_of(image, **known))['scene']


def batches(tiles, size=1):
    grid = tiles.grid
    buffer = np.zeros((size, grid.tile_height, grid.tile_width, 3), np.uint8)
    return [(numbers[0], batch.copy()) for numbers, batch in tiles.batches(buffer)]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 40),
    st.integers(0, 12),
    st.integers(1, 5),
    st.booleans(),
)
def test_tiles_are_the_pixels_of_the_frame_mirrored_at_its_edges(
    height, width, side, overlap, batch, dynamic
):
    image = random_image(height, width)
    plan = TilePlan(side, side, min(overlap, side - 1), dynamic=dynamic)
    tiles = cut(image, plan)
    right, below = max(0, side - width), max(0, side - height)
    mirrored = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
    seen = 0
    for first, group in batches(tiles, batch):
        assert first == seen
        for tile in group:
            y, x = tiles.grid.origin(seen)
            h, w = tiles.grid.tile_height, tiles.grid.tile_width
            assert (tile == mirrored[y : y + h, x : x + w]).all()
            seen += 1
    assert seen == len(tiles.grid)


def test_padding_repeats_the_ground_and_not_the_border():
    image = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)
    (_, tiles), *_ = batches(cut(image, TilePlan(2, 7)))
    assert tiles[0, 0, :, 0].tolist() == [0, 3, 6, 9, 6, 3, 0]
    assert tiles[0, 1].tolist() == tiles[0, 0].tolist()


def test_one_pixel_fills_a_tile():
    (_, tiles), *_ = batches(cut(np.full((1, 1, 3), 7, np.uint8), TilePlan(16, 16)))
    assert tiles.shape == (1, 16, 16, 3)
    assert (tiles == 7).all()


def test_a_frame_that_is_one_tile_is_handed_over_uncopied():
    image = random_image(64, 96)
    tiles = cut(image, TilePlan(64, 96))
    ((numbers, batch),) = tiles.batches(np.empty((1, 64, 96, 3), np.uint8))
    assert numbers == (0,)
    assert np.shares_memory(batch, image)
    assert np.shares_memory(tiles.stack(), image)


def test_a_view_of_another_image_is_handed_over_in_one_piece():
    wide = random_image(64, 200)
    tiles = cut(wide[:, 40:104], TilePlan(64, 64))
    ((_, batch),) = tiles.batches(np.empty((1, 64, 64, 3), np.uint8))
    assert batch.flags.c_contiguous
    assert (batch[0] == wide[:, 40:104]).all()


def test_batches_fill_the_buffer_they_are_given():
    image = random_image(100, 100)
    tiles = cut(image, TilePlan(50, 50))
    buffer = np.empty((3, 50, 50, 3), np.uint8)
    sizes = []
    for _, batch in tiles.batches(buffer):
        assert np.shares_memory(batch, buffer)
        sizes.append(len(batch))
    assert sizes == [3, 1]
    assert tiles.cut_ms > 0


def test_cutting_a_large_frame_needs_no_more_than_the_batch_buffer():
    image = np.zeros((4000, 6000, 3), np.uint8)
    tiles = cut(image, TilePlan(512, 512, 64))
    buffer = np.empty((2, 512, 512, 3), np.uint8)
    tracemalloc.start()
    count = sum(len(batch) for _, batch in tiles.batches(buffer))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == len(tiles.grid) == 9 * 14
    assert peak < 100_000, f'{peak} bytes: tiles are held beyond their batch'


def test_a_stack_holds_all_tiles_in_order_and_gives_views():
    image = random_image(90, 130)
    tiles = cut(image, TilePlan(50, 50, 10))
    stack = tiles.stack()
    assert len(stack) == len(tiles.grid)
    again = StackedTiles(tiles.header, tiles.grid, tiles.scale, stack)
    buffer = np.empty((4, 50, 50, 3), np.uint8)
    joined = []
    for numbers, batch in again.batches(buffer):
        assert np.shares_memory(batch, stack)
        assert numbers[0] == len(joined)
        joined += list(batch)
    assert (np.array(joined) == np.concatenate([b for _, b in batches(tiles, 4)])).all()


def test_tasks_that_want_the_same_scale_share_one_resampled_frame(monkeypatch):
    image = random_image(300, 400)
    frame = frame_of(image, camera=camera_for(image), pose=nadir_pose(100.0))
    plan = TilePlan(64, 64, gsd_m=0.2)
    calls = []
    resize = cv2.resize
    monkeypatch.setattr(cv2, 'resize', lambda *a, **k: calls.append(1) or resize(*a, **k))
    tiles = Tiler({'scene': plan, 'segmentation': TilePlan(32, 32, gsd_m=0.2)}).cut(frame)
    assert calls == []
    stacks = [tiles[task].stack() for task in tiles]
    assert calls == [1]
    assert (tiles['scene'].grid.height, tiles['scene'].grid.width) == (150, 200)
    smaller = resize(image, (200, 150), interpolation=cv2.INTER_AREA)
    assert (stacks[0][0] == smaller[:64, :64]).all()


def test_tasks_in_threads_of_their_own_share_it_too(monkeypatch):
    image = random_image(300, 400)
    frame = frame_of(image, camera=camera_for(image), pose=nadir_pose(100.0))
    plan = TilePlan(64, 64, gsd_m=0.2)
    tiles = Tiler({'scene': plan, 'segmentation': plan}).cut(frame)
    calls = []
    resize = cv2.resize

    def slow_resize(*args, **options):
        calls.append(1)
        time.sleep(0.05)
        return resize(*args, **options)

    monkeypatch.setattr(cv2, 'resize', slow_resize)
    stacks = []
    threads = [
        threading.Thread(target=lambda cut=cut: stacks.append(cut.stack()))
        for cut in tiles.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]
    assert (stacks[0] == stacks[1]).all()


IMAGE = np.zeros((300, 400, 3), np.uint8)


def scale_for(plan_gsd, **known):
    return tile_scale(TilePlan(64, 64, gsd_m=plan_gsd), frame_of(IMAGE, **known))


def test_tiles_get_the_ground_sample_distance_of_the_card():
    # 100 m above ground and a focal length of 1000 px are 0.1 m/px.
    known = {'camera': camera_for(IMAGE), 'pose': nadir_pose(100.0)}
    chosen = scale_for(0.2, **known)
    assert (chosen.scale, chosen.gsd_m, chosen.reason) == (pytest.approx(0.5), 0.2, '')
    finer = scale_for(0.06, **known)
    assert (finer.scale, finer.gsd_m, finer.reason) == (pytest.approx(1 / 0.6), 0.06, '')


@pytest.mark.parametrize('gsd', [0.0911, 0.1, 0.111])
def test_a_scale_that_nearly_fits_is_left_alone(gsd):
    chosen = scale_for(gsd, camera=camera_for(IMAGE), pose=nadir_pose(100.0))
    assert (chosen.scale, chosen.reason) == (1.0, '')
    assert chosen.gsd_m == pytest.approx(0.1)


def test_a_coarse_image_is_enlarged_to_twice_its_size_only():
    chosen = scale_for(0.02, camera=camera_for(IMAGE), pose=nadir_pose(100.0))
    assert chosen.scale == 2.0
    assert chosen.gsd_m == pytest.approx(0.05)
    assert chosen.reason == (
        'tiles of 0.05 m/px, the image is too coarse for the 0.02 m/px the model was trained at'
    )


def test_a_plan_without_a_ground_sample_distance_keeps_the_image_scale():
    known = scale_for(None, camera=camera_for(IMAGE), pose=nadir_pose(100.0))
    assert (known.scale, known.reason) == (1.0, '')
    assert known.gsd_m == pytest.approx(0.1)
    assert scale_for(None).gsd_m is None


def test_a_tilted_view_reaches_the_ground_further_away():
    tilted = multiply(from_roll_pitch_yaw(0.0, math.radians(-25), 0.0), nadir_pose().orientation)
    pose = nadir_pose(100.0, orientation=tilted)
    chosen = scale_for(None, camera=camera_for(IMAGE), pose=pose)
    assert chosen.gsd_m == pytest.approx(0.1 / math.cos(math.radians(25)))


@pytest.mark.parametrize(
    ('known', 'reason'),
    [
        ({}, 'camera intrinsics unknown (no pose source)'),
        ({'camera': camera_for(IMAGE)}, 'pose unknown (no pose source)'),
        (
            {'camera': camera_for(IMAGE), 'reason': 'position stale by 3.00 s'},
            'pose unknown (position stale by 3.00 s)',
        ),
        (
            {'camera': camera_for(IMAGE), 'pose': nadir_pose(None)},
            'height above ground unknown',
        ),
        (
            {'camera': camera_for(IMAGE), 'pose': nadir_pose(0.4)},
            'height above ground is 0.4 m, not airborne',
        ),
        (
            {'camera': camera_for(IMAGE), 'pose': nadir_pose(orientation=None)},
            'attitude unknown',
        ),
        (
            {
                'camera': camera_for(IMAGE),
                'pose': nadir_pose(orientation=(-math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))),
            },
            'camera tilted by 90 deg',
        ),
        ({'pose': nadir_pose()}, 'camera intrinsics unknown'),
    ],
)
def test_without_a_known_scale_the_image_scale_is_used_and_the_reason_given(known, reason):
    chosen = scale_for(0.3, **known)
    assert (chosen.scale, chosen.gsd_m) == (1.0, None)
    assert chosen.reason == f'image scale used, {reason}'


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6, 4), np.uint8),
        np.zeros((6, 4, 3), np.uint8),
        np.zeros((4, 6, 3), np.float32),
    ],
)
def test_a_frame_that_is_not_what_its_header_says_is_refused(image):
    with pytest.raises(FrameError, match=r'frame 3: found .* expected \(4, 6, 3\) uint8'):
        Frame(FrameHeader(0, '', 3, 4, 6), image)


def test_a_frame_without_pixels_is_refused():
    with pytest.raises(FrameError, match=r'frame 0: found an empty image of shape \(0, 6, 3\)'):
        Frame(FrameHeader(0, '', 0, 0, 6), np.zeros((0, 6, 3), np.uint8))
