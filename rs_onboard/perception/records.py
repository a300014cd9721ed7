# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results as plain records: one JSON object a frame, one GeoJSON feature a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.footprint import footprint, within_date_line
from rs_onboard.geo.gsd import ground_scale
from rs_onboard.perception.results import SceneResult, SegmentationResult
from rs_onboard.perception.stitch import UNKNOWN_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rs_onboard.perception.results import FrameResults, TaskReport, TaskResult

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
        record[task] = {**_report(result.report, timing=timing), **_content(result)}
    return record


def frame_feature(results: FrameResults) -> dict[str, Any]:
    """Return a frame as a GeoJSON feature; see `record_feature`."""
    return record_feature(frame_record(results))


def record_feature(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as a GeoJSON feature (RFC 7946, WGS 84) with its footprint on flat ground.

    Without a full pose the geometry is null and `footprint_unknown` says why.
    """
    properties = {name: value for name, value in record.items() if name != 'footprint'}
    shape = record['footprint']
    geometry: dict[str, Any] | None = None
    if 'unknown' in shape:
        properties['footprint_unknown'] = shape['unknown']
    else:
        polygons = [_rings(part) for part in within_date_line(np.array(shape['corners']))]
        geometry = {'type': 'Polygon', 'coordinates': polygons[0]}
        if len(polygons) > 1:
            geometry = {'type': 'MultiPolygon', 'coordinates': polygons}
    return {'type': 'Feature', 'geometry': geometry, 'properties': properties}


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
    frame = results.frame
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
    frame = results.frame
    shape = footprint(frame.camera if frame else None, frame.pose if frame else None)
    if shape.corners is None:
        return {'unknown': shape.reason}
    return {'corners': [[round(x, 8), round(y, 8)] for x, y in shape.corners.tolist()]}


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
    if timing and report.latency_ms:
        record['latency_ms'] = {name: round(ms, 3) for name, ms in report.latency_ms.items()}
    return record


def _content(result: TaskResult) -> dict[str, Any]:
    if isinstance(result, SceneResult):
        order = np.argsort(-result.probabilities, kind='stable')[:TOP_SCENES]
        return {
            'classes': [
                {'name': result.classes[i], 'probability': round(float(result.probabilities[i]), 4)}
                for i in order
            ]
        }
    confidence = float(result.confidence.mean()) / 255.0 if result.confidence.size else None
    return {'shares': class_shares(result), 'mean_confidence': confidence and round(confidence, 4)}
