# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""GeoTIFF of any coordinate system: pixels land where they belong, and faults are named."""

from __future__ import annotations

import numpy as np
import pytest
from geotiffs import write_geotiff

rasterio = pytest.importorskip('rasterio', reason='rasterio is not installed: reads GeoTIFF')

from rs_onboard.geo.errors import MapError  # noqa: E402
from rs_onboard.geo.mercator import TILE, from_pixels, to_pixels  # noqa: E402
from rs_onboard.geo.reference.build import MapText, MapWriter, build_from_map  # noqa: E402
from rs_onboard.geo.reference.geotiff import GeoTiff  # noqa: E402
from rs_onboard.geo.reference.mbtiles import MbTiles  # noqa: E402
from rs_onboard.geo.reference.opening import open_map  # noqa: E402
from rs_onboard.geo.reference.source import TileKey  # noqa: E402

# UTM zone 14 north, near the middle of its strip.
EAST, NORTH, GSD = 500_000.0, 5_200_000.0, 0.5


def paint(side=600):
    """Colours that tell the place: easting in red, northing in green."""
    steps = np.arange(side)
    red = 128 + 100 * np.sin(steps / 40)
    image = np.zeros((3, side, side))
    image[0], image[1], image[2] = red, 128 + 100 * np.cos(steps / 30)[:, None], 90
    return np.rint(image).astype(np.uint8)


def write(path, bands, *, crs='EPSG:32614', transform=None, **options):
    place = transform or rasterio.transform.from_origin(EAST, NORTH, GSD, GSD)
    return write_geotiff(path, bands, crs=crs, transform=place, **options)


