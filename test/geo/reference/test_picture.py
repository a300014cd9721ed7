# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A picture with known corners is a map like any other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from flown_ground import CAMERA, ground_map, photograph, pose_at

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import TILE, from_pixels
from rs_onboard.geo.reference.picture import PictureMap
from rs_onboard.geo.reference.source import TileKey
from rs_onboard.geo.reference.view import GroundGrid, ReferenceMap, keys_within


def test_a_view_of_it_is_what_the_camera_takes():
    ground, pose = ground_map(), pose_at(8.0, -5.0, turns=(3.0, -2.0, 40.0))
    view = ReferenceMap(ground).view(GroundGrid.of(CAMERA, pose))
    taken = photograph(ground, pose)
    assert view.seen.all()
    # Tiles are interpolated once more than the photograph.
    assert np.abs(view.image.astype(int) - taken).mean() < 4


def test_tiles_show_the_picture_where_it_lies_and_nothing_beyond():
    ground = ground_map()
    west, south, east, north = ground.info.bounds
    keys = keys_within(np.array([(west, north), (east, south)]), ground.info.max_zoom)
    checked = 0
    for key in keys:
        tile = ground.read(key)
        assert tile is not None
        centres = np.stack(np.meshgrid(np.arange(0, TILE, 50), np.arange(0, TILE, 50)), axis=-1)
        world = centres + 0.5 + np.array((key.column, key.row)) * TILE
        pixels = ground.pixels_of(from_pixels(world, key.zoom))
        inside = ((pixels > 0) & (pixels < np.array((1599, 1199)))).all(axis=-1)
        seen = np.ones((TILE, TILE), np.bool_) if tile.seen is None else tile.seen
        shown = seen[centres[..., 1], centres[..., 0]]
        np.testing.assert_array_equal(shown[inside], True)
        beyond = ((pixels < -1) | (pixels > np.array((1600, 1200)))).any(axis=-1)
        np.testing.assert_array_equal(shown[beyond], False)
        checked += int(inside.sum())
    assert checked > 100
    assert ground.read(TileKey(ground.info.max_zoom, 0, 0)) is None
    assert ground.read(TileKey(3, 4, 2)) is None


def test_coarser_tiles_are_the_mean_of_finer_ones():
    ground = ground_map()
    fine, coarse = (
        ReferenceMap(ground).view(GroundGrid.of(camera, pose_at()))
        for camera in (CAMERA, CAMERA.scaled_to(80, 60))
    )
    small = fine.image.reshape(60, 8, 80, 8, 3).mean(axis=(1, 3))
    assert np.abs(coarse.image.astype(int) - small).mean() < 8
    shift, _ = cv2.phaseCorrelate(small.mean(axis=2), coarse.image.mean(axis=2))
    assert np.hypot(*shift) < 0.1


def test_what_a_picture_does_not_show_is_not_seen():
    whole = ground_map()
    corners = np.array([(8.5, 47.301), (8.501, 47.301), (8.501, 47.3), (8.5, 47.3)])
    seen = np.ones((1200, 1600), np.bool_)
    seen[:, :800] = False
    half = PictureMap(whole.image, corners, name='half', seen=seen)
    key = keys_within(corners[[0, 2]], half.info.max_zoom - 2)[0]
    tile = half.read(key)
    assert tile.seen is not None
    assert 0.0 < tile.seen.mean() < 1.0
    assert not tile.image[~tile.seen].any()


@pytest.mark.parametrize(
    'corners', [np.zeros((4, 2)), np.full((4, 2), np.nan), np.array([(8.0, 47.0), (8.1, 47.0)])]
)
def test_corners_of_no_picture_are_refused(corners):
    with pytest.raises(MapError, match='clockwise from the top left'):
        PictureMap(np.zeros((10, 10, 3), np.uint8), corners, name='scan')
