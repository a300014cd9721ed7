# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results as plain records: a JSON object a frame, a GeoJSON feature a frame and an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.footprint import footprint, locate, within_date_line
from rs_onboard.geo.gsd import ground_scale
from rs_onboard.perception.boxes import corners
from rs_onboard.perception.change_records import change_content, change_outlines
from rs_onboard.perception.results import ChangeResult, DetectionResult, SceneResult
from rs_onboard.perception.stitch import UNKNOWN_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rs_onboard.perception.frame import Frame
    from rs_onboard.perception.map_match import MapMatch
    from rs_onboard.perception.results import (
        FrameResults,
        SegmentationResult,
        TaskReport,
        TaskResult,
    )

# Scene classes listed in a record.
TOP_SCENES = 3


def frame_record(results: FrameResults, *, timing: bool = True) -> dict[str, Any]:
    """Return all results of a frame as plain values, for JSON.

    Args:
        results: The results.
        timing: Whether to include durations, which differ from run to run.
    """
    header = results.header
    record: dict[str, Any] = {
        'stamp_ns': header.stamp_ns,
        'frame_id': header.frame_id,
        'height': header.height,
        'width': header.width,
        'pose': _pose(results),
        'footprint': _footprint(results),
    }
    if timing and results.latency_ms is not None:
        record['latency_ms'] = round(results.latency_ms, 3)
    for task, result in results.results.items():
        record[task] = {**_report(result.report, timing=timing), **_content(result, results)}
    return record