def test_tiles_show_the_ground_where_it_lies(tmp_path):
    from rasterio.warp import transform

    source = GeoTiff(write(tmp_path / 'map.tif', paint()))
    west, south, east, north = source.info.bounds
    middle = to_pixels(np.array([(west + east) / 2, (south + north) / 2]), source.info.max_zoom)
    column, row = (int(value) for value in middle // TILE)
    tile = source.read(TileKey(source.info.max_zoom, column, row))
    x, y = np.meshgrid(np.arange(8, TILE, 16), np.arange(8, TILE, 16))
    pixels = np.stack((column * TILE + x + 0.5, row * TILE + y + 0.5), axis=-1).reshape(-1, 2)
    places = from_pixels(pixels, source.info.max_zoom)
    easts, norths = transform('EPSG:4326', 'EPSG:32614', places[:, 0], places[:, 1])
    across = (np.array(easts) - EAST) / GSD - 0.5
    down = (NORTH - np.array(norths)) / GSD - 0.5
    inside = (across > 2) & (across < 597) & (down > 2) & (down < 597)
    found = tile.image[y.ravel(), x.ravel()].astype(float)[inside]
    assert inside.sum() > 100
    assert found[:, 0] == pytest.approx(128 + 100 * np.sin(across[inside] / 40), abs=4)
    assert found[:, 1] == pytest.approx(128 + 100 * np.cos(down[inside] / 30), abs=4)


def test_the_map_says_its_scale_date_and_terms(tmp_path):
    path = write(tmp_path / 'map.tif', paint())
    with rasterio.open(path, 'r+') as file:
        file.update_tags(TIFFTAG_DATETIME='2017:08:03 10:00:00', TIFFTAG_COPYRIGHT='public domain')
    info = open_map(path).info
    assert info.gsd_m == pytest.approx(GSD, rel=0.03)
    assert (info.date, info.attribution, info.tile_side) == ('2017-08-03', 'public domain', 256)
    assert info.bounds.covers(-99.0 + 1e-3, 46.9530)


def test_outside_the_map_there_is_nothing_and_its_rim_is_not_seen(tmp_path):
    from rasterio.warp import transform

    source = GeoTiff(write(tmp_path / 'map.tif', paint()))
    zoom = source.info.max_zoom
    corner = to_pixels(np.array([source.info.bounds.west, source.info.bounds.north]), zoom) // TILE
    column, row = (int(value) for value in corner)
    assert source.read(TileKey(zoom, column - 3, row)) is None
    assert source.read(TileKey(3, 0, 0)) is None
    rim = source.read(TileKey(zoom, column, row))
    x, y = np.meshgrid(np.arange(TILE) + 0.5, np.arange(TILE) + 0.5)
    pixels = np.stack((column * TILE + x, row * TILE + y), axis=-1).reshape(-1, 2)
    places = from_pixels(pixels, zoom)
    easts, norths = transform('EPSG:4326', 'EPSG:32614', places[:, 0], places[:, 1])
    inside = (np.array(easts) > EAST) & (np.array(norths) < NORTH)
    assert (rim.seen.ravel() == inside).mean() > 0.99
    assert 0.02 < rim.seen.mean() < 0.98


def test_sixteen_bits_and_one_band_are_shown(tmp_path):
    values = (paint()[:1].astype(np.uint16) * 40) + 2000
    source = GeoTiff(write(tmp_path / 'grey.tif', values))
    built = build_from_map(source, MapWriter(tmp_path / 'grey.mbtiles', MapText('grey')))
    assert built.tiles[source.info.max_zoom] >= 4
    tiles = [MbTiles(tmp_path / 'grey.mbtiles').read(key) for key in _keys(tmp_path)]
    seen = np.concatenate(
        [t.image[t.seen if t.seen is not None else slice(None)].reshape(-1, 3) for t in tiles]
    )
    assert seen.min() < 20
    assert seen.max() > 235
    assert (np.ptp(seen, axis=1) <= 12).all()


def _keys(folder):
    source = MbTiles(folder / 'grey.mbtiles')
    keys = source.keys()
    return [key for key in keys if key.zoom == source.info.max_zoom]


def test_a_map_without_georeference_is_refused(tmp_path):
    path = write(tmp_path / 'plain.tif', paint(64), crs=None, transform=rasterio.Affine.identity())
    with pytest.raises(MapError, match='found no georeference'):
        open_map(path)


def test_a_truncated_map_is_an_error_that_names_it(tmp_path):
    path = write(tmp_path / 'map.tif', paint(), compress='deflate')
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(MapError, match=r'map\.tif'):
        _read_middle(path)
    (tmp_path / 'text.tif').write_text('no raster')
    with pytest.raises(MapError, match='expected a GeoTIFF'):
        open_map(tmp_path / 'text.tif')


def _read_middle(path):
    source = GeoTiff(path)
    zoom = source.info.max_zoom
    west, south, east, north = source.info.bounds
    middle = to_pixels(np.array([(west + east) / 2, (south + north) / 2]), zoom) // TILE
    source.read(TileKey(zoom, *(int(value) for value in middle)))


def test_a_fourth_band_is_transparency_or_infrared_by_what_it_holds(tmp_path):
    from rasterio.enums import ColorInterp

    image = paint()
    half = np.zeros_like(image[:1])
    half[:, :, :300] = 255
    wavy = np.maximum(image[1:2], 1)
    rgba = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    shares = []
    for name, band in (('clear', half), ('infrared', wavy)):
        path = write(tmp_path / f'{name}.tif', np.concatenate((image, band)))
        with rasterio.open(path, 'r+') as file:
            file.colorinterp = rgba
        source = GeoTiff(path)
        build_from_map(source, MapWriter(tmp_path / 'grey.mbtiles', MapText(name)))
        tiles = [MbTiles(tmp_path / 'grey.mbtiles').read(key) for key in _keys(tmp_path)]
        shares.append(sum(TILE * TILE if t.seen is None else t.seen.sum() for t in tiles))
        assert max(int(t.image[..., 0].max()) for t in tiles) > 220
    assert shares[0] == pytest.approx(shares[1] / 2, rel=0.02)


LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'


@pytest.mark.parametrize(
    ('crs', 'origin', 'message'),
    [
        ('EPSG:4326', (485900, 5209245), 'coordinates 485900, .* in EPSG:4326, which are nowhere'),
        (LOCAL, (0, 300), 'which are nowhere on the globe'),
    ],
)
def test_a_coordinate_system_that_does_not_fit_is_named(tmp_path, crs, origin, message):
    """Metres that are said to be degrees, and a system that lies nowhere."""
    place = rasterio.transform.from_origin(*origin, 5, 5)
    path = write(tmp_path / 'lost.tif', paint(64), crs=crs, transform=place)
    with pytest.raises(MapError, match=message):
        GeoTiff(path)
