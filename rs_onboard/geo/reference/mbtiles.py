# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""MBTiles 1.3: raster tiles in one SQLite file, which needs nothing that Python does not bring.

Files of `rs_onboard reference build` also hold a table `tile_hashes`; a tile whose bytes are not
those that were built is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import MAX_ZOOM, TILE, from_pixels, resolution_m
from rs_onboard.geo.reference.source import Bounds, MapInfo, MapTile, Origin, TileKey

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RASTER_FORMATS = ('png', 'jpg', 'jpeg', 'webp')
# A tile of 1024 px in PNG is below this; more is no tile.
MAX_TILE_BYTES = 16 * 1024 * 1024
SIDES = (256, 512, 1024)
REMAKE = 'Copy the file again, or build it anew with `rs_onboard reference build`.'


class MbTiles:
    """An MBTiles file, open read-only.

    Raises:
        MapError: The file is truncated, no MBTiles, of vector tiles or without tiles.
    """

    info: MapInfo

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(
                f'{path.absolute().as_uri()}?mode=ro&immutable=1',
                uri=True,
                check_same_thread=False,
            )
            self._hashed = bool(
                self._rows("SELECT 1 FROM sqlite_master WHERE name = 'tile_hashes'", ())
            )
            self.info = self._describe()
        except sqlite3.Error as exc:
            raise MapError(
                f'{path}: {exc}; expected an MBTiles file (SQLite with the tables metadata and '
                f'tiles). {REMAKE}'
            ) from None

    def read(self, key: TileKey) -> MapTile | None:
        """See `MapSource.read`."""
        data = self._bytes(key)
        return None if data is None else self._decode(key, data, self.info.tile_side)

    def close(self) -> None:
        """See `MapSource.close`."""
        with self._lock:
            self._database.close()

    def keys(self) -> list[TileKey]:
        """List all tiles, coarse ones first."""
        try:
            rows = self._rows(
                'SELECT zoom_level, tile_column, tile_row FROM tiles ORDER BY 1, 2, 3', ()
            )
        except sqlite3.Error as exc:
            raise MapError(f'{self._path}: {exc}. {REMAKE}') from None
        return [TileKey(zoom, column, 2**zoom - 1 - row) for zoom, column, row in rows]

    def list_hash(self) -> str:
        """Return the sha256 of the hash list, which names the whole map; empty without one.

        Raises:
            MapError: The list cannot be read.
        """
        if not self._hashed:
            return ''
        try:
            rows = self._rows(
                'SELECT zoom_level, tile_column, tile_row, hash FROM tile_hashes ORDER BY 1, 2, 3',
                (),
            )
        except sqlite3.Error as exc:
            raise MapError(f'{self._path}: {exc}. {REMAKE}') from None
        digest = hashlib.sha256()
        for zoom, column, row, value in rows:
            content = bytes(value).hex() if isinstance(value, bytes) else ''
            digest.update(f'{zoom}/{column}/{row} {content}\n'.encode())
        return digest.hexdigest()

    @property
    def hashed(self) -> bool:
        """Whether the file says what the bytes of its tiles are."""
        return self._hashed

    def _rows(self, query: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    def _describe(self) -> MapInfo:
        """Read the metadata; what is missing is read off the tiles."""
        fields = {
            str(name): str(value)
            for name, value in self._rows('SELECT name, value FROM metadata', ())
        }
        kind = fields.get('format', '')
        if kind and kind not in RASTER_FORMATS:
            raise MapError(
                f'{self._path}: found tiles of format {kind!r}; expected images '
                f'({", ".join(RASTER_FORMATS)}). Render the vector map to images first.'
            )
        ((low, high),) = self._rows('SELECT min(zoom_level), max(zoom_level) FROM tiles', ())
        if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high <= MAX_ZOOM):
            raise MapError(
                f'{self._path}: found zoom levels from {low} to {high}; expected tiles of zoom 0 '
                f'to {MAX_ZOOM}. {REMAKE}'
            )
        bounds = self._bounds(fields.get('bounds', ''), high)
        side = self._side(high)
        finest = resolution_m((bounds.south + bounds.north) / 2, high) * TILE / side
        return MapInfo(
            path=self._path,
            name=fields.get('name', '') or self._path.stem,
            date=fields.get('date', ''),
            gsd_m=_positive(fields.get('gsd_m', '')) or finest,
            bounds=bounds,
            min_zoom=low,
            max_zoom=high,
            tile_side=side,
            attribution=fields.get('attribution', ''),
            origins=_origins(fields.get('origins', '')),
        )

    def _bounds(self, text: str, zoom: int) -> Bounds:
        """Read the bounds, or take those of the finest tiles."""
        try:
            west, south, east, north = (float(word) for word in text.split(','))
        except ValueError:
            ((a, b, c, d),) = self._rows(
                'SELECT min(tile_column), max(tile_column), min(tile_row), max(tile_row) '
                'FROM tiles WHERE zoom_level = ?',
                (zoom,),
            )
            rows = 2**zoom
            corners = np.array([(a, rows - 1 - d), (b + 1, rows - c)], float)
            (west, north), (east, south) = from_pixels(corners * TILE, zoom).tolist()
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise MapError(
                f'{self._path}: found bounds {text!r}; expected west, south, east, north in '
                f'degrees. {REMAKE}'
            )
        return Bounds(west, south, east, north)

    def _side(self, zoom: int) -> int:
        """Measure one of the finest tiles."""
        rows = self._rows(
            'SELECT tile_column, tile_row FROM tiles WHERE zoom_level = ? LIMIT 1', (zoom,)
        )
        column, row = rows[0]
        key = TileKey(zoom, column, 2**zoom - 1 - row)
        return len(self._decode(key, self._bytes(key) or b'', None).image)

    def _bytes(self, key: TileKey) -> bytes | None:
        """Read the file of a tile and check it against the hash list, if there is one."""
        # MBTiles counts rows from the south.
        place = (key.zoom, key.column, 2**key.zoom - 1 - key.row)
        where = 'WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?'
        try:
            found = self._rows(f'SELECT tile_data FROM tiles {where}', place)  # noqa: S608
            if not found:
                return None
            data = found[0][0] if isinstance(found[0][0], bytes) else b''
            if self._hashed:
                listed = self._rows(f'SELECT hash FROM tile_hashes {where}', place)  # noqa: S608
                self._check(key, data, listed)
        except sqlite3.Error as exc:
            raise MapError(f'{self._path}: tile {tuple(key)}: {exc}. {REMAKE}') from None
        return data

    def _check(self, key: TileKey, data: bytes, listed: list[tuple[Any, ...]]) -> None:
        found = hashlib.sha256(data).digest()
        if not listed or listed[0][0] != found:
            raise MapError(
                f'{self._path}: tile {tuple(key)} has sha256 {found.hex()[:16]}..., which is not '
                f'that of the hash list. The file was changed after it was built. {REMAKE}'
            )

    def _decode(self, key: TileKey, data: bytes, wanted: int | None) -> MapTile:
        array = np.frombuffer(data, np.uint8)
        sound = 0 < len(data) <= MAX_TILE_BYTES
        decoded = cv2.imdecode(array, cv2.IMREAD_UNCHANGED) if sound else None
        if decoded is None or decoded.dtype != np.uint8:
            raise MapError(
                f'{self._path}: tile {tuple(key)} of {len(data)} bytes is no image. {REMAKE}'
            )
        image = np.asarray(decoded, np.uint8)
        side, wide = image.shape[:2]
        if side != wide or side != (wanted or side) or side not in SIDES:
            raise MapError(
                f'{self._path}: tile {tuple(key)} is {wide}x{side} px; expected squares of '
                f'{wanted or "256 or 512"} px. {REMAKE}'
            )
        return as_tile(image)


def as_tile(image: NDArray[np.uint8]) -> MapTile:
    """Make a tile of grey, BGR or BGRA pixels; transparent ones are not seen."""
    if image.ndim == 2:
        return MapTile(np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8), None)
    colours = np.ascontiguousarray(image[:, :, 2::-1])
    seen = image[:, :, 3] > 127 if image.shape[2] == 4 else None
    return MapTile(colours, None if seen is None or bool(seen.all()) else seen)


def _origins(text: str) -> tuple[Origin, ...]:
    """Read what the builder says of its sources; other programs write nothing or other things."""
    try:
        listed = json.loads(text)
        return tuple(
            Origin(
                name=str(item['name']),
                date=str(item['date']),
                gsd_m=float(item['gsd_m']),
                attribution=str(item['attribution']),
                sha256=str(item['sha256']),
            )
            for item in listed
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
