# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Build a reference map: an MBTiles file with overviews, dates, hashes, and nothing half done."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import TILE, from_pixels
from rs_onboard.geo.reference.mbtiles import as_tile
from rs_onboard.geo.reference.source import Bounds, MapTile, TileKey
from rs_onboard.geo.reference.view import keys_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rs_onboard.geo.reference.source import MapSource, Origin

# Coarser levels let a high flight and a low one use one map; each adds a quarter of the last.
OVERVIEWS = 5
JPEG_QUALITY = 90
_DATE = re.compile(r'\d{4}(-\d{2}(-\d{2})?)?')
_SLIPPY = re.compile(r'(\d+)/(\d+)/(\d+)\.(png|jpe?g|webp)')

SCHEMA = """
CREATE TABLE metadata (name TEXT, value TEXT);
CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB);
CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row);
CREATE TABLE tile_hashes (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, hash BLOB);
CREATE UNIQUE INDEX hash_index ON tile_hashes (zoom_level, tile_column, tile_row);
"""


@dataclass(frozen=True)
class MapText:
    """What no program can know of a map.

    Attributes:
        name: Name for reports.
        date: When its images were taken, ISO 8601; empty where nobody knows.
        gsd_m: Ground sample distance of what it is made from [m/px]; 0 for that of its tiles.
        attribution: Origin and terms.
        origins: What it is made from, best first.
    """

    name: str
    date: str = ''
    gsd_m: float = 0.0
    attribution: str = ''
    origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a date that nobody could compare with another.

        Raises:
            MapError: The date is not ISO 8601.
        """
        if self.date and not _DATE.fullmatch(self.date):
            raise MapError(
                f'date: found {self.date!r}; expected year, month and day as 2021-07-14, 2021-07 '
                'or 2021.'
            )


class Built(NamedTuple):
    """What was written: tiles by zoom, and the bytes of the file."""

    tiles: dict[int, int]
    size: int


class MapWriter:
    """Writes an MBTiles file beside its place and moves it there when it is whole.

    Args:
        path: The file to be.
        text: What it is.

    Raises:
        MapError: The folder does not exist.
    """

    def __init__(self, path: Path, text: MapText) -> None:
        if not path.parent.is_dir():
            raise MapError(
                f'{path.parent}: no such folder; make it first, or choose another place.'
            )
        self._path = path
        self._text = text
        self._partial = path.with_suffix('.partial')
        self._partial.unlink(missing_ok=True)
        self._database = sqlite3.connect(self._partial)
        self._database.executescript(SCHEMA)
        self._counts: dict[int, int] = {}
        # Of what is seen, by zoom: left, top, right, bottom [px of the world].
        self._extents: dict[int, NDArray[np.float64]] = {}

    def add(self, key: TileKey, tile: MapTile) -> None:
        """Add a tile: PNG where a part is not seen, which must stay exact, else JPEG."""
        bgr = tile.image[:, :, ::-1]
        if tile.seen is None:
            sound, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        else:
            alpha = tile.seen.astype(np.uint8)[:, :, None] * np.uint8(255)
            sound, data = cv2.imencode('.png', np.concatenate((bgr, alpha), axis=2))
        assert sound
        content = np.asarray(data, np.uint8).tobytes()
        place = (key.zoom, key.column, 2**key.zoom - 1 - key.row)
        self._database.execute('INSERT INTO tiles VALUES (?, ?, ?, ?)', (*place, content))
        digest = hashlib.sha256(content).digest()
        self._database.execute('INSERT INTO tile_hashes VALUES (?, ?, ?, ?)', (*place, digest))
        self._counts[key.zoom] = self._counts.get(key.zoom, 0) + 1
        self._extend(key, tile)

    def finish(self) -> Built:
        """Make the overviews and move the file to its place.

        Raises:
            MapError: There is no tile.
        """
        if not self._extents:
            self.abandon()
            raise MapError(
                f'{self._path}: nothing to write; no tile of the source shows anything. Check its '
                'extent with `rs_onboard reference info`.'
            )
        finest = max(self._counts)
        for zoom in range(finest, max(finest - OVERVIEWS, 0), -1):
            self._halve(zoom)
        rows = {
            'name': self._text.name,
            'format': 'jpg',
            'type': 'baselayer',
            'version': '1',
            'bounds': ','.join(f'{value:.8f}' for value in self._bounds(finest)),
            'minzoom': str(min(self._counts)),
            'maxzoom': str(finest),
            'date': self._text.date,
            'attribution': self._text.attribution,
        }
        if self._text.origins:
            rows['origins'] = json.dumps([asdict(origin) for origin in self._text.origins])
        if self._text.gsd_m:
            rows['gsd_m'] = repr(self._text.gsd_m)
        self._database.executemany('INSERT INTO metadata VALUES (?, ?)', rows.items())
        self._database.commit()
        self._database.close()
        self._partial.replace(self._path)
        return Built(dict(sorted(self._counts.items())), self._path.stat().st_size)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._database.close()
        self._partial.unlink(missing_ok=True)

    def _halve(self, zoom: int) -> None:
        """Make the tiles of the next coarser zoom from those of this one."""
        parents = self._database.execute(
            'SELECT DISTINCT tile_column / 2, tile_row / 2 FROM tiles WHERE zoom_level = ?', (zoom,)
        ).fetchall()
        for column, south_row in parents:
            key = TileKey(zoom - 1, column, 2 ** (zoom - 1) - 1 - south_row)
            self.add(key, halved([self._child(key, x, y) for y in (0, 1) for x in (0, 1)]))

    def _child(self, parent: TileKey, x: int, y: int) -> MapTile | None:
        zoom, column, row = parent.zoom + 1, 2 * parent.column + x, 2 * parent.row + y
        found = self._database.execute(
            'SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?',
            (zoom, column, 2**zoom - 1 - row),
        ).fetchone()
        if found is None:
            return None
        pixels = cv2.imdecode(np.frombuffer(found[0], np.uint8), cv2.IMREAD_UNCHANGED)
        return as_tile(np.asarray(pixels, np.uint8))

    def _extend(self, key: TileKey, tile: MapTile) -> None:
        side = len(tile.image)
        ends = np.array((0, 0, side, side), np.float64)
        if tile.seen is not None:
            rows, columns = (np.flatnonzero(tile.seen.any(axis=axis)) for axis in (1, 0))
            if not len(rows):
                return
            ends = np.array((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), np.float64)
        ends = ends * (TILE / side) + np.array((key.column, key.row) * 2) * TILE
        known = self._extents.get(key.zoom, ends)
        self._extents[key.zoom] = np.concatenate(
            (np.minimum(known[:2], ends[:2]), np.maximum(known[2:], ends[2:]))
        )

    def _bounds(self, zoom: int) -> Bounds:
        (left, top), (right, bottom) = from_pixels(self._extents[zoom].reshape(2, 2), zoom).tolist()
        return Bounds(left, bottom, right, top)


def halved(children: list[MapTile | None]) -> MapTile:
    """Make a tile of its four quarters: top left, top right, bottom left, bottom right."""
    side = next(len(child.image) for child in children if child is not None)
    image = np.zeros((2 * side, 2 * side, 3), np.uint8)
    seen = np.zeros((2 * side, 2 * side), np.bool_)
    for index, child in enumerate(children):
        if child is not None:
            y, x = divmod(index, 2)
            place = np.s_[y * side : (y + 1) * side, x * side : (x + 1) * side]
            image[place], seen[place] = child.image, True if child.seen is None else child.seen
    small = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    # A pixel made of unseen ones, too, would have their black in it.
    shown = np.asarray(seen.reshape(side, 2, side, 2).all(axis=(1, 3)), np.bool_)
    small[~shown] = 0
    return MapTile(small, None if bool(shown.all()) else shown)


def build_from_map(
    source: MapSource, writer: MapWriter, progress: Callable[[int, int], None] | None = None
) -> Built:
    """Copy the finest tiles of a map, a GeoTIFF for instance.

    Args:
        source: The map.
        writer: Takes its tiles.
        progress: Takes tiles done and tiles in all.

    Raises:
        MapError: A tile cannot be read; nothing is left behind.
    """
    west, south, east, north = source.info.bounds
    keys = keys_within(np.array([(west, north), (east, south)]), source.info.max_zoom)
    return _copy(keys, source.read, writer, progress)


def build_from_folder(
    folder: Path, writer: MapWriter, progress: Callable[[int, int], None] | None = None
) -> Built:
    """Copy the finest tiles of a folder `zoom/column/row.png` (rows from the north).

    Raises:
        MapError: There are no tiles, or one is no image; nothing is left behind.
    """
    found = dict(slippy_tiles(folder))
    if not found:
        writer.abandon()
        raise MapError(
            f'{folder}: found no tiles; expected files named zoom/column/row with .png, .jpg or '
            '.webp, rows counted from the north.'
        )
    finest = max(key.zoom for key in found)
    keys = [key for key in sorted(found) if key.zoom == finest]
    return _copy(keys, lambda key: read_tile_file(found[key]), writer, progress)


def _copy(
    keys: Sequence[TileKey],
    read: Callable[[TileKey], MapTile | None],
    writer: MapWriter,
    progress: Callable[[int, int], None] | None,
) -> Built:
    """Write the tiles that there are."""
    try:
        for done, key in enumerate(keys):
            if (tile := read(key)) is not None:
                writer.add(key, tile)
            if progress is not None:
                progress(done + 1, len(keys))
    except MapError:
        writer.abandon()
        raise
    return writer.finish()


def slippy_tiles(folder: Path) -> Iterator[tuple[TileKey, Path]]:
    """Yield the tiles of a folder with their files."""
    for path in sorted(folder.glob('*/*/*')):
        if match := _SLIPPY.fullmatch(path.relative_to(folder).as_posix().lower()):
            zoom, column, row = (int(text) for text in match.groups()[:3])
            yield TileKey(zoom, column, row), path


def read_tile_file(path: Path) -> MapTile:
    """Read an image file as a tile of 256 px.

    Raises:
        MapError: It is no image, or no square of 256 or 512 px.
    """
    data = np.frombuffer(path.read_bytes() or b'\0', np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8:
        raise MapError(f'{path}: no image; expected a tile. Download it again.')
    image: NDArray[np.uint8] = np.asarray(pixels, np.uint8)
    if image.shape[:2] not in {(TILE, TILE), (2 * TILE, 2 * TILE)}:
        raise MapError(
            f'{path}: found {image.shape[1]}x{image.shape[0]} px; expected tiles of 256x256 or '
            '512x512 px.'
        )
    return as_tile(image)
