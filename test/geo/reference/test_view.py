# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A map seen through the camera: every pixel from the right place, within a bound of memory."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import MapError, PoseError
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.mercator import TILE, from_pixels, resolution_m, to_pixels
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.reference.source import Bounds, MapInfo, MapTile, TileKey
from rs_onboard.geo.reference.view import (
    STEP,
    GroundGrid,
    ReferenceMap,
    choose,
    grid_pixels,
    keys_within,
)
from rs_onboard.geo.rotation import NADIR_MOUNT, multiply

LATITUDE, LONGITUDE = 47.3, 8.5
ZOOM = 19
CAMERA = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5)


def colours(pixels):
    """Paint the world at the finest zoom: smooth waves of some dozen pixels."""
    x, y = pixels[..., 0], pixels[..., 1]
    waves = (np.sin(x / 17), np.cos(y / 23), np.sin((x + y) / 31))
    return np.stack([128 + 100 * wave for wave in waves], axis=-1)


class PaintedMap:
    """A map whose pixels are a function of their place."""

    def __init__(self, *, side=TILE, hole=None, broken=None, min_zoom=ZOOM):
        self.hole, self.broken = hole, broken
        self.asked = []
        bounds = Bounds(LONGITUDE - 0.01, LATITUDE - 0.01, LONGITUDE + 0.01, LATITUDE + 0.01)
        self.info = MapInfo(
            Path('painted.mbtiles'), 'painted', '2021', 0.2, bounds, min_zoom, ZOOM, side, ''
        )

    def read(self, key):
        self.asked.append(key)
        if key == self.hole:
            return None
        if key == self.broken:
            raise MapError('tile is broken')
        step = TILE / self.info.tile_side * 2.0 ** (ZOOM - key.zoom)
        steps = (np.arange(self.info.tile_side) + 0.5) * step
        origin = np.array([key.column, key.row]) * TILE * 2.0 ** (ZOOM - key.zoom)
        x, y = np.meshgrid(origin[0] + steps, origin[1] + steps)
        return MapTile(np.rint(colours(np.stack((x, y), axis=-1))).astype(np.uint8), None)

    def close(self):
        pass


def pose_at(height_m=80.0, *, yaw=0.4, tilt=0.0, **changes):
    turn = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
    lean = (0.0, math.sin(tilt / 2), 0.0, math.cos(tilt / 2))
    pose = Pose(
        0, LATITUDE, LONGITUDE, 500.0, height_m, multiply(multiply(turn, lean), NADIR_MOUNT)
    )
    return dataclasses.replace(pose, **changes)


@pytest.mark.parametrize('side', [256, 512])
@pytest.mark.parametrize(
    ('camera', 'pose'),
    [
        (CAMERA, pose_at()),
        (CAMERA, pose_at(yaw=-2.5, tilt=0.35)),
        (
            dataclasses.replace(
                CAMERA, distortion_model='plumb_bob', distortion=(-0.2, 0.05, 0.001, -0.001, 0.0)
            ),
            pose_at(tilt=-0.2),
        ),
    ],
)
def test_every_pixel_shows_the_ground_that_its_ray_meets(camera, pose, side):
    view = ReferenceMap(PaintedMap(side=side)).view(GroundGrid.of(camera, pose))
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    pixels = np.stack((x, y), axis=-1).reshape(-1, 2).astype(float)
    places = locate(pixels, camera, pose).wgs84
    expected = colours(to_pixels(places, ZOOM)).reshape(camera.height, camera.width, 3)
    assert view.seen.all()
    assert view.faults == ()
    # Rounding of the painted pixels, of the interpolation, and 1/32 px steps of the warp.
    assert np.abs(view.image - expected).max() < 5
    assert np.abs(view.image - expected).mean() < 1


def test_the_zoom_follows_the_height():
    painted = PaintedMap(min_zoom=14)
    seen = ReferenceMap(painted)
    low, high = (seen.view(GroundGrid.of(CAMERA, pose_at(h))) for h in (60.0, 480.0))
    assert high.gsd_m == pytest.approx(8 * low.gsd_m)
    assert {key.zoom for key in painted.asked} == {ZOOM, ZOOM - 3}
    # 480 m / 300 px.
    assert resolution_m(LATITUDE, ZOOM - 3) < 1.6 * 1.05


