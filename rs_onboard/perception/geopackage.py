# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results as a GeoPackage (OGC 12-128r18, version 1.3), which every GIS opens.

A layer a kind of feature: `frames`, `detections`, `segments`, `changes`. What is asked for most has
columns of its own, the rest is JSON in `properties`. Every frame is a transaction in a write-ahead
log, so that a crash or a loss of power leaves a file that opens, with all frames but perhaps the
last ones.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

APPLICATION_ID = 0x47504B47  # 'GPKG'
VERSION = 10300
SRS = 4326
NS_PER_S = 1_000_000_000

# Columns of every layer, besides number and geometry.
COMMON = {'time': 'DATETIME', 'stamp_ns': 'INTEGER', 'frame_id': 'TEXT'}
PLACE = {
    'longitude_deg': 'DOUBLE',
    'latitude_deg': 'DOUBLE',
    'sigma_m': 'DOUBLE',
    'covariance_ee_m2': 'DOUBLE',
    'covariance_en_m2': 'DOUBLE',
    'covariance_nn_m2': 'DOUBLE',
}
THING = {'class': 'TEXT', 'score': 'DOUBLE', 'number': 'INTEGER', 'area_m2': 'DOUBLE'}
# By kind of feature: the layer and its columns.
LAYERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    'frame': (
        'frames',
        {
            'latitude_deg': 'DOUBLE',
            'longitude_deg': 'DOUBLE',
            'altitude_m': 'DOUBLE',
            'height_m': 'DOUBLE',
            'gsd_m': 'DOUBLE',
            'position_sigma_m': 'DOUBLE',
            'footprint_sigma_m': 'DOUBLE',
            'footprint_unknown': 'TEXT',
        },
    ),
    'detection': ('detections', {**THING, 'length_m': 'DOUBLE', 'width_m': 'DOUBLE', **PLACE}),
    'segment': ('segments', {'class': 'TEXT', 'area_m2': 'DOUBLE', **PLACE}),
    'change': ('changes', {**THING, 'map': 'TEXT', 'map_date': 'TEXT', **PLACE}),
}

TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES
  ('Undefined Cartesian', -1, 'NONE', -1, 'undefined', NULL),
  ('Undefined geographic', 0, 'NONE', 0, 'undefined', NULL),
  ('WGS 84', 4326, 'EPSG', 4326,
   'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
   || 'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,'
   || 'AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
   || 'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]',
   'longitude and latitude');
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL
    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
