# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What every kind of map file offers: tiles of a Web Mercator pyramid, and what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Bounds(NamedTuple):
    """A region: west, south, east, north [deg, WGS 84]."""

    west: float
    south: float
    east: float
    north: float

    def covers(self, longitude: float, latitude: float) -> bool:
        """Say whether a point lies in it."""
        return self.west <= longitude <= self.east and self.south <= latitude <= self.north


class TileKey(NamedTuple):
    """A tile: zoom, column from the west, row from the north."""

    zoom: int
    column: int
    row: int


@dataclass(frozen=True)
class MapTile:
    """The pixels of a tile.

    Attributes:
        image: (side, side, 3) uint8 RGB.
        seen: (side, side) bool, False where the map shows nothing; None where it shows all.
    """

    image: NDArray[np.uint8]
    seen: NDArray[np.bool_] | None

    @property
    def size(self) -> int:
        """Bytes it takes in memory."""
        return self.image.nbytes + (0 if self.seen is None else self.seen.nbytes)


@dataclass(frozen=True)
class Origin:
    """What a map, or a part of it, was made from.

    Attributes:
        name: Name of the file, folder or flight.
        date: When it was taken, ISO 8601, or empty.
        gsd_m: Its ground sample distance [m/px], 0 where nobody says.
        attribution: Origin and terms, or empty.
        sha256: Hash of the file; empty for folders.
    """

    name: str
    date: str = ''
    gsd_m: float = 0.0
    attribution: str = ''
    sha256: str = ''


@dataclass(frozen=True)
class MapInfo:
    """What a map is.

    Attributes:
        path: Its file.
        name: Name for reports.
        date: When its images were taken, ISO 8601 (`2021-07-14`, `2021-07` or `2021`); empty where
            nobody says.
        gsd_m: Ground sample distance of what it was made from [m/px]; that of its finest tiles
            where nobody says.
        bounds: Region it covers, holes included.
        min_zoom: Coarsest zoom it has.
        max_zoom: Finest zoom it has.
        tile_side: Side of its tiles [px].
        attribution: Origin and terms of its images; empty where nobody says.
        crs: Coordinate system of the file; tiles are in Web Mercator whatever it is.
        origins: What it was made from, best first; empty where nobody says.
    """

    path: Path
    name: str
    date: str
    gsd_m: float
    bounds: Bounds
    min_zoom: int
    max_zoom: int
    tile_side: int
    attribution: str
    crs: str = 'EPSG:3857'
    origins: tuple[Origin, ...] = ()


class MapSource(Protocol):
    """A map file that is open for reading; methods may be called from any thread.

    Attributes:
        info: What it is.
    """

    info: MapInfo

    def read(self, key: TileKey) -> MapTile | None:
        """Read a tile; None where the map has none.

        Raises:
            MapError: It cannot be read or is not what the map says.
        """

    def close(self) -> None:
        """Close the file."""
