# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Change detection: tiles and mosaic are exact, the unseen is never a change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import FakeRuntime, model_of, random_image

from rs_onboard.geo.gsd import GroundScale
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.model import Model
from rs_onboard.perception.change import AlignedPair, ChangeTask, same_where_unseen, seen_tiles
from rs_onboard.perception.errors import FrameError, TaskError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.tiles import TilePlan, make_grid

ENLARGED = GroundScale(0.75, '')
REDUCED = GroundScale(0.2, '')
UNKNOWN = GroundScale(None, 'no pose')


@pytest.fixture(scope='module')
def colour():
    return model_of('change')


def pair_of(before, after, seen=None, ground=UNKNOWN):
    header = FrameHeader(1_000, 'camera', 3, before.shape[0], before.shape[1])
    return AlignedPair(header, before, after, seen, ground)


def faked_change(answer):
    """Return the change model with its graph replaced by a function of both stacks."""
    model = model_of('change')
    runtime = FakeRuntime(answer)
    runtime.run = lambda feeds: {'probability': answer(feeds['before'], feeds['after'])}
    return Model(model.card, model.variant, runtime)


def largest_difference(before, after):
    return np.abs(before.astype(int) - after.astype(int)).max(axis=-1).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000), st.integers(1, 3))
def test_the_mosaic_is_the_difference_of_every_pixel_seen(colour, height, width, seed, batch):
    before, after = (random_image(height, width, seed + i) for i in (0, 1))
    rng = np.random.default_rng(seed)
    seen = None if seed % 4 == 0 else rng.random((height, width)) < (0.001, 0.5, 0.99)[seed % 3]
    task = ChangeTask(colour, batch=batch, overlap=seed % 40)
    result = task.run(pair_of(before, after, seen))
    if seen is not None and not seen.any():
        assert result.report.status == 'skipped'
        return
    expected = largest_difference(before, after)
    if seen is not None:
        expected[~seen] = 0
    assert (result.probability == expected).all()
    assert result.report.status == 'degraded'
    assert result.report.reason == 'image scale used, no pose'


def slow_mosaic(task, before, after, seen, scale):
    """Infer every tile alone and take every pixel from the tile with the nearest centre."""
    before = np.where(seen[..., None], before, after)
    grid = make_grid(task.plan, *seen.shape, scale=scale)
    cut = []
    for image in (before, after):
        pads = (
            (0, max(0, grid.tile_height - grid.height)),
            (0, max(0, grid.tile_width - grid.width)),
        )
        padded = np.pad(image, (*pads, (0, 0)), mode='reflect')
        cut.append(
            [
                padded[y : y + grid.tile_height, x : x + grid.tile_width][np.newaxis]
                for y, x in (grid.origin(i) for i in range(len(grid)))
            ]
        )
    tiles = [
        task.model.runtime.run({'before': b, 'after': a})['probability'][0]
        for b, a in zip(*cut, strict=True)
    ]
    mosaic = np.zeros(seen.shape, np.uint8)
    for y, x in np.argwhere(seen):
        index = min(
            range(len(grid)),
            key=lambda i: (
                abs(2 * y + 1 - 2 * grid.origin(i)[0] - grid.tile_height),
                abs(2 * x + 1 - 2 * grid.origin(i)[1] - grid.tile_width),
                i,
            ),
        )
        top, left = grid.origin(index)
        mosaic[y, x] = tiles[index][y - top, x - left]
    return mosaic


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 250), st.integers(1, 250), st.integers(0, 1000))
def test_leaving_out_unseen_tiles_and_batching_gives_the_slow_mosaic(height, width, seed):
    """Also for a network whose pixels depend on where they lie in the tile."""
    ramp = np.add.outer(np.arange(128), 3 * np.arange(128))

    def answer(before, after):
        place = ramp[: before.shape[1], : before.shape[2]]
        return ((largest_difference(before, after) + place) % 256).astype(np.uint8)

    rng = np.random.default_rng(seed)
    before, after = (random_image(height, width, seed + i) for i in (0, 1))
    seen = np.zeros((height, width), bool)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    seen[y : y + int(rng.integers(1, 80)), x : x + int(rng.integers(1, 80))] = True
    task = ChangeTask(faked_change(answer), batch=int(rng.integers(1, 4)), overlap=17)
    result = task.run(pair_of(before, after, seen))
    assert (result.probability == slow_mosaic(task, before, after, seen, 1.0)).all()


@pytest.mark.parametrize('ground', [ENLARGED, REDUCED])
def test_a_known_scale_is_that_of_the_card_and_the_mosaic_has_the_size_of_the_frame(colour, ground):
    before = np.zeros((90, 130, 3), np.uint8)
    after = before.copy()
    after[30:60, 40:100] = 200
    result = ChangeTask(colour).run(pair_of(before, after, ground=ground))
    assert result.probability.shape == (90, 130)
    assert (result.report.status, result.report.reason) == ('ok', '')
    assert result.report.tiles.scale == pytest.approx(ground.gsd_m / 0.5)
    assert result.report.tiles.gsd_m == 0.5
    assert set(result.report.latency_ms) == {'cut', 'infer', 'stitch', 'regions'}
    (region,) = result.regions
    assert region.box == pytest.approx((40, 30, 60, 30), abs=3)