"""


class GeoPackage:
    """A file of features that grows frame by frame.

    Args:
        path: The file; made where there is none, else added to.

    Raises:
        OSError: It cannot be written, or is another database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._base: sqlite3.Connection | None = None
        with self._told():
            self._open()

    def append(self, features: Sequence[Mapping[str, Any]]) -> None:
        """Add the GeoJSON features of a frame, all of them or none.

        Raises:
            OSError: They cannot be written; the file is as it was, and a later call may find it
                writable again.
        """
        with self._told():
            base = self._base or self._open()
            base.execute('BEGIN IMMEDIATE')
            for feature in features:
                _insert(base, feature)
            base.execute('COMMIT')

    def close(self) -> None:
        """Close the file and leave it without a log beside it."""
        base, self._base = self._base, None
        if base is not None:
            # A disk that is gone has nothing to save any more.
            with contextlib.suppress(sqlite3.Error):
                base.execute('PRAGMA journal_mode = DELETE')
            with contextlib.suppress(sqlite3.Error):
                base.close()

    def _open(self) -> sqlite3.Connection:
        # The publisher writes from two threads, one at a time.
        base = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._base = base
        # Commits then wait for no disk, and are whole or not there after a loss of power.
        base.execute('PRAGMA journal_mode = WAL')
        base.execute('PRAGMA synchronous = NORMAL')
        (kind,) = base.execute('PRAGMA application_id').fetchone()
        if kind != APPLICATION_ID:
            if base.execute('SELECT count(*) FROM sqlite_master').fetchone()[0]:
                raise sqlite3.DatabaseError(
                    f'found application id {kind}; expected that of a GeoPackage'
                )
            _create(base)
        return base

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what the database cannot do as what the disk cannot do."""
        try:
            yield
        except sqlite3.Error as exc:
            # Closing undoes what was not committed.
            self.close()
            raise OSError(f'{self._path}: {exc}') from None


def _create(base: sqlite3.Connection) -> None:
    base.execute('BEGIN IMMEDIATE')
    for statement in filter(None, map(str.strip, TABLES.split(';'))):
        base.execute(statement)
    for name, columns in LAYERS.values():
        typed = ', '.join(f'"{c}" {kind}' for c, kind in {**COMMON, **columns}.items())
        base.execute(
            f'CREATE TABLE {name} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, '
            f'geom MULTIPOLYGON, {typed}, properties TEXT)'
        )
        base.execute(
            'INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change, srs_id) '
            "VALUES (?1, 'features', ?1, ?2, ?3)",
            # That of the newest frame, and none is in it: the same frames give the same bytes.
            (name, _time(0), SRS),
        )
        base.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'MULTIPOLYGON', ?, 0, 0)",
            (name, SRS),
        )
    base.execute(f'PRAGMA user_version = {VERSION}')
    # Last, so that what is not a GeoPackage yet has not the mark of one.
    base.execute(f'PRAGMA application_id = {APPLICATION_ID}')
    base.execute('COMMIT')


def _insert(base: sqlite3.Connection, feature: Mapping[str, Any]) -> None:
    told = dict(feature['properties'])
    name, columns = LAYERS[told.pop('kind')]
    time = _time(told['stamp_ns'])
    known = {**told.get('pose', {}), **_place(told), **told, 'time': time}
    wanted = (*COMMON, *columns)
    values = [known.get(column) for column in wanted]
    rest = {key: value for key, value in told.items() if key not in wanted}
    polygons = _polygons(feature['geometry'])
    marks = ', '.join('?' * (len(wanted) + 2))
    listed = ', '.join(f'"{column}"' for column in wanted)
    # Names come from the table above alone.
    base.execute(
        f'INSERT INTO {name} (geom, {listed}, properties) VALUES ({marks})',  # noqa: S608
        (geometry_blob(polygons) if polygons else None, *values, json.dumps(rest)),
    )
    if polygons:
        west, east, south, north = _envelope(polygons)
        base.execute(
            'UPDATE gpkg_contents SET last_change = :time, '
            'min_x = min(coalesce(min_x, :west), :west), '
            'max_x = max(coalesce(max_x, :east), :east), '
            'min_y = min(coalesce(min_y, :south), :south), '
            'max_y = max(coalesce(max_y, :north), :north) WHERE table_name = :name',
            {
                'time': time,
                'name': name,
                'west': west,
                'east': east,
                'south': south,
                'north': north,
            },
        )


def _place(told: Mapping[str, Any]) -> dict[str, float]:
    """Return the columns of a position and its covariance."""
    known: dict[str, float] = {}
    if 'position' in told:
        known['longitude_deg'], known['latitude_deg'] = told['position']
    if 'position_covariance_m2' in told:
        (ee, en), (_, nn) = told['position_covariance_m2']
        known |= {'covariance_ee_m2': ee, 'covariance_en_m2': en, 'covariance_nn_m2': nn}
    return known


def _time(stamp_ns: int) -> str:
    """Return a stamp as DATETIME of a GeoPackage, which has milliseconds."""
    seconds, rest = divmod(stamp_ns, NS_PER_S)
    moment = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    return f'{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z'


def _polygons(geometry: Mapping[str, Any] | None) -> list[Any]:
    """Return the polygons of a GeoJSON geometry, each a list of closed rings."""
    if geometry is None:
        return []
    coordinates = geometry['coordinates']
    return [coordinates] if geometry['type'] == 'Polygon' else list(coordinates)


def _envelope(polygons: Sequence[Any]) -> tuple[float, float, float, float]:
    points = [point for rings in polygons for point in rings[0]]
    x, y = zip(*points, strict=True)
    return min(x), max(x), min(y), max(y)


def geometry_blob(polygons: Sequence[Any]) -> bytes:
    """Write a multipolygon as a GeoPackage has it: a header with its extent, then WKB.

    Args:
        polygons: Lists of closed rings of (longitude, latitude).
    """
    # Little-endian, with an extent in two dimensions.
    head = struct.pack('<2sBBi4d', b'GP', 0, 0b11, SRS, *_envelope(polygons))
    parts = [struct.pack('<BII', 1, 6, len(polygons))]
    for rings in polygons:
        parts.append(struct.pack('<BII', 1, 3, len(rings)))
        for ring in rings:
            flat = [value for point in ring for value in point]
            parts.append(struct.pack(f'<I{len(flat)}d', len(ring), *flat))
    return head + b''.join(parts)
