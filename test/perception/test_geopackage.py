# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A GeoPackage is one by its header, tables and geometries, also after a crash."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.geopackage import GeoPackage, geometry_blob

ROOT = Path(__file__).resolve().parents[2]
SQUARE = [[7.0, 46.0], [7.1, 46.0], [7.1, 46.1], [7.0, 46.1], [7.0, 46.0]]
HOLE = [[7.02, 46.02], [7.02, 46.08], [7.08, 46.08], [7.08, 46.02], [7.02, 46.02]]


def feature(kind='detection', *, coordinates=(SQUARE,), shape='Polygon', **properties):
    geometry = None if coordinates is None else {'type': shape, 'coordinates': list(coordinates)}
    about = {'kind': kind, 'stamp_ns': 1_700_000_000_123_456_789, 'frame_id': 'camera'}
    return {'type': 'Feature', 'geometry': geometry, 'properties': {**about, **properties}}


def rows(path, query):
    base = sqlite3.connect(path)
    base.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in base.execute(query)]
    finally:
        base.close()


def read_blob(blob):
    """Read a geometry as the standard has it: its extent and its polygons."""
    magic, version, flags, srs = struct.unpack_from('<2sBBi', blob)
    assert (magic, version, flags, srs) == (b'GP', 0, 0b11, 4326)
    extent = struct.unpack_from('<4d', blob, 8)
    at = 40

    def take(form):
        nonlocal at
        values = struct.unpack_from(form, blob, at)
        at += struct.calcsize(form)
        return values

    order, kind, count = take('<BII')
    assert (order, kind) == (1, 6)
    polygons = []
    for _ in range(count):
        order, kind, rings = take('<BII')
        assert (order, kind) == (1, 3)
        polygons.append([])
        for _ in range(rings):
            (points,) = take('<I')
            flat = take(f'<{2 * points}d')
            polygons[-1].append([list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)])
    assert at == len(blob)
    return extent, polygons


coordinates = st.floats(-180, 180)
rings = st.lists(st.tuples(coordinates, coordinates).map(list), min_size=4, max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(rings, min_size=1, max_size=3), min_size=1, max_size=3))
def test_geometries_are_read_back_as_they_were_with_their_extent(polygons):
    extent, found = read_blob(geometry_blob(polygons))
    assert found == polygons
    x, y = np.concatenate([np.array(polygon[0]) for polygon in polygons]).T
    assert extent == (x.min(), x.max(), y.min(), y.max())


def test_the_header_and_the_tables_are_those_of_a_geopackage(tmp_path):
    path = tmp_path / 'results.gpkg'
    GeoPackage(path).close()
    head = path.read_bytes()[:100]
    assert head[:16] == b'SQLite format 3\0'
    assert head[68:72] == b'GPKG'
    assert struct.unpack('>I', head[60:64]) == (10300,)
    layers = {'frames', 'detections', 'segments', 'changes'}
    contents = rows(path, 'SELECT * FROM gpkg_contents')
    assert {row['table_name'] for row in contents} == layers
    assert {row['srs_id'] for row in contents} == {4326}
    geometries = rows(path, 'SELECT * FROM gpkg_geometry_columns')
    assert {row['table_name'] for row in geometries} == layers
    assert {row['geometry_type_name'] for row in geometries} == {'MULTIPOLYGON'}
    systems = rows(path, 'SELECT srs_id, organization FROM gpkg_spatial_ref_sys')
    assert {row['srs_id'] for row in systems} == {-1, 0, 4326}
    assert rows(path, 'PRAGMA integrity_check') == [{'integrity_check': 'ok'}]
    assert rows(path, 'PRAGMA foreign_key_check') == []
    assert sorted(item.name for item in tmp_path.iterdir()) == ['results.gpkg']