def test_tiles_without_anything_seen_are_not_inferred():
    counted = []

    def answer(before, after):
        counted.append(len(before))
        return largest_difference(before, after)

    seen = np.zeros((64, 640), bool)
    seen[10, 300] = True
    image = random_image(64, 640)
    task = ChangeTask(faked_change(answer), batch=4, overlap=0)
    result = task.run(pair_of(image, image, seen))
    assert counted == [1]
    assert result.report.tiles.count == 1
    assert not result.probability.any()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([0.3, 0.5, 1.0, 1.7]),
    st.integers(0, 1000),
)
def test_every_seen_pixel_lies_in_a_seen_tile(height, width, scale, seed):
    grid = make_grid(TilePlan(9, 7, 2), height, width, scale=scale)
    rng = np.random.default_rng(seed)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    seen = np.zeros((height, width), bool)
    seen[y, x] = True
    row, column = (
        (2 * i + 1) * n // (2 * m) for i, n, m in ((y, grid.height, height), (x, grid.width, width))
    )
    owner = next(
        index
        for index, core in enumerate(grid.cores())
        if core.frame[0].start <= row < core.frame[0].stop
        and core.frame[1].start <= column < core.frame[1].stop
    )
    assert owner in seen_tiles(grid, seen)


def test_the_border_of_a_warped_image_is_no_change_to_the_network():
    before, after = np.zeros((5, 6, 3), np.uint8), random_image(5, 6)
    seen = np.zeros((5, 6), bool)
    seen[1:3, 2:5] = True
    filled = same_where_unseen(before, after, seen)
    assert (filled[~seen] == after[~seen]).all()
    assert not filled[seen].any()


def test_regions_are_at_or_above_the_threshold_and_large_enough(colour):
    before = np.zeros((64, 64, 3), np.uint8)
    after = before.copy()
    after[2:12, 2:12] = 150
    after[20:30, 20:24] = 99
    after[40:42, 40:44] = 255
    result = ChangeTask(colour, threshold=100 / 255, min_area_px=9).run(pair_of(before, after))
    (region,) = result.regions
    assert (region.area_px, region.box) == (100, (2, 2, 10, 10))
    assert region.mean_score == region.max_score == pytest.approx(150 / 255)
    assert result.seen is None


def test_nothing_seen_in_both_is_skipped_without_a_change(colour):
    image = random_image(40, 40)
    result = ChangeTask(colour).run(pair_of(image, image[::-1], np.zeros((40, 40), bool)))
    assert result.report.status == 'skipped'
    assert result.report.reason == 'no ground is seen in both images'
    assert result.probability.shape == (0, 0)
    assert result.regions == ()


@pytest.mark.parametrize(
    ('before', 'after', 'seen', 'message'),
    [
        (np.zeros((9, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8), None, r'`after` is \(8, 9'),
        (np.zeros((9, 8), np.uint8), np.zeros((9, 8, 3), np.uint8), None, r'`before` is \(9, 8\)'),
        (np.zeros((9, 8, 3)), np.zeros((9, 8, 3), np.uint8), None, 'float64; expected'),
        (
            np.zeros((9, 8, 3), np.uint8),
            np.zeros((9, 8, 3), np.uint8),
            np.ones((9, 8), np.uint8),
            r'`seen` is \(9, 8\) uint8; expected \(9, 8\) bool',
        ),
    ],
)
def test_pairs_that_do_not_fit_are_refused_by_name(before, after, seen, message):
    with pytest.raises(FrameError, match=message):
        pair_of(before, after, seen)


def test_a_threshold_that_means_nothing_is_refused(colour):
    for threshold in (0.0, 1.01, float('nan')):
        with pytest.raises(TaskError, match='expected above 0 and up to 1'):
            ChangeTask(colour, threshold=threshold)


def broken(before, after):
    raise ModelError('inference failed: out of memory')


@pytest.mark.parametrize(
    ('answer', 'message'),
    [
        (broken, 'out of memory'),
        (lambda before, after: np.zeros((1, 3, 3), np.uint8), "output 'probability' has shape"),
    ],
)
def test_a_failing_model_gives_a_failed_result_with_the_reason(answer, message):
    result = ChangeTask(faked_change(answer)).run(pair_of(random_image(9, 9), random_image(9, 9)))
    assert result.report.status == 'failed'
    assert message in result.report.reason
    assert result.probability.size == 0


def test_warming_up_feeds_both_images():
    shapes = []

    def answer(before, after):
        shapes.append((before.shape, after.shape))
        return np.zeros(before.shape[:3], np.uint8)

    ChangeTask(faked_change(answer), batch=2).warm_up()
    assert shapes == [((2, 128, 128, 3), (2, 128, 128, 3))]
