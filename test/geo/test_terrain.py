# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Rays meet terrain of known shape where geometry says, or nothing where it is not known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.footprint import footprint, locate, sight
from rs_onboard.geo.lens import pixels_of
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.geo.terrain import LEAST_STEP, Terrain
from rs_onboard.geo.wgs84 import radii_at

LATITUDE, LONGITUDE = 46.0, 7.0
CELL_M, CELLS = 10.0, 201
LENS = CameraModel(
    1920, 1080, 1100.0, 1090.0, 950.0, 545.0, 'plumb_bob', (-0.2, 0.05, 0.001, -0.0005, 0.0)
)


def terrain_of(shape, *, cells=CELLS, cell=CELL_M, **changes):
    """Make a square of terrain around the place; `shape` gives heights of east and north [m]."""
    east_radius, north_radius = radii_at(LATITUDE)
    step = (math.degrees(cell / east_radius), math.degrees(cell / north_radius))
    reach = (cells - 1) / 2
    offsets = (np.arange(cells) - reach) * cell
    east, north = np.meshgrid(offsets, offsets[::-1])
    heights = np.asarray(shape(east, north) + 0.0 * east, np.float32)
    north_edge = LATITUDE + reach * step[1]
    return Terrain('hills', heights, LONGITUDE - reach * step[0], north_edge, step, **changes)


def attitude(roll_deg=0.0, pitch_deg=0.0, yaw_deg=90.0):
    angles = (math.radians(angle) for angle in (roll_deg, pitch_deg, yaw_deg))
    return multiply(from_roll_pitch_yaw(*angles), NADIR_MOUNT)


def pose_over(terrain, altitude=600.0, **turns):
    known = Pose(0, LATITUDE, LONGITUDE, altitude, None, attitude(**turns))
    return known.over(terrain)


def pixel_grid(camera=LENS, count=9):
    x = np.linspace(0, camera.width - 1, count)
    y = np.linspace(0, camera.height - 1, count)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-0.4, 0.4),
    st.floats(-0.4, 0.4),
    st.floats(-25, 25),
    st.floats(-25, 25),
    st.floats(-180, 180),
)
def test_rays_meet_a_tilted_plane_where_the_plane_is(rise_east, rise_north, roll, pitch, yaw):
    terrain = terrain_of(lambda e, n: 400.0 + rise_east * e + rise_north * n)
    pose = pose_over(terrain, 600.0, roll_deg=roll, pitch_deg=pitch, yaw_deg=yaw)
    assert pose.height_m == pytest.approx(200.0, abs=1e-3)
    pixels = pixel_grid()
    hits = sight(pixels, LENS, pose)
    normal = np.array([-rise_east, -rise_north, 1.0])
    known = ~np.isnan(hits.points[:, 0])
    expected = hits.rays * (-200.0 / (hits.rays @ normal))[:, np.newaxis]
    # Heights are kept in 32 bits: thirty micrometres at 400 m.
    assert hits.points[known] == pytest.approx(expected[known], abs=2e-3)
    assert hits.normals[known] == pytest.approx(
        np.broadcast_to(normal / np.linalg.norm(normal), (known.sum(), 3)), abs=1e-3
    )
    # Nothing is left out that lies on the grid and is not grazed.
    grazing = -(hits.rays @ normal) / np.linalg.norm(normal) / np.linalg.norm(hits.rays, axis=1)
    seen = (np.abs(expected[:, :2]) < 990.0).all(axis=1) & (grazing > 0.09) & (expected[:, 2] < 0)
    assert known[seen].all()
    back = pixels_of(hits.points[known], LENS, pose.orientation)
    assert back == pytest.approx(pixels[known], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(-60, 60), st.floats(-180, 180), st.integers(0, 2**31))
