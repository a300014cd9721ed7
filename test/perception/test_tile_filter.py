# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tiles that show nothing of interest are left out and counted; their pixels stay unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import frame_of, model_of, nadir_pose

from rs_onboard.geo.area import Area
from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.geo.terrain import Terrain
from rs_onboard.geo.wgs84 import offset_to_wgs84
from rs_onboard.perception.segmentation import SegmentationTask
from rs_onboard.perception.stitch import UNKNOWN_LABEL
from rs_onboard.perception.tile_filter import TileFilter
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tiles import TilePlan

# 100 m up and 400 px: 0.25 m a pixel, 80 x 60 m, in tiles of 16 x 15 m.
CAMERA = CameraModel(320, 240, 400.0, 400.0, 159.5, 119.5)
PLAN = TilePlan(60, 64)


# The image top is north.
NORTH = multiply((0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5)), NADIR_MOUNT)


def frame_with(pose, camera=CAMERA):
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    return frame_of(image, camera=camera, pose=pose)


def tilted(pitch_deg, **changes):
    """Look forward, which is up in the image, by an angle from straight down."""
    pose = nadir_pose(**changes)
    x, y, z, w = pose.orientation
    turn = from_roll_pitch_yaw(math.radians(pitch_deg), 0.0, 0.0)
    # About the camera's own x axis.
    return nadir_pose(**{**changes, 'orientation': multiply((x, y, z, w), turn)})


def square(left, bottom, right, top, pose):
    ring = np.array([(left, bottom), (right, bottom), (right, top), (left, top)], float)
    return offset_to_wgs84(ring, pose.latitude_deg, pose.longitude_deg)


def selected(tile_filter, pose, camera=CAMERA):
    return Tiler({'scene': PLAN}, tile_filter).cut(frame_with(pose, camera))['scene'].selection


def rows_of(selection):
    """Whole rows of tiles that are selected, from the top."""
    rows = [sum(number // 5 == row for number in selection.tiles) for row in range(4)]
    assert set(rows) <= {0, 5}
    return [row for row in range(4) if rows[row]]


def test_a_view_from_above_is_looked_at_whole():
    chosen = selected(TileFilter(gsd_ratio=1.5), nadir_pose())
    assert (chosen.tiles, chosen.left_out) == (tuple(range(20)), {})


def test_tiles_beyond_the_horizon_are_left_out():
    # The axis is 12 degrees below the horizon, half the view 16.7: it is at 119.5 - 400 tan 7 = 70
    # where rays still fall by the 5 degrees that are asked for.
    chosen = selected(TileFilter(), tilted(78.0))
    assert rows_of(chosen) == [1, 2, 3]
    assert chosen.left_out == {'beyond_horizon': 5}
    every = selected(TileFilter(), tilted(120.0))
    assert (every.tiles, every.left_out) == ((), {'beyond_horizon': 20})
    assert every.why_skipped == 'every tile is left out: beyond_horizon 20'


@pytest.mark.parametrize('ratio', [1.3, 1.6, 2.5])
def test_tiles_much_coarser_or_finer_than_the_middle_are_left_out(ratio):
    tilt = 50.0
    chosen = selected(TileFilter(gsd_ratio=ratio), tilted(tilt))
    # The root of the ground a pixel shows grows with the distance to the power of 1.5.
    expected = []
    for row, y in enumerate((29.5, 89.5, 149.5, 209.5)):
        # The far away at the top: rays along the middle column.
        fall = math.radians(tilt) + math.atan((119.5 - y) / 400.0)
        across = math.cos(math.radians(tilt)) / math.cos(fall) * math.cos(fall - math.radians(tilt))
        scale = across**1.5
        if 1 / ratio <= scale <= ratio:
            expected.append(row)
    assert rows_of(chosen) == expected
    left = 20 - 5 * len(expected)
    assert chosen.left_out == ({'too_oblique': left} if left else {})


def test_tiles_off_the_area_of_interest_are_left_out():
    pose = nadir_pose(orientation=NORTH)
    # The columns reach from -40 to -24, -8, 8, 24 and 40 m, the rows from 30 to 15, 0, -15, -30.
    area = Area('area', ((square(-100, -5, -23, 5, pose), square(-39, -1, -30, 1, pose)),))
    chosen = selected(TileFilter(area), pose)
    assert chosen.tiles == (5, 6, 10, 11)
    assert chosen.left_out == {'off_area': 16}
    hole = Area('area', ((square(-90, -90, 90, 90, pose), square(-30, -20, 30, 20, pose)),))
    inner = selected(TileFilter(hole), pose)
    assert inner.left_out == {'off_area': 6}
    assert set(range(20)) - set(inner.tiles) == {6, 7, 8, 11, 12, 13}
    away = Area('area', ((square(900, 0, 910, 10, pose),),))
    assert selected(TileFilter(away), pose).why_skipped == 'every tile is left out: off_area 20'


def test_an_area_that_cannot_be_applied_is_a_doubt():
    pose = nadir_pose(height_m=None)
    area = Area('area', ((square(0, 0, 10, 10, pose),),))
    chosen = selected(TileFilter(area), pose)
    assert len(chosen.tiles) == 20
    assert chosen.doubt == (
        'all tiles looked at, area of interest not applied: height above ground unknown'
    )
    assert selected(TileFilter(), pose).doubt == ''


def test_tiles_over_terrain_that_nobody_knows_are_left_out():
    heights = np.full((60, 60), 400.0, np.float32)
    pose = nadir_pose(altitude_m=500.0, orientation=NORTH)
    step = 1e-4
    # Known up to 20 m west of the camera.
    ((west, _),) = offset_to_wgs84(np.array([(-20.0, 0)]), pose.latitude_deg, pose.longitude_deg)
    terrain = Terrain('dem', heights, west, pose.latitude_deg + 30 * step, (step, step))
    chosen = selected(TileFilter(), pose.over(terrain))
    assert chosen.left_out == {'no_known_ground': 4}
    assert not set(chosen.tiles) & {0, 5, 10, 15}


def test_what_is_left_out_is_counted_in_the_report_and_unknown_in_the_mask():
    task = SegmentationTask(model_of('segmentation'), overlap=0)
    pose = tilted(78.0)
    tiles = Tiler({'segmentation': task.plan}, TileFilter()).cut(frame_with(pose))['segmentation']
    result = task.run(tiles)
    left_out = result.report.tiles.left_out
    assert set(left_out) == {'beyond_horizon'}
    assert result.report.tiles.count + left_out['beyond_horizon'] == len(tiles.grid)
    unknown = result.labels == UNKNOWN_LABEL
    assert unknown[0].all()
    assert not unknown[-1].any()


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 80), st.floats(-180, 180), st.floats(0, 4).filter(lambda r: r == 0 or r > 1))
def test_the_short_way_keeps_what_a_look_at_every_tile_keeps(tilt_deg, turn_deg, ratio):
    turn = from_roll_pitch_yaw(0.0, 0.0, math.radians(turn_deg))
    tilt = from_roll_pitch_yaw(math.radians(tilt_deg), 0.0, 0.0)
    orientation = multiply(multiply(NADIR_MOUNT, turn), tilt)
    frame = frame_with(nadir_pose(orientation=orientation))
    grid = Tiler({'scene': PLAN}).cut(frame)['scene'].grid
    tile_filter = TileFilter(gsd_ratio=ratio)
    (chosen,) = tile_filter.select([grid], frame)
    assert chosen == tile_filter.select_one(grid, frame)
