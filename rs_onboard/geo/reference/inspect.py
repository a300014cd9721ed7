# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Look through a whole map before it flies: tiles, holes, and whether every byte is as built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.mercator import TILE, resolution_m, to_pixels
from rs_onboard.geo.reference.mbtiles import MbTiles
from rs_onboard.geo.reference.view import keys_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.reference.source import MapSource, TileKey

# A GeoTIFF is looked at where its tiles are few; each is read from its overviews.
MOST_LOOKS = 64
SHOWN_FAULTS = 20


@dataclass(frozen=True)
class Level:
    """A zoom of a map: its tiles, and their ground sample distance [m/px]."""

    zoom: int
    tiles: int
    gsd_m: float


@dataclass(frozen=True)
class MapReport:
    """What a map is made of.

    Attributes:
        levels: Its zooms, coarse ones first; tiles are 0 where a file has pixels and no tiles.
        shown: Share of its region that it shows.
        holes: Tiles of the finest zoom that are missing within its region.
        faults: What is wrong with its tiles, the first of them.
        broken: Tiles that cannot be read or are not those that were built.
        verified: Tiles whose bytes are those of the hash list.
        list_hash: The sha256 of that list; empty without one.
    """

    levels: tuple[Level, ...]
    shown: float
    holes: tuple[TileKey, ...]
    faults: tuple[str, ...]
    broken: int
    verified: int
    list_hash: str


def inspect_map(source: MapSource) -> MapReport:
    """Read every tile of an MBTiles file, or overviews of a GeoTIFF.

    Raises:
        MapError: Not even the list of tiles can be read.
    """
    if isinstance(source, MbTiles):
        return _inspect_tiles(source)
    info = source.info
    middle = (info.bounds.south + info.bounds.north) / 2
    levels = tuple(
        Level(zoom, 0, resolution_m(middle, zoom))
        for zoom in range(info.min_zoom, info.max_zoom + 1)
    )
    corners = _corners(source)
    zoom = max(
        (z.zoom for z in levels if len(keys_within(corners, z.zoom)) <= MOST_LOOKS),
        default=info.min_zoom,
    )
    shares, faults = [], []
    for key in keys_within(corners, zoom):
        try:
            tile = source.read(key)
        except MapError as exc:
            faults.append(str(exc))
            continue
        seen = 0.0 if tile is None else 1.0 if tile.seen is None else float(tile.seen.mean())
        shares.append(seen)
    # Tiles reach beyond the region: what counts is what of the region itself is shown.
    covered = sum(shares) / _tiles_of(corners, zoom) if shares else 0.0
    return MapReport(
        levels, min(1.0, covered), (), tuple(faults[:SHOWN_FAULTS]), len(faults), 0, ''
    )


def _inspect_tiles(source: MbTiles) -> MapReport:
    info, keys = source.info, source.keys()
    middle = (info.bounds.south + info.bounds.north) / 2
    zooms = [key.zoom for key in keys]
    levels = tuple(
        Level(zoom, zooms.count(zoom), resolution_m(middle, zoom) * TILE / info.tile_side)
        for zoom in sorted(set(zooms))
    )
    faults, shares, read = [], [], 0
    for key in keys:
        try:
            tile = source.read(key)
        except MapError as exc:
            faults.append(str(exc))
            continue
        read += 1
        if tile is not None and key.zoom == info.max_zoom:
            shares.append(1.0 if tile.seen is None else float(tile.seen.mean()))
    finest = {key for key in keys if key.zoom == info.max_zoom}
    corners = _corners(source)
    wanted = keys_within(corners, info.max_zoom)
    holes = tuple(key for key in wanted if key not in finest)
    shown = min(1.0, sum(shares) / max(1e-9, _tiles_of(corners, info.max_zoom)))
    return MapReport(
        levels=levels,
        shown=shown,
        holes=holes,
        faults=tuple(faults[:SHOWN_FAULTS]),
        broken=len(faults),
        verified=read if source.hashed else 0,
        list_hash=source.list_hash(),
    )


def _corners(source: MapSource) -> NDArray[np.float64]:
    """Return the corners of the region, a hair within it: its border belongs to no further tile."""
    west, south, east, north = source.info.bounds
    x, y = (east - west) * 1e-6, (north - south) * 1e-6
    return np.array([(west + x, north - y), (east - x, south + y)], np.float64)


def _tiles_of(corners: NDArray[np.float64], zoom: int) -> float:
    """Return how many tiles of a zoom are as large as a region."""
    size = np.abs(np.diff(to_pixels(corners, zoom), axis=0))[0] / TILE
    return float(size[0] * size[1])
