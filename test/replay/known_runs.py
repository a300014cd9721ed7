# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs to report about, made up: every number in them is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from rs_onboard.inference.card import (
    ClassInfo,
    DataSource,
    GsdSpec,
    InputSpec,
    ModelCard,
    Variant,
    Weights,
)
from rs_onboard.replay.summary import NodeCounts, RunSummary

SECOND = 1_000_000_000
START_NS = 1_466_699_519 * SECOND
COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200))


def model_card(task, classes=('land', 'water'), **changes):
    fields = {
        'folder': Path('models') / task,
        'name': f'{task}-net',
        'task': task,
        'network': 'net',
        'summary': 'Tells land from water.',
        'trained': True,
        'input': InputSpec(('red', 'green', 'blue'), 128, 128, 1, 16, dynamic=True),
        'gsd': GsdSpec(0.3, 0.2, 0.6),
        'classes': tuple(ClassInfo(n, c) for n, c in zip(classes, COLOURS, strict=False)),
        'weights': Weights(
            'trained here',
            'CC-BY-4.0',
            'name the authors',
            (DataSource('lakes', 'CC0-1.0', 'https://example.org/lakes', 'Lake et al.'),),
        ),
        'variants': {
            'fp32': Variant(
                'fp32',
                'fp32.onnx',
                'ab' * 32,
                100,
                {'mean_iou': 0.4679, 'mean_iou_low': 0.412, 'mean_iou_high': 0.5115},
                (),
                'not faster than int8',
            )
        },
        'evaluation': 'On nine images.',
        'limits': ('Ice is taken for land.',),
    }
    return ModelCard(**{**fields, **changes})


def task_record(status='ok', stages=None, *, reason='', gsd_m=0.3, **content):
    record = {'status': status}
    if reason:
        record['reason'] = reason
    if status != 'skipped':
        record['model'] = {
            'name': 'net',
            'sha256': 'ab' * 32,
            'variant': 'fp32',
            'provider': 'cpu',
            'trained': True,
        }
        record['tiles'] = {'count': 4, 'height': 128, 'width': 128, 'scale': 1.0, 'gsd_m': gsd_m}
        record['latency_ms'] = stages or {'cut': 1.0, 'infer': 5.0}
    return {**record, **content}


def scene(name='land', probability=0.75, **changes):
    classes = [{'name': name, 'probability': probability}, {'name': 'other', 'probability': 0.1}]
    return task_record(classes=classes, **changes)


def land_cover(shares=None, **changes):
    return task_record(shares=shares or {'land': 0.6, 'water': 0.4}, **changes)


def frame_record(number, *, latency_ms=20.0, **tasks):
    """Return the record of a frame: the camera flies north, 10 m a frame, over a strip of 20 m."""
    latitude = 46.84 + number * 9e-5
    corners = [
        [-91.9948, latitude + 9e-5],
        [-91.9942, latitude + 9e-5],
        [-91.9942, latitude - 9e-5],
        [-91.9948, latitude - 9e-5],
    ]
    return {
        'stamp_ns': START_NS + number * 2 * SECOND,
        'frame_id': 'camera',
        'height': 720,
        'width': 1280,
        'pose': {
            'latitude_deg': latitude,
            'longitude_deg': -91.9945,
            'altitude_m': 198.3,
            'height_m': 39.8,
            'orientation_xyzw': [0.0, 0.0, 0.0, 1.0],
            'gsd_m': 0.0538,
        },
        'footprint': {'corners': corners},
        'latency_ms': latency_ms,
        **(tasks or {'scene': scene(), 'segmentation': land_cover()}),
    }


def without_pose(record, reason='no pose source'):
    return {**record, 'pose': {'unknown': reason}, 'footprint': {'unknown': 'pose unknown'}}


def picture(width=320, height=200, seed=0):
    """Return a JPEG that compresses badly, as leaves and grass do."""
    noise = np.random.default_rng(seed).integers(0, 255, (height // 4, width // 4, 3), np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def run_of(records, **changes):
    count = len(records)
    fields = {
        'title': 'lake',
        'records': records,
        'pictures': {record['stamp_ns']: picture(seed=n) for n, record in enumerate(records)},
        'nodes': [
            NodeCounts('tiler', count, count, {}, 0),
            NodeCounts('publisher', count, count, {}, 0),
        ],
        'cards': {'scene': model_card('scene'), 'segmentation': model_card('segmentation')},
        'wall_s': 10.0,
        'sent': count,
    }
    return RunSummary(**{**fields, **changes})


def flight(count=4, **changes):
    return run_of([frame_record(n) for n in range(count)], **changes)