def test_every_visible_place_on_rough_ground_is_found_again(pitch, yaw, seed):
    rng = np.random.default_rng(seed)
    heights = rng.uniform(0, 25, (CELLS, CELLS)).cumsum(axis=1) / 20
    terrain = terrain_of(lambda e, _: 300.0 + heights + 0.0 * e)
    pose = pose_over(terrain, 520.0, pitch_deg=pitch, yaw_deg=yaw)
    hits = sight(pixel_grid(count=6), LENS, pose)
    known = ~np.isnan(hits.points[:, 0])
    # On the ground, to the width of a hair.
    gap = gap_along(terrain, pose, hits.rays[known], lengths_of(hits)[known])
    assert np.abs(gap).max(initial=0.0) < 1e-6
    # And nothing was passed through before but corners shorter than a step.
    steepest = max(np.abs(np.diff(terrain.heights, axis=axis)).max() for axis in (0, 1)) / CELL_M
    deepest = LEAST_STEP * CELL_M * steepest
    for share in np.linspace(0.0, 1.0, 1000, endpoint=False):
        gap = gap_along(terrain, pose, hits.rays[known], share * lengths_of(hits)[known])
        assert (gap > -deepest).all()


def lengths_of(hits):
    return np.linalg.norm(hits.points, axis=1) / np.linalg.norm(hits.rays, axis=1)


def gap_along(terrain, pose, rays, lengths):
    """Height above ground, from the grid itself."""
    east, north = rays[:, 0] * lengths, rays[:, 1] * lengths
    x, y = east / CELL_M + (CELLS - 1) / 2, (CELLS - 1) / 2 - north / CELL_M
    j, i = np.floor(x).astype(int), np.floor(y).astype(int)
    j, i = j.clip(0, CELLS - 2), i.clip(0, CELLS - 2)
    u, v, z = x - j, y - i, terrain.heights.astype(float)
    ground = (1 - v) * ((1 - u) * z[i, j] + u * z[i, j + 1]) + v * (
        (1 - u) * z[i + 1, j] + u * z[i + 1, j + 1]
    )
    return pose.altitude_m + rays[:, 2] * lengths - ground


def test_a_cone_hides_what_is_behind_it():
    # A hill of 100 m with flanks of 1 in 2 around a point 300 m to the east.
    terrain = terrain_of(
        lambda e, n: 400 + np.maximum(0, 100 - np.hypot(e - 300, n) / 2), cell=2.0, cells=801
    )
    pose = pose_over(terrain, 480.0, pitch_deg=-80.0, yaw_deg=0.0)
    camera = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
    # Straight ahead 10 degrees down: against the flank, not on the flat 450 m away.
    (point,) = sight(np.array([(319.5, 239.5)]), camera, pose).points
    fall = math.tan(math.radians(10))
    # 80 - x tan 10 = 100 - (300 - x) / 2.
    east = 130.0 / (0.5 + fall)
    assert point == pytest.approx((east, 0.0, -fall * east), abs=0.01)


def test_a_cliff_is_met_on_its_wall_and_the_ground_below_it_is_hidden():
    # 100 m high, one cell wide, the upper level to the west of the camera's nose.
    terrain = terrain_of(lambda e, n: np.where(e < 200.0, 400.0, 500.0))
    pose = pose_over(terrain, 460.0, pitch_deg=-75.0, yaw_deg=0.0)
    camera = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
    wall, foot = sight(np.array([(319.5, 239.5), (319.5, 479.0)]), camera, pose).points
    assert 190.0 < wall[0] < 200.0
    assert wall[2] == pytest.approx(-wall[0] * math.tan(math.radians(15)))
    below = math.radians(15) + math.atan(239.5 / 500)
    assert foot == pytest.approx((60 / math.tan(below), 0.0, -60.0), abs=1e-6)


