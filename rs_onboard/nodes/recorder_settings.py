# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of the recorder node."""

from __future__ import annotations

from dataclasses import dataclass

from rs_onboard.nodes.node_settings import DEFAULT_TASKS, TASKS, InputTopics, model_parameter
from rs_onboard.nodes.parameters import parameter

GROUPS = ('results', 'masks', 'overlay', 'images', 'pose')
TRIGGERS = ('detection', 'change', 'service')


@dataclass(frozen=True)
class RecorderSettings(InputTopics):
    """What is recorded, when, and how much of the disk it may take."""

    tasks: list[str] = parameter(
        [*DEFAULT_TASKS], 'Tasks whose results are recorded.', choices=TASKS
    )
    detection_model: str = model_parameter('detection')
    mode: str = parameter(
        'never',
        'What is recorded: nothing (there is no recorder node then), the seconds around triggers, '
        'or everything.',
        name='record.mode',
        choices=('never', 'events', 'always'),
    )
    folder: str = parameter(
        '~/recordings',
        'Folder of the recordings (MCAP, one file each); made where it is missing.',
        name='record.dir',
    )
    groups: list[str] = parameter(
        ['results', 'overlay', 'pose'],
        'What belongs to a recording: results (with reports and diagnostics), masks (full size), '
        'overlay (JPEG), images (as they arrive, with intrinsics; needed to replay), pose.',
        name='record.topics',
        choices=GROUPS,
    )
    before_s: float = parameter(
        10.0, 'Seconds before a trigger [s].', name='record.before_s', low=0.0, high=300.0
    )
    after_s: float = parameter(
        10.0, 'Seconds after the last trigger [s].', name='record.after_s', low=0.0, high=300.0
    )
    longest_s: float = parameter(
        120.0,
        'Longest event of triggers that follow one another [s].',
        name='record.longest_s',
        low=1.0,
        high=3600.0,
    )
    ring_mb: int = parameter(
        64,
        'Memory for the seconds before a trigger, and for what a slow disk leaves waiting [MB].',
        name='record.ring_mb',
        low=1,
        high=4096,
    )
    classes: str = parameter(
        '',
        'Detections that trigger, with their least scores, as "ship 0.5, plane 0.4".',
        name='record.classes',
    )
    change_score: float = parameter(
        0.0,
        'Least score of a confirmed change that triggers; 0 lets none trigger.',
        name='record.change_score',
        low=0.0,
        high=1.0,
    )
    protect: list[str] = parameter(
        ['service'],
        'Triggers whose recordings are protected: never removed to make room, nor by age.',
        name='record.protect',
        choices=TRIGGERS,
    )
    segment_mb: int = parameter(
        256, 'Size at which a new file begins [MB].', name='record.segment_mb', low=1, high=65536
    )
    budget_mb: int = parameter(
        4000,
        'Most that all recordings together take of the disk [MB]; the oldest that are not '
        'protected make room.',
        name='record.budget_mb',
        low=1,
        high=100_000_000,
    )
    keep_free_percent: float = parameter(
        10.0,
        'Part of the disk that stays free for everything else [%].',
        name='record.keep_free_percent',
        low=0.0,
        high=99.0,
    )
    keep_days: float = parameter(
        30.0,
        'Age at which recordings that are not protected are removed [days]; 0 keeps them.',
        name='record.keep_days',
        low=0.0,
        high=36500.0,
    )
    compression: str = parameter(
        'auto',
        'Compression of the recordings: zstd where a Python module for it is installed (auto), '
        'zstd or an error (zstd), or none.',
        name='record.compression',
        choices=('auto', 'zstd', 'none'),
    )
