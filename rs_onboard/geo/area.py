# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Areas of interest: polygons of a GeoJSON file, and what on the ground lies in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.errors import AreaError
from rs_onboard.geo.wgs84 import wgs84_to_offset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Points = NDArray[np.float64]

MAX_FILE_BYTES = 2**24
# Every frame is compared with every corner.
MAX_CORNERS = 50_000
# Names that older GeoJSON files give to longitude and latitude on WGS 84.
WGS84_NAMES = ('CRS84', 'EPSG::4326', 'EPSG:4326')


@dataclass(frozen=True, eq=False)
class Area:
    """Polygons with holes, on WGS 84.

    Attributes:
        name: For messages.
        polygons: The rings of each, (K, 2) float64 longitude, latitude [deg], not closed: an
            outline, then its holes.
    """

    name: str
    polygons: tuple[tuple[Points, ...], ...]

    def meets(self, quads: Points, latitude_deg: float, longitude_deg: float) -> NDArray[np.bool_]:
        """Say which quadrangles on the ground have a part in the area.

        Args:
            quads: (N, 4, 2) float64 corners in turn, east and north of a place [m].
            latitude_deg: Of that place.
            longitude_deg: Of that place.
        """
        found = np.zeros(len(quads), np.bool_)
        if not len(quads):
            return found
        for rings in self.polygons:
            near = [wgs84_to_offset(ring, latitude_deg, longitude_deg) for ring in rings]
            low, high = near[0].min(axis=0), near[0].max(axis=0)
            candidates = np.flatnonzero(
                ~found
                & (quads.max(axis=1) >= low).all(axis=1)
                & (quads.min(axis=1) <= high).all(axis=1)
            )
            if len(candidates):
                found[candidates] = _meet(quads[candidates], near)
        return found


def read_area(path: Path) -> Area:
    """Read the polygons of a GeoJSON file (RFC 7946).

    Raises:
        AreaError: There is no such file, it is no GeoJSON, or has no polygon that is one.
    """
    if not path.is_file():
        raise AreaError(f'{path}: no such area; expected a GeoJSON file. Check area.file.')
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise AreaError(f'{path}: found {size} bytes; expected at most {MAX_FILE_BYTES}.')
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise AreaError(
            f'{path}: no JSON ({exc}); expected a GeoJSON file. Export it as GeoJSON, in WGS 84.'
        ) from None
    _check_system(path, document)
    polygons = tuple(
        tuple(_ring(path, ring) for ring in rings) for rings in _polygons(path, document)
    )
    if not polygons:
        raise AreaError(f'{path}: found no polygon; expected a Polygon or MultiPolygon. Draw one.')
    corners = sum(len(ring) for rings in polygons for ring in rings)
    if corners > MAX_CORNERS:
        raise AreaError(
            f'{path}: found {corners} corners; expected at most {MAX_CORNERS}. Simplify it.'
        )
    return Area(path.name, polygons)


def _check_system(path: Path, document: Any) -> None:
    """Refuse other coordinate systems, which GeoJSON had before RFC 7946.

    Raises:
        AreaError: There is one.
    """
    named = document.get('crs') if isinstance(document, dict) else None
    if named is not None and not any(name in json.dumps(named) for name in WGS84_NAMES):
        raise AreaError(
            f'{path}: found coordinate system {json.dumps(named)[:100]}; expected longitude and '
            'latitude on WGS 84. Export it again in EPSG:4326.'
        )


def _polygons(path: Path, item: Any) -> Iterator[list[Any]]:
    """Yield the coordinates of every polygon in a GeoJSON object.

    Raises:
        AreaError: It is none.
    """
    kind = item.get('type') if isinstance(item, dict) else None
    children = {
        'FeatureCollection': 'features',
        'GeometryCollection': 'geometries',
        'Feature': 'geometry',
        'Polygon': 'coordinates',
        'MultiPolygon': 'coordinates',
    }
    if kind is None or not isinstance(item.get(children.get(kind, ''), []), (list, dict)):
        # Null geometries are allowed, and other kinds have no area.
        if kind == 'Feature' and item.get('geometry') is None:
            return
        raise AreaError(
            f'{path}: found {json.dumps(item)[:60]}; expected a GeoJSON object with a type. Export '
            'it as GeoJSON.'
        )
    inside = item.get(children.get(kind, ''), [])
    if kind == 'Polygon':
        yield inside
    elif kind == 'MultiPolygon':
        yield from inside
    elif kind == 'Feature':
        yield from _polygons(path, inside)
    else:
        for child in inside:
            yield from _polygons(path, child)


def _ring(path: Path, coordinates: Any) -> Points:
    """Return the corners of a closed ring, without the last.

    Raises:
        AreaError: They are none.
    """
    try:
        points = np.array([(float(point[0]), float(point[1])) for point in coordinates])
    except (TypeError, ValueError, IndexError, KeyError):
        points = np.empty((0, 2))
    if len(points) < 4 or (points[0] != points[-1]).any():
        raise AreaError(
            f'{path}: found the ring {json.dumps(coordinates)[:60]}; expected four corners or more '
            'of longitude and latitude, the last equal to the first.'
        )
    longest, highest = np.abs(points).max(axis=0).tolist()
    # Not a comparison the other way round, which NaN would pass.
    if not (longest <= 180.0 and highest <= 90.0):
        raise AreaError(
            f'{path}: found a corner at longitude {longest:g}, latitude {highest:g}; expected '
            'degrees on WGS 84, longitude first. Export it again in EPSG:4326.'
        )
    return points[:-1]


def _meet(quads: Points, rings: list[Points]) -> NDArray[np.bool_]:
    """Say which quadrangles (N, 4, 2) have a part in a polygon."""
    found: NDArray[np.bool_] = np.any(within(quads.reshape(-1, 2), rings).reshape(-1, 4), axis=1)
    # With no corner in it, either borders cross, or the polygon lies within the quadrangle.
    for index in np.flatnonzero(~found).tolist():
        quad = quads[index]
        found[index] = any(_cross(quad, ring) for ring in rings) or bool(
            within(rings[0][:1], [quad])[0]
        )
    return found


def within(points: Points, rings: list[Points]) -> NDArray[np.bool_]:
    """Say which points (N, 2) lie in a polygon, by the number of its borders to their right."""
    inside = np.zeros(len(points), np.bool_)
    x, y = points[:, :1], points[:, 1:]
    for ring in rings:
        ax, ay = ring.T
        bx, by = np.roll(ring, -1, axis=0).T
        spans = (ay > y) != (by > y)
        with np.errstate(divide='ignore', invalid='ignore'):
            cut = ax + (y - ay) * (bx - ax) / (by - ay)
        inside ^= (spans & (x < cut)).sum(axis=1) % 2 == 1
    return inside


def _cross(quad: Points, ring: Points) -> bool:
    """Say whether the borders of two rings cross."""
    a, b = ring, np.roll(ring, -1, axis=0)
    near = (np.maximum(a, b) >= quad.min(axis=0)) & (np.minimum(a, b) <= quad.max(axis=0))
    chosen = near.all(axis=1)
    a, b = a[chosen][:, np.newaxis], b[chosen][:, np.newaxis]
    c, d = quad[np.newaxis], np.roll(quad, -1, axis=0)[np.newaxis]
    apart = (_side(a, b, c) * _side(a, b, d) <= 0) & (_side(c, d, a) * _side(c, d, b) <= 0)
    return bool(apart.any())


def _side(a: Points, b: Points, point: Points) -> Points:
    """Return which side of the line from a to b points lie on, by the sign."""
    first, second = b - a, point - a
    return np.sign(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])
