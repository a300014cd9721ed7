# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Topic names, in one place; all are relative, so that a namespace or a remapping moves them."""

from __future__ import annotations

IMAGE = 'image_raw'
CAMERA_INFO = 'camera_info'
DIAGNOSTICS = '/diagnostics'
TF_STATIC = '/tf_static'
OVERLAY = 'overlay/compressed'
GEOJSON = 'geojson'
SCENE = 'scene'
SCENE_TILES = 'scene/per_tile'
DETECTIONS = 'detections'
DETECTION_CORNERS = 'detections/corners'
SEGMENTATION = 'segmentation'
CONFIDENCE = 'segmentation/confidence'
CHANGE_MASK = 'change/mask'
CHANGE_REGIONS = 'change/regions'
CHANGE_OUTLINES = 'change/outlines'
CHANGE_REGISTRATION = 'change/registration'
CHANGE_FIX = 'change/fix'
CHANGE_OVERLAY = 'change/overlay/compressed'

# Service that records the seconds around its call.
RECORD_TRIGGER = '~/trigger'

# Frames with camera and pose, handed over within one process only.
FRAMES = 'frames'

# All results of a frame joined, handed over within one process only.
RESULTS = 'results'


# What the latency budget lets the tasks do; latched.
BUDGET_PLAN = 'budget/plan'


def costs(task: str) -> str:
    """Topic of what the variants of a task's model cost on its machine, latched."""
    return f'{task}/costs'


def tiles(task: str) -> str:
    """Topic of the stacked tiles of a task."""
    return f'tiles/{task}'


def layout(task: str) -> str:
    """Topic that says where the tiles of a task lie."""
    return f'tiles/{task}/layout'


def report(task: str) -> str:
    """Topic of what the results of a task say about themselves."""
    return f'{task}/report'


def skipped(task: str) -> str:
    """Channel of the stamps of frames a task leaves out, within one process only."""
    return f'{task}/skipped'


def labels(task: str) -> str:
    """Topic of the class names of a task, latched."""
    return f'{task}/label_info'
