# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Maps in MBTiles: what is built is read, and what is broken is named."""

from __future__ import annotations

import sqlite3

import cv2
import numpy as np
import pytest

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import TILE, from_pixels
from rs_onboard.geo.reference.build import MapText, MapWriter, build_from_folder, halved
from rs_onboard.geo.reference.mbtiles import MbTiles
from rs_onboard.geo.reference.opening import open_map
from rs_onboard.geo.reference.source import MapTile, TileKey

ZOOM = 16
COLUMN, ROW = 34_000, 23_000
TEXT = MapText('field', date='2021-07', attribution='public domain')


def smooth(seed, side=TILE):
    """Make an image that JPEG keeps nearly as it is."""
    small = np.random.default_rng(seed).integers(40, 216, (4, 4, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture
def field(tmp_path):
    """Write a map of two by two tiles, one of which is half seen."""
    writer = MapWriter(tmp_path / 'field.mbtiles', TEXT)
    for number, (x, y) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        seen = None
        if number == 3:
            seen = np.zeros((TILE, TILE), np.bool_)
            seen[:, :128] = True
        writer.add(TileKey(ZOOM, COLUMN + x, ROW + y), MapTile(smooth(number), seen))
    writer.finish()
    return tmp_path / 'field.mbtiles'


def read_all(path):
    source = MbTiles(path)
    for key in [TileKey(ZOOM, COLUMN + x, ROW + y) for x in (0, 1) for y in (0, 1)]:
        source.read(key)
    source.keys()


def test_a_built_map_says_what_it_is(field):
    info = open_map(field).info
    assert (info.name, info.date, info.attribution) == ('field', '2021-07', 'public domain')
    assert (info.min_zoom, info.max_zoom, info.tile_side) == (ZOOM - 5, ZOOM, TILE)
    corners = np.array([(COLUMN, ROW), (COLUMN + 2, ROW + 2)], float) * TILE
    (west, north), (east, south) = from_pixels(corners, ZOOM).tolist()
    assert info.bounds == pytest.approx((west, south, east, north), abs=1e-7)
    assert 1.0 < info.gsd_m < 2.4


def test_tiles_are_read_as_they_were_written_and_holes_are_none(field):
    source = MbTiles(field)
    whole = source.read(TileKey(ZOOM, COLUMN, ROW))
    assert whole.seen is None
    assert np.abs(whole.image.astype(int) - smooth(0)).mean() < 2
    half = source.read(TileKey(ZOOM, COLUMN + 1, ROW + 1))
    assert half.seen[:, :128].all()
    assert not half.seen[:, 128:].any()
    np.testing.assert_array_equal(half.image, smooth(3))
    assert source.read(TileKey(ZOOM, COLUMN + 5, ROW)) is None
    assert len(source.keys()) == 4 + 5


def test_overviews_are_the_mean_of_what_is_seen(field):
    found = MbTiles(field).read(TileKey(ZOOM - 1, COLUMN // 2, ROW // 2))
    corner = cv2.resize(smooth(0), (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(found.image[:128, :128].astype(int) - corner).mean() < 2
    assert found.seen[128:, 128:192].all()
    assert not found.seen[128:, 192:].any()
    # No black of the unseen half in the seen one.
    assert found.image[128:, 191].min() > 20


def test_quarters_that_are_missing_are_not_seen():
    tile = halved([None, MapTile(smooth(1), None), None, None])
    assert tile.seen[:128, 128:].all()
    assert tile.seen.sum() == 128 * 128


def test_a_slippy_folder_becomes_a_map(tmp_path):
    for x in (0, 1):
        for name, zoom in (('a', ZOOM), ('b', ZOOM - 1)):
            path = tmp_path / name / str(zoom) / str(COLUMN + x)
            path.mkdir(parents=True)
            cv2.imwrite(str(path / f'{ROW}.png'), smooth(x)[:, :, ::-1])
    (tmp_path / 'a' / 'readme.txt').write_text('no tile')
    path = tmp_path / 'a.mbtiles'
    built = build_from_folder(tmp_path / 'a', MapWriter(path, TEXT))
    assert built.tiles[ZOOM] == 2
    assert built.size == path.stat().st_size
    tile = MbTiles(path).read(TileKey(ZOOM, COLUMN + 1, ROW))
    assert np.abs(tile.image.astype(int) - smooth(1)).mean() < 2
    with pytest.raises(MapError, match='found no tiles'):
        build_from_folder(tmp_path / 'splits', MapWriter(tmp_path / 'x.mbtiles', TEXT))
    assert not list(tmp_path.glob('x.*'))


def test_a_tile_that_was_changed_is_refused_by_the_hash_list(field):
    database = sqlite3.connect(field)
    sound = cv2.imencode('.png', smooth(9))[1].tobytes()
    database.execute('UPDATE tiles SET tile_data = ? WHERE tile_column = ?', (sound, COLUMN))
    database.commit()
    database.close()
    with pytest.raises(MapError, match='not that of the hash list'):
        MbTiles(field).read(TileKey(ZOOM, COLUMN, ROW))


@pytest.mark.parametrize('share', [0.1, 0.5, 0.95])
def test_a_truncated_file_is_an_error_that_says_so_at_once_or_at_the_tile(field, share):
    data = field.read_bytes()
    field.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MapError, match=r'field\.mbtiles'):
        read_all(field)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ("UPDATE metadata SET value = 'pbf' WHERE name = 'format'", "format 'pbf'"),
        ('DELETE FROM tiles', 'zoom levels from None to None'),
        ('UPDATE tiles SET zoom_level = 99', 'zoom levels from 99'),
        ("UPDATE metadata SET value = '9,9,1,1' WHERE name = 'bounds'", "bounds '9,9,1,1'"),
        ('DROP TABLE tiles', 'no such table: tiles'),
        ("DROP TABLE tile_hashes; UPDATE tiles SET tile_data = x'00'", 'is no image'),
    ],
)
def test_every_fault_of_a_map_is_named(field, change, message):
    database = sqlite3.connect(field)
    database.executescript(change)
    database.commit()
    database.close()
    with pytest.raises(MapError, match=r'field\.mbtiles') as error:
        MbTiles(field)
    assert message in str(error.value)


def test_files_that_are_no_maps_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(MapError, match='no such map'):
        open_map(tmp_path / 'none.mbtiles')
    (tmp_path / 'map.jpg').write_bytes(b'x')
    with pytest.raises(MapError, match=r'expected \.mbtiles, \.tif or \.tiff'):
        open_map(tmp_path / 'map.jpg')
    (tmp_path / 'text.mbtiles').write_text('no database, but long enough to be read as one' * 50)
    with pytest.raises(MapError, match='not a database'):
        open_map(tmp_path / 'text.mbtiles')
    with pytest.raises(MapError, match="found 'July'"):
        MapText('x', date='July')


def test_bounds_that_the_file_does_not_give_are_those_of_its_tiles(field):
    expected = MbTiles(field).info.bounds
    database = sqlite3.connect(field)
    database.execute("DELETE FROM metadata WHERE name = 'bounds'")
    database.commit()
    database.close()
    assert MbTiles(field).info.bounds == pytest.approx(expected, abs=1e-7)
