# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Terrain models are read in any coordinate system; what is none is refused with the reason."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geotiffs import write_geotiff

from rs_onboard.geo.errors import TerrainError
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.terrain_file import read_terrain
from rs_onboard.geo.wgs84 import offset_to_wgs84

rasterio = pytest.importorskip('rasterio')

DEGREES = rasterio.Affine(0.001, 0.0, 7.0, 0.0, -0.001, 46.1)
UTM = rasterio.Affine(25.0, 0.0, 300_000.0, 0.0, -25.0, 5_100_000.0)


def write(path, heights, *, transform=DEGREES, **options):
    return write_geotiff(path, heights, transform=transform, **options)


def height_at(terrain, latitude, longitude):
    return 1000.0 - (Pose(0, latitude, longitude, 1000.0, None, None).over(terrain).height_m or 0)


def test_heights_in_degrees_are_those_of_the_file_at_the_centres_of_its_cells(tmp_path):
    heights = np.arange(30, dtype=np.int16).reshape(5, 6) * 10
    terrain = read_terrain(write(tmp_path / 'dem.tif', heights), sigma_m=3.0)
    for row in range(5):
        for column in range(6):
            found = height_at(terrain, 46.0995 - 0.001 * row, 7.0005 + 0.001 * column)
            assert found == pytest.approx(heights[row, column], abs=1e-6)
    assert height_at(terrain, 46.099, 7.001) == pytest.approx((0 + 10 + 60 + 70) / 4)
    assert (terrain.name, terrain.sigma_m) == ('dem.tif', 3.0)


def test_heights_of_a_projected_model_are_where_the_projection_puts_them(tmp_path):
    rows, columns = np.mgrid[:80, :90]
    heights = (500 + 2 * columns - 3 * rows).astype(np.float32)
    path = write(tmp_path / 'utm.tif', heights, crs='EPSG:32632', transform=UTM)
    terrain = read_terrain(path)
    from rasterio.warp import transform

    for row, column in ((20, 20), (40, 50), (70, 33)):
        east, north = UTM @ (column + 0.5, row + 0.5)
        (longitude,), (latitude,) = transform('EPSG:32632', 'EPSG:4326', [east], [north])
        assert height_at(terrain, latitude, longitude) == pytest.approx(
            heights[row, column], abs=0.2
        )
    # What lies beyond the turned edges is unknown, and not at the height of the sea.
    assert np.isnan(terrain.heights).any()
    assert np.nanmin(terrain.heights) > 200.0


@pytest.mark.parametrize(('void', 'options'), [(-77, {'nodata': -77}), (-9999, {}), (32767, {})])
def test_cells_without_data_are_unknown_also_where_the_file_does_not_say_so(
    tmp_path, void, options
):
    heights = np.full((4, 4), 250, np.float32)
    heights[1, 1] = void
    terrain = read_terrain(write(tmp_path / 'dem.tif', heights, **options))
    assert height_at(terrain, 46.097, 7.003) == pytest.approx(250.0)
    assert 'knows no ground' in Pose(0, 46.0985, 7.0015, 900.0, 1.0, None).over(terrain).unknown


@pytest.mark.parametrize(
    ('options', 'heights', 'reason'),
    [
        ({'crs': None}, np.ones((3, 3), np.float32), 'found no georeference'),
        ({}, np.ones((3, 3, 3), np.uint8), 'found 3 bands; expected one of heights'),
        ({'units': 'ft'}, np.ones((3, 3), np.float32), "found heights in 'ft'; expected metres"),
        ({'nodata': 7}, np.full((3, 3), 7, np.int16), 'found no height'),
        ({}, np.ones((1, 3), np.int16), 'found 3x1 cells; expected 2x2'),
    ],
)
def test_what_is_no_terrain_model_is_refused(tmp_path, options, heights, reason):
    path = write(tmp_path / 'dem.tif', heights, **options)
    with pytest.raises(TerrainError, match=reason) as error:
        read_terrain(path)
    assert str(path) in str(error.value)


def test_a_missing_and_a_broken_file_are_refused(tmp_path):
    path = tmp_path / 'dem.tif'
    with pytest.raises(TerrainError, match='no such terrain model'):
        read_terrain(path)
    path.write_bytes(b'II*\0 nothing more')
    with pytest.raises(TerrainError, match='Copy the file again'):
        read_terrain(path)
    whole = write(tmp_path / 'whole.tif', np.ones((300, 300), np.float32)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TerrainError, match=path.name):
        read_terrain(path)


def test_metres_on_the_ground_are_metres_of_the_model(tmp_path):
    # A slope of one in ten towards the east, in a model of degrees.
    middle = 46.05
    metre = math.degrees(1.0 / (6_378_137.0 * math.cos(math.radians(middle))))
    columns = np.arange(100) * 0.001 / metre / 1.0
    terrain = read_terrain(
        write(tmp_path / 'dem.tif', np.tile(0.1 * columns, (100, 1)).astype('f4'))
    )
    here = np.array([(100.0, 0.0)])
    ((longitude, latitude),) = offset_to_wgs84(here, middle, 7.05)
    rise = height_at(terrain, latitude, longitude) - height_at(terrain, middle, 7.05)
    assert rise == pytest.approx(10.0, abs=0.05)
