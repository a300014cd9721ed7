# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Areas of interest hold what lies in them; a file that is none is refused with the reason."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.area import MAX_CORNERS, Area, read_area, within
from rs_onboard.geo.errors import AreaError
from rs_onboard.geo.wgs84 import offset_to_wgs84

LATITUDE, LONGITUDE = 46.0, 7.0


def box(left, bottom, right, top):
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)], float)


def area_of(*polygons):
    """Make an area of polygons, each of rings in metres east and north of the place."""
    rings = tuple(
        tuple(offset_to_wgs84(np.asarray(ring, float), LATITUDE, LONGITUDE) for ring in polygon)
        for polygon in polygons
    )
    return Area('area', rings)


def met(area, *quads):
    return area.meets(np.array(quads), LATITUDE, LONGITUDE).tolist()


def test_a_square_with_a_hole():
    area = area_of([box(-100, -100, 100, 100), box(-50, -50, 50, 50)])
    assert met(
        area,
        box(60, 60, 70, 70),
        box(-40, -40, 40, 40),
        box(40, 40, 60, 60),
        box(-200, -200, 200, 200),
        box(101, 0, 110, 10),
        box(90, 0, 110, 10),
        box(-300, -10, 300, 10),
        box(-300, 110, 300, 120),
    ) == [True, False, True, True, False, True, True, False]


def test_two_polygons_and_one_in_the_hole_of_another():
    area = area_of(
        [box(-100, -100, 100, 100), box(-50, -50, 50, 50)],
        [box(-5, -5, 5, 5)],
        [box(1000, 0, 1010, 10)],
    )
    assert met(
        area, box(-3, -3, 3, 3), box(-10, -10, 10, 10), box(20, 20, 30, 30), box(990, 0, 1020, 20)
    ) == [True, True, False, True]


def test_polygons_that_overlap_are_one_area():
    area = area_of([box(0, 0, 20, 20)], [box(10, 0, 30, 20)])
    assert met(area, box(12, 5, 14, 8), box(25, 5, 28, 8)) == [True, True]


def test_an_area_on_the_other_side_of_the_date_line_is_near():
    corners = np.array([(179.999, -0.001), (-179.999, -0.001), (-179.999, 0.001), (179.999, 0.001)])
    # The ring runs on across the line.
    corners[:, 0] = [179.999, 180.001, 180.001, 179.999]
    area = Area('area', ((corners,),))
    for longitude in (179.9999, -179.9999, 180.0):
        assert area.meets(box(-5, -5, 5, 5)[np.newaxis], 0.0, longitude).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31))
def test_a_quadrangle_meets_a_polygon_where_any_of_its_points_is_within(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    star = rng.uniform(10, 60, (9, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    centre = rng.uniform(-60, 60, 2)
    quad = centre + rng.uniform(2, 25) * np.array([(-1, -1), (1.2, -1), (1, 0.8), (-1, 1)])
    (found,) = met(area_of([star]), quad)
    u, v = (side.ravel() for side in np.meshgrid(*[np.linspace(0, 1, 60)] * 2))
    inside = (
        np.outer((1 - u) * (1 - v), quad[0])
        + np.outer(u * (1 - v), quad[1])
        + np.outer(u * v, quad[2])
        + np.outer((1 - u) * v, quad[3])
    )
    any_within = within(inside, [star]).any()
    if any_within:
        assert found
    elif found:
        # Only a touch narrower than the samples may be missed by them.
        finer = within(inside + rng.normal(0, 0.5, inside.shape), [star]).any()
        grown = within(centre + (inside - centre) * 1.05, [star]).any()
        assert finer or grown


def feature(*rings, kind='Polygon'):
    return {
        'type': 'Feature',
        'properties': {},
        'geometry': {'type': kind, 'coordinates': [*rings]},
    }


def closed(ring):
    return [*ring.tolist(), ring[0].tolist()]


SQUARE = closed(box(7.0, 46.0, 7.1, 46.1))
HOLE = closed(box(7.02, 46.02, 7.08, 46.08))


@pytest.mark.parametrize(
    ('document', 'rings'),
    [
        ({'type': 'Polygon', 'coordinates': [SQUARE]}, [1]),
        (feature(SQUARE, HOLE), [2]),
        (feature([SQUARE], [HOLE], kind='MultiPolygon'), [1, 1]),
        (
            {'type': 'FeatureCollection', 'features': [feature(SQUARE), feature(SQUARE, HOLE)]},
            [1, 2],
        ),
        (
            {
                'type': 'FeatureCollection',
                'crs': {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:OGC:1.3:CRS84'}},
                'features': [
                    {'type': 'Feature', 'geometry': None, 'properties': None},
                    {'type': 'Feature', 'geometry': {'type': 'Point', 'coordinates': [7, 46]}},
                    {
                        'type': 'Feature',
                        'geometry': {
                            'type': 'GeometryCollection',
                            'geometries': [{'type': 'Polygon', 'coordinates': [SQUARE]}],
                        },
                    },
                ],
            },
            [1],
        ),
    ],
)
def test_polygons_are_read_wherever_geojson_has_them(tmp_path, document, rings):
    path = tmp_path / 'area.geojson'
    path.write_text(json.dumps(document))
    area = read_area(path)
    assert [len(polygon) for polygon in area.polygons] == rings
    assert area.polygons[0][0].tolist() == SQUARE[:-1]


UTM = {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:EPSG::32632'}}


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'no JSON'),
        ('[' * 100_000, 'no JSON'),
        ('{}', 'expected a GeoJSON object with a type'),
        ('[1, 2]', 'expected a GeoJSON object with a type'),
        ('{"type": "FeatureCollection"}', 'found no polygon'),
        ('{"type": "FeatureCollection", "features": 3}', 'expected a GeoJSON object'),
        ('{"type": "FeatureCollection", "features": [3]}', 'expected a GeoJSON object'),
        (json.dumps({'type': 'Point', 'coordinates': [7, 46]}), 'found no polygon'),
        (json.dumps(feature(SQUARE[:-1])), 'the last equal to the first'),
        (json.dumps(feature(SQUARE[:2])), 'four corners or more'),
        (json.dumps(feature([['a', 'b']] * 4)), 'four corners or more'),
        (json.dumps(feature('ring')), 'four corners or more'),
        (json.dumps(feature(closed(box(46.0, 107.0, 46.1, 107.1)))), 'longitude first'),
        (json.dumps(feature(closed(box(4e5, 5e6, 4.1e5, 5.1e6)))), 'degrees on WGS 84'),
        (json.dumps(feature([[float('nan'), 46.0]] * 4)), 'the last equal to the first'),
        (json.dumps({**feature(SQUARE), 'crs': UTM}), 'found coordinate system'),
    ],
)
def test_a_file_that_is_no_area_is_refused(tmp_path, text, reason):
    path = tmp_path / 'area.geojson'
    path.write_text(text)
    with pytest.raises(AreaError, match=reason) as error:
        read_area(path)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_a_missing_file_and_one_of_too_many_corners_are_refused(tmp_path):
    path = tmp_path / 'area.geojson'
    with pytest.raises(AreaError, match='no such area'):
        read_area(path)
    angles = np.linspace(0, 2 * np.pi, MAX_CORNERS + 2)
    ring = np.stack([7 + np.cos(angles), 46 + np.sin(angles)], axis=1)
    ring[-1] = ring[0]
    path.write_text(json.dumps(feature(ring.tolist())))
    with pytest.raises(AreaError, match='Simplify it'):
        read_area(path)
