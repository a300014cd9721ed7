# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Records as GeoJSON features (RFC 7946, WGS 84): one a frame, and one for each thing it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.footprint import within_date_line
from rs_onboard.geo.placing import signed_area
from rs_onboard.perception.change_records import change_outlines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Rings = Sequence[Sequence[Sequence[float]]]


def feature_collection(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as a GeoJSON feature collection; see `record_features`."""
    return {'type': 'FeatureCollection', 'features': record_features(record)}


def record_features(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record as GeoJSON features: the frame, then what it shows.

    The frame has its footprint as geometry, an object or a change its outline, a class of a mask
    its polygons with their holes. Without a full pose the geometry is null, and of a view that
    reaches the horizon the ground that is seen; `footprint_unknown` of the frame says why.
    """
    properties = {name: value for name, value in record.items() if name != 'footprint'}
    # What follows as features of its own is counted here.
    parts = (('detection', 'objects'), ('change', 'regions'), ('segmentation', 'polygons'))
    for task, name in parts:
        if name in record.get(task, {}):
            properties[task] = {**record[task], name: len(record[task][name])}
    shape = record['footprint']
    if 'unknown' in shape:
        properties['footprint_unknown'] = shape['unknown']
    elif 'sigma_m' in shape:
        properties['footprint_sigma_m'] = shape['sigma_m']
    header = {name: record[name] for name in ('stamp_ns', 'frame_id')}
    outline = shape.get('corners', shape.get('visible'))
    features = [_feature('frame', _alone(outline), properties)]
    features += [
        _feature('change', _alone(ground), {**header, **told})
        for ground, told in change_outlines(record.get('change', {}))
    ]
    features += [
        _feature('detection', _alone(item.get('ground')), {**header, **_told(item)})
        for item in record.get('detection', {}).get('objects', [])
    ]
    features += [
        _feature('segment', item['ground'], {**header, **_told(item)})
        for item in record.get('segmentation', {}).get('polygons', [])
    ]
    return features


def _told(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != 'ground'}


def _alone(outline: Sequence[Sequence[float]] | None) -> Rings | None:
    return None if outline is None else [outline]


def _feature(kind: str, rings: Rings | None, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Write a feature; `rings` are an outline and its holes, (K, 2) longitude, latitude each."""
    geometry = None if rings is None else polygon_geometry(rings)
    return {'type': 'Feature', 'geometry': geometry, 'properties': {'kind': kind, **properties}}


def polygon_geometry(rings: Rings) -> dict[str, Any]:
    """Write a polygon with holes, or its parts to either side of the date line."""
    parts = within_date_line([np.array(ring, np.float64).reshape(-1, 2) for ring in rings])
    polygons = [
        [_closed(outline, 1), *(_closed(hole, -1) for hole in holes)] for outline, *holes in parts
    ]
    if len(polygons) == 1:
        return {'type': 'Polygon', 'coordinates': polygons[0]}
    return {'type': 'MultiPolygon', 'coordinates': polygons}


def _closed(ring: NDArray[np.float64], sense: int) -> list[list[float]]:
    """Close a ring that runs counter-clockwise (1), as outlines do in RFC 7946, or clockwise."""
    ordered = ring if signed_area(ring) * sense > 0 else ring[::-1]
    points: list[list[float]] = ordered.round(8).tolist()
    return [*points, points[0]]