def test_a_slope_above_the_camera_is_seen_by_a_ray_that_climbs():
    terrain = terrain_of(lambda e, n: 400.0 + np.maximum(0.0, e - 100.0))
    pose = pose_over(terrain, 420.0, pitch_deg=-95.0, yaw_deg=0.0)
    camera = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
    (point,) = sight(np.array([(319.5, 239.5)]), camera, pose).points
    climb = math.tan(math.radians(5))
    east = 120.0 / (1.0 - climb)
    assert point == pytest.approx((east, 0.0, climb * east), abs=1e-3)
    upwards = pose_over(terrain_of(lambda e, n: 400.0), 420.0, pitch_deg=-95.0, yaw_deg=0.0)
    assert np.isnan(sight(np.array([(319.5, 239.5)]), camera, upwards).points).all()


def test_level_terrain_is_the_flat_ground():
    terrain = terrain_of(lambda e, n: 400.0)
    pose = pose_over(terrain, 480.0, roll_deg=10.0, pitch_deg=-20.0)
    flat = dataclasses.replace(pose, terrain=None)
    pixels = pixel_grid()
    found, expected = locate(pixels, LENS, pose), locate(pixels, LENS, flat)
    np.testing.assert_allclose(found.offsets, expected.offsets, atol=1e-4)
    assert footprint(LENS, pose).corners == pytest.approx(footprint(LENS, flat).corners, abs=1e-8)


def test_a_hole_in_the_terrain_is_no_ground_and_nothing_is_seen_across_it():
    def holed(east, north):
        return np.where((np.abs(east - 100) < 25) & (np.abs(north) < 25), np.nan, 400.0)

    terrain = terrain_of(holed)
    pose = pose_over(terrain, 500.0, pitch_deg=-45.0, yaw_deg=0.0)
    camera = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
    hole, before = sight(np.array([(319.5, 239.5), (319.5, 479.0)]), camera, pose).points
    assert np.isnan(hole).all()
    assert np.isfinite(before).all()
    # The ground is level: nothing in the hole may stand in the way of what is beyond.
    assert np.isfinite(sight(np.array([(319.5, 0.0)]), camera, pose).points).all()
    ridge = terrain_of(lambda e, n: holed(e, n) + 40.0 * (e < -500.0))
    seen = sight(
        np.array([(319.5, 0.0)]), camera, pose_over(ridge, 500.0, pitch_deg=-45.0, yaw_deg=0.0)
    )
    assert np.isfinite(seen.points).all()
    higher = terrain_of(lambda e, n: holed(e, n) + 95.0 * (e < -500.0))
    pose = pose_over(higher, 500.0, pitch_deg=-45.0, yaw_deg=0.0)
    assert np.isnan(sight(np.array([(319.5, 0.0)]), camera, pose).points).all()


def test_beyond_the_model_there_is_no_ground():
    terrain = terrain_of(lambda e, n: 400.0)
    pose = Pose(0, LATITUDE + 1.0, LONGITUDE, 500.0, 90.0, attitude())
    away = pose.over(terrain)
    assert away.height_m is None
    assert locate(pixel_grid(), LENS, away).reason == (
        'height above ground unknown (hills knows no ground at 47.00000, 7.00000)'
    )


def test_a_camera_below_the_terrain_is_a_wrong_zero():
    pose = Pose(0, LATITUDE, LONGITUDE, 390.0, 90.0, attitude())
    reason = pose.over(terrain_of(lambda e, n: 400.0)).unknown
    assert reason == 'the camera is 10 m below hills; check terrain.zero_m'
    lower = terrain_of(lambda e, n: 400.0, zero_m=-50.0, sigma_m=2.0)
    above = pose.over(lower)
    assert (above.height_m, above.height_sigma_m) == (pytest.approx(40.0), 2.0)


def test_the_terrain_goes_on_across_the_date_line():
    terrain = dataclasses.replace(terrain_of(lambda e, n: 400.0 + 0.1 * e))
    terrain = dataclasses.replace(terrain, west=terrain.west - LONGITUDE + 180.0)
    for longitude in (180.0, -180.0):
        pose = Pose(0, LATITUDE, longitude, 500.0, None, attitude()).over(terrain)
        assert pose.height_m == pytest.approx(100.0, abs=1e-3)