def test_features_are_rows_with_their_columns_and_the_rest_as_json(tmp_path):
    path = tmp_path / 'results.gpkg'
    package = GeoPackage(path)
    package.append(
        [
            feature('frame', coordinates=None, pose={'latitude_deg': 46.0}, footprint_unknown='x'),
            feature(
                'detection',
                coordinates=[SQUARE, HOLE],
                score=0.9,
                number=3,
                position=[7.05, 46.05],
                position_covariance_m2=[[4.0, 1.0], [1.0, 9.0]],
                sigma_m=3.1,
                box=[1, 2, 3, 4, 0.5],
                **{'class': 'ship'},
            ),
        ]
    )
    package.append([feature('change', shape='MultiPolygon', coordinates=[[SQUARE], [HOLE]])])
    package.close()
    (frame,) = rows(path, 'SELECT * FROM frames')
    assert (frame['geom'], frame['latitude_deg'], frame['footprint_unknown']) == (None, 46.0, 'x')
    (ship,) = rows(path, 'SELECT * FROM detections')
    assert ship['time'] == '2023-11-14T22:13:20.123Z'
    assert (ship['class'], ship['score'], ship['number'], ship['sigma_m']) == ('ship', 0.9, 3, 3.1)
    assert (ship['longitude_deg'], ship['latitude_deg']) == (7.05, 46.05)
    assert [ship[f'covariance_{name}_m2'] for name in ('ee', 'en', 'nn')] == [4.0, 1.0, 9.0]
    assert json.loads(ship['properties'])['box'] == [1, 2, 3, 4, 0.5]
    assert read_blob(ship['geom'])[1] == [[SQUARE, HOLE]]
    (change,) = rows(path, 'SELECT * FROM changes')
    assert read_blob(change['geom'])[1] == [[SQUARE], [HOLE]]
    extents = {
        row['table_name']: [row[side] for side in ('min_x', 'max_x', 'min_y', 'max_y')]
        for row in rows(path, 'SELECT * FROM gpkg_contents')
    }
    assert extents['frames'] == [None] * 4
    assert extents['detections'] == [7.0, 7.1, 46.0, 46.1]


def test_the_same_features_give_the_same_file(tmp_path):
    written = []
    for name in ('one.gpkg', 'two.gpkg'):
        package = GeoPackage(tmp_path / name)
        for number in range(5):
            package.append([feature('frame', coordinates=None), feature(number=number)])
        package.close()
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_a_file_that_is_there_is_added_to(tmp_path):
    path = tmp_path / 'results.gpkg'
    for _ in range(2):
        package = GeoPackage(path)
        package.append([feature()])
        package.close()
        package.append([feature()])
        package.close()
    assert rows(path, 'SELECT count(*) AS n FROM detections') == [{'n': 4}]


def test_a_frame_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'results.gpkg'
    package = GeoPackage(path)
    package.append([feature()])
    rows(path, 'DROP TABLE changes')
    with pytest.raises(OSError, match='no such table: changes'):
        package.append([feature(), feature('change')])
    package.append([feature()])
    package.close()
    assert rows(path, 'SELECT count(*) AS n FROM detections') == [{'n': 2}]


def test_another_database_is_not_written_to(tmp_path):
    path = tmp_path / 'results.gpkg'
    rows(path, 'CREATE TABLE secrets (a)')
    with pytest.raises(OSError, match='found application id 0; expected that of a GeoPackage'):
        GeoPackage(path)
    path.write_bytes(b'no database at all, but some text that is long enough' * 9)
    with pytest.raises(OSError, match='not a database'):
        GeoPackage(path)
    with pytest.raises(OSError, match='unable to open'):
        GeoPackage(tmp_path / 'nowhere' / 'results.gpkg')


@pytest.mark.skipif(shutil.which('ogrinfo') is None, reason='GDAL is not installed')
def test_gdal_reads_what_is_written(tmp_path):
    path = tmp_path / 'results.gpkg'
    package = GeoPackage(path)
    package.append([feature('segment', coordinates=[SQUARE, HOLE], area_m2=12.5)])
    package.close()
    command = ['ogrinfo', '-ro', '-al', str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 'Warning' not in told
    assert 'area_m2 (Real) = 12.5' in told
    assert 'MULTIPOLYGON (((7 46,' in told


CRASHING = """
import sys
sys.path[:0] = [{root!r}, {here!r}]
from test_geopackage import feature
from rs_onboard.perception.geopackage import GeoPackage
from pathlib import Path
package = GeoPackage(Path({path!r}))
for number in range(100_000):
    package.append([feature(number=number, properties_of=['x' * 500])] * 3)
    print(number, flush=True)
"""


def test_a_process_that_is_killed_leaves_a_file_with_all_whole_frames(tmp_path):
    path = tmp_path / 'results.gpkg'
    script = CRASHING.format(root=str(ROOT), here=str(Path(__file__).parent), path=str(path))
    with subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            if int(line) >= 40:
                break
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
    last = int(rest[-1]) if rest else 40
    assert path.with_suffix('.gpkg-wal').stat().st_size
    found = rows(path, 'SELECT number, count(*) AS n FROM detections GROUP BY number')
    assert [row['number'] for row in found] == list(range(len(found)))
    assert {row['n'] for row in found} == {3}
    assert len(found) >= last + 1
    assert rows(path, 'PRAGMA integrity_check') == [{'integrity_check': 'ok'}]
    assert rows(path, 'PRAGMA application_id') == [{'application_id': 0x47504B47}]