def test_holes_and_broken_tiles_are_not_seen_and_the_fault_is_told():
    grid = GroundGrid.of(CAMERA, pose_at(yaw=0.0))
    painted = PaintedMap()
    ReferenceMap(painted).view(grid)
    first, last = painted.asked[0], painted.asked[-1]
    whole = ReferenceMap(PaintedMap()).view(grid)
    view = ReferenceMap(PaintedMap(hole=first, broken=last)).view(grid)
    assert 0.05 < (~view.seen).mean() < 0.95
    assert view.faults == ('tile is broken',)
    np.testing.assert_array_equal(view.image[view.seen], whole.image[view.seen])
    pixels = np.stack(np.meshgrid(np.arange(320), np.arange(240)), axis=-1).reshape(-1, 2)
    places = locate(pixels.astype(float), CAMERA, pose_at(yaw=0.0)).wgs84
    tiles = np.floor(to_pixels(places, ZOOM) / TILE).astype(int).reshape(240, 320, 2)
    hidden = (tiles == first[1:]).all(axis=2) | (tiles == last[1:]).all(axis=2)
    # Interpolation at the border of a hole sees it half.
    assert (view.seen[hidden]).mean() < 0.03
    assert (view.seen[~hidden]).mean() > 0.97


def test_memory_stays_within_its_bound_and_tiles_are_read_once():
    painted = PaintedMap()
    tile_bytes = TILE * TILE * 3
    small = ReferenceMap(painted, cache_bytes=4 * tile_bytes)
    for number in range(12):
        shift = number * 2e-4
        small.view(GroundGrid.of(CAMERA, pose_at(longitude_deg=LONGITUDE + shift)))
        assert small.cached_bytes() <= 4 * tile_bytes
    painted.asked.clear()
    large = ReferenceMap(painted)
    grid = GroundGrid.of(CAMERA, pose_at())
    large.view(grid)
    large.view(grid)
    assert len(painted.asked) == len(set(painted.asked)) == large.reads


def test_tiles_read_ahead_are_there_when_the_frame_comes():
    painted = PaintedMap()
    seen = ReferenceMap(painted)
    grid = GroundGrid.of(CAMERA, pose_at())
    seen.prefetch(keys_within(grid.points.reshape(-1, 2), seen.zoom_of(grid)))
    painted.asked.clear()
    seen.view(grid)
    assert painted.asked == []


def test_a_map_of_another_place_is_refused_with_both_places():
    grid = GroundGrid.of(CAMERA, pose_at(longitude_deg=9.5))
    with pytest.raises(MapError, match=r'a view of 47\.3\d*, 9\.5.*8\.49000 to 8\.51000 east'):
        ReferenceMap(PaintedMap()).view(grid)


def test_a_view_of_the_horizon_is_refused_before_memory_is_taken():
    grid = GroundGrid.of(CAMERA, pose_at(300.0, tilt=1.28))
    with pytest.raises(MapError, match='tiles of zoom'):
        ReferenceMap(PaintedMap()).view(grid)


def test_pixels_above_the_horizon_are_not_seen():
    view = ReferenceMap(PaintedMap()).view(GroundGrid.of(CAMERA, pose_at(4.0, tilt=1.25)))
    assert 0.1 < view.seen.mean() < 0.95


def test_without_a_full_pose_there_is_no_view():
    with pytest.raises(PoseError, match='height above ground unknown'):
        GroundGrid.of(CAMERA, pose_at(None))


@pytest.mark.parametrize(('height', 'width'), [(240, 320), (241, 321), (1, 1), (16, 17)])
def test_the_grid_reaches_the_last_pixel(height, width):
    grid = grid_pixels(height, width)
    assert grid[-1, -1, 0] >= width - 1
    assert grid[-1, -1, 1] >= height - 1
    assert grid.shape[1] <= width // STEP + 2


def test_the_first_map_that_covers_a_place_is_chosen():
    maps = [ReferenceMap(PaintedMap()), ReferenceMap(PaintedMap())]
    assert choose(maps, LONGITUDE, LATITUDE) is maps[0]
    assert choose(maps, 0.0, 0.0) is None


def test_keys_within_a_region_cover_its_corners():
    points = from_pixels(np.array([[100.0, 200.0], [700.0, 300.0]]), 4)
    assert keys_within(points, 4) == [
        TileKey(4, column, row) for row in (0, 1) for column in (0, 1, 2)
    ]
