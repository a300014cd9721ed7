# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results as plain records: a JSON object a frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.covariance import largest_sigma
from rs_onboard.geo.footprint import footprint, visible_ground
from rs_onboard.geo.gsd import ground_scale
from rs_onboard.geo.placing import place_shapes
from rs_onboard.geo.uncertainty import ground_covariance
from rs_onboard.perception.boxes import corners
from rs_onboard.perception.change_records import change_content
from rs_onboard.perception.mask_areas import mask_content
from rs_onboard.perception.results import ChangeResult, DetectionResult, SceneResult
from rs_onboard.perception.stitch import UNKNOWN_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.perception.frame import Frame
    from rs_onboard.perception.frame_results import FrameResults
    from rs_onboard.perception.map_match import MapMatch
    from rs_onboard.perception.results import SegmentationResult, TaskReport, TaskResult

# Scene classes listed in a record.
TOP_SCENES = 3


def frame_record(results: FrameResults) -> dict[str, Any]:
    """Return all results of a frame as plain values, for JSON; `FrameResults.record` keeps them."""
    header = results.header
    record: dict[str, Any] = {
        'stamp_ns': header.stamp_ns,
        'frame_id': header.frame_id,
        'height': header.height,
        'width': header.width,
        'pose': _pose(results),
        'footprint': _footprint(results),
    }
    if results.latency_ms is not None:
        record['latency_ms'] = round(results.latency_ms, 3)
    for task, result in results.results.items():
        record[task] = {**_report(result.report), **_content(result, results)}
    return record


def without_timing(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without durations, which differ from run to run."""
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


def class_shares(result: SegmentationResult) -> dict[str, float]:
    """Return the share of the frame of every class that occurs, by name; `unknown` included."""
    shares = result.label_shares()
    named = [*enumerate(result.classes), (UNKNOWN_LABEL, 'unknown')]
    return {name: round(float(shares[label]), 4) for label, name in named if shares[label]}


def _pose(results: FrameResults) -> dict[str, Any]:
    frame = _view(results)
    if frame is None:
        return {'unknown': 'frame not at hand'}
    if frame.pose is None:
        return {'unknown': frame.pose_reason}
    pose = frame.pose
    scale = ground_scale(frame.camera, pose)
    told: dict[str, Any] = {
        'latitude_deg': pose.latitude_deg,
        'longitude_deg': pose.longitude_deg,
        'altitude_m': pose.altitude_m,
        'height_m': pose.height_m,
        'orientation_xyzw': pose.orientation,
        'gsd_m': scale.gsd_m,
    }
    if scale.reason:
        told['gsd_reason'] = scale.reason
    if pose.position_covariance is not None:
        told['position_sigma_m'] = round(largest_sigma(pose.position_covariance[:2, :2]), 3)
    if pose.orientation_covariance is not None:
        turn = math.degrees(largest_sigma(pose.orientation_covariance))
        told['attitude_sigma_deg'] = round(turn, 3)
    if pose.height_sigma_m is not None:
        told['height_sigma_m'] = round(pose.height_sigma_m, 3)
    if pose.assumed:
        told['assumed'] = list(pose.assumed)
    if pose.terrain is not None:
        told['terrain'] = pose.terrain.name
    return told


def _footprint(results: FrameResults) -> dict[str, Any]:
    frame = _view(results)
    camera, pose = (frame.camera, frame.pose) if frame else (None, None)
    shape = footprint(camera, pose)
    if shape.corners is None:
        visible = None
        if camera is not None and pose is not None:
            visible = visible_ground(camera, pose)
        cut = {} if visible is None else {'visible': visible.round(8).tolist()}
        return {'unknown': shape.reason, **cut}
    told: dict[str, Any] = {'corners': shape.corners.round(8).tolist()}
    assert camera is not None
    centre = np.array([((camera.width - 1) / 2.0, (camera.height - 1) / 2.0)])
    covariance = ground_covariance(centre, camera, pose)
    if covariance is not None and np.isfinite(covariance).all():
        told['sigma_m'] = round(largest_sigma(covariance[0]), 3)
    return told


def _view(results: FrameResults) -> Frame | MapMatch | None:
    """Return what knows camera and pose: the frame, or what tells how it lies on a map."""
    change = results.results.get('change')
    if results.frame is None and isinstance(change, ChangeResult):
        return change.match
    return results.frame


def _report(report: TaskReport) -> dict[str, Any]:
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
    if report.latency_ms:
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
    frame = results.frame
    confidence = float(result.confidence.mean()) / 255.0 if result.confidence.size else None
    return {
        'shares': class_shares(result),
        'mean_confidence': confidence and round(confidence, 4),
        **mask_content(
            result,
            frame.camera if frame else None,
            frame.pose if frame else None,
            polygons=results.polygons,
        ),
    }


def _objects(result: DetectionResult, results: FrameResults) -> list[dict[str, Any]]:
    """List the objects of a frame, best score first, with their place on the ground if known."""
    quads = corners(result.boxes)
    frame = results.frame
    shapes = [[quad.astype(np.float64)] for quad in quads]
    placed = place_shapes(shapes, frame.camera if frame else None, frame.pose if frame else None)
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
        place = None if isinstance(placed, str) else placed[index]
        if place is not None:
            sides = np.linalg.norm(np.diff(place.offsets[0][:3], axis=0), axis=1)
            item['ground'] = place.rings[0].round(8).tolist()
            item['length_m'] = round(float(sides.max()), 3)
            item['width_m'] = round(float(sides.min()), 3)
            item |= place.about()
        objects.append(item)
    return objects