def without_timing(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without durations, as `frame_record` gives it with `timing` false."""
    return {
        name: {k: v for k, v in value.items() if k != 'latency_ms'}
        if isinstance(value, dict)
        else value
        for name, value in record.items()
        if name != 'latency_ms'
    }


def timing_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the durations of a record [ms]: the frame's, and by task those of its stages."""
    found = {'stamp_ns': record['stamp_ns'], 'latency_ms': record.get('latency_ms')}
    for name, value in record.items():
        if isinstance(value, dict) and 'latency_ms' in value:
            found[name] = value['latency_ms']
    return found


def frame_collection(results: FrameResults) -> dict[str, Any]:
    """Return a frame as a GeoJSON feature collection; see `record_features`."""
    return {'type': 'FeatureCollection', 'features': record_features(frame_record(results))}


def record_features(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record as GeoJSON features (RFC 7946, WGS 84): the frame, then what it shows.

    The frame has its footprint on flat ground as geometry, an object or a change its outline.
    Without a full pose the geometry is null, and `footprint_unknown` of the frame says why.
    """
    properties = {name: value for name, value in record.items() if name != 'footprint'}
    objects = record.get('detection', {}).get('objects', [])
    if objects:
        # They follow as features of their own.
        properties['detection'] = {**record['detection'], 'objects': len(objects)}
    if 'change' in record:
        properties['change'] = {**record['change'], 'regions': len(record['change']['regions'])}
    shape = record['footprint']
    if 'unknown' in shape:
        properties['footprint_unknown'] = shape['unknown']
    features = [_feature('frame', shape.get('corners'), properties)]
    header = {name: record[name] for name in ('stamp_ns', 'frame_id')}
    for outline, told in change_outlines(record.get('change', {})):
        features.append(_feature('change', outline, {**header, **told}))
    for item in objects:
        about = dict(header)
        about |= {name: value for name, value in item.items() if name != 'ground'}
        features.append(_feature('detection', item.get('ground'), about))
    return features


def _feature(
    kind: str, outline: list[list[float]] | None, properties: Mapping[str, Any]
) -> dict[str, Any]:
    """Write a feature; `outline` is (N, 2) longitude, latitude, clockwise seen from above."""
    geometry: dict[str, Any] | None = None
    if outline is not None:
        polygons = [_rings(part) for part in within_date_line(np.array(outline))]
        geometry = {'type': 'Polygon', 'coordinates': polygons[0]}
        if len(polygons) > 1:
            geometry = {'type': 'MultiPolygon', 'coordinates': polygons}
    return {'type': 'Feature', 'geometry': geometry, 'properties': {'kind': kind, **properties}}


def class_shares(result: SegmentationResult) -> dict[str, float]:
    """Return the share of the frame of every class that occurs, by name; `unknown` included."""
    shares = result.label_shares()
    named = [*enumerate(result.classes), (UNKNOWN_LABEL, 'unknown')]
    return {name: round(float(shares[label]), 4) for label, name in named if shares[label]}


def _rings(corners: NDArray[np.float64]) -> list[list[list[float]]]:
    """Write (N, 2) longitude, latitude as the only ring of a polygon."""
    # RFC 7946 wants rings counter-clockwise; image corners seen from above run clockwise.
    ring: list[list[float]] = corners[::-1].round(8).tolist()
    return [[*ring, ring[0]]]


def _pose(results: FrameResults) -> dict[str, Any]:
    frame = _view(results)
    if frame is None:
        return {'unknown': 'frame not at hand'}
    if frame.pose is None:
        return {'unknown': frame.pose_reason}
    pose = frame.pose
    scale = ground_scale(frame.camera, pose)
    return {
        'latitude_deg': pose.latitude_deg,
        'longitude_deg': pose.longitude_deg,
        'altitude_m': pose.altitude_m,
        'height_m': pose.height_m,
        'orientation_xyzw': pose.orientation,
        'gsd_m': scale.gsd_m,
    }


def _footprint(results: FrameResults) -> dict[str, Any]:
    frame = _view(results)
    shape = footprint(frame.camera if frame else None, frame.pose if frame else None)
    if shape.corners is None:
        return {'unknown': shape.reason}
    return {'corners': [[round(x, 8), round(y, 8)] for x, y in shape.corners.tolist()]}


def _view(results: FrameResults) -> Frame | MapMatch | None:
    """Return what knows camera and pose: the frame, or what tells how it lies on a map."""
    change = results.results.get('change')
    if results.frame is None and isinstance(change, ChangeResult):
        return change.match
    return results.frame


def _report(report: TaskReport, *, timing: bool) -> dict[str, Any]:
    record: dict[str, Any] = {'status': report.status}
    if report.reason:
        record['reason'] = report.reason
    if report.model is not None:
        model = report.model
        record['model'] = {
            'name': model.name,
            'sha256': model.sha256,
            'variant': model.variant,
            'provider': model.provider,
            'trained': model.trained,
        }
    if report.tiles is not None:
        tiles = report.tiles
        record['tiles'] = {
            'count': tiles.count,
            'height': tiles.height,
            'width': tiles.width,
            'scale': round(tiles.scale, 6),
            'gsd_m': tiles.gsd_m,
        }
        if tiles.left_out:
            record['tiles']['left_out'] = dict(tiles.left_out)
    if report.left_out:
        record['left_out'] = dict(report.left_out)
    if timing and report.latency_ms:
        record['latency_ms'] = {name: round(ms, 3) for name, ms in report.latency_ms.items()}
    return record


def _content(result: TaskResult, results: FrameResults) -> dict[str, Any]:
    if isinstance(result, SceneResult):
        order = np.argsort(-result.probabilities, kind='stable')[:TOP_SCENES]
        return {
            'classes': [
                {'name': result.classes[i], 'probability': round(float(result.probabilities[i]), 4)}
                for i in order
            ]
        }
    if isinstance(result, DetectionResult):
        return {'objects': _objects(result, results)}
    if isinstance(result, ChangeResult):
        return change_content(result)
    confidence = float(result.confidence.mean()) / 255.0 if result.confidence.size else None
    return {'shares': class_shares(result), 'mean_confidence': confidence and round(confidence, 4)}


def _objects(result: DetectionResult, results: FrameResults) -> list[dict[str, Any]]:
    """List the objects of a frame, best score first, with their place on flat ground if known."""
    quads = corners(result.boxes)
    frame = results.frame
    ground = locate(
        quads.reshape(-1, 2), frame.camera if frame else None, frame.pose if frame else None
    )
    objects = []
    for index, (box, quad) in enumerate(zip(result.boxes.tolist(), quads, strict=True)):
        item: dict[str, Any] = {
            'class': result.classes[result.class_ids[index]],
            'score': round(float(result.scores[index]), 4),
            'box': [*(round(value, 2) for value in box[:4]), round(box[4], 5)],
            'corners': quad.round(2).tolist(),
        }
        if (number := int(result.numbers[index])) >= 0:
            item['number'] = number
        rows = slice(4 * index, 4 * index + 4)
        if ground.wgs84 is not None and ground.offsets is not None:
            sides = np.linalg.norm(np.diff(ground.offsets[rows][:3], axis=0), axis=1)
            if np.isfinite(ground.offsets[rows]).all():
                item['ground'] = ground.wgs84[rows].round(8).tolist()
                item['length_m'] = round(float(sides.max()), 3)
                item['width_m'] = round(float(sides.min()), 3)
        objects.append(item)
    return objects
