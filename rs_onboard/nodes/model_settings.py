# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of the nodes that run a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rs_onboard.inference.card import VARIANTS
from rs_onboard.inference.runtime_settings import POLICIES, PROVIDERS
from rs_onboard.nodes.node_settings import (
    OVERLAP,
    FrameSettings,
    NodeSettings,
    TerrainSettings,
    frame_budget_parameter,
    model_parameter,
)
from rs_onboard.nodes.parameters import parameter

if TYPE_CHECKING:
    from rs_onboard.inference.card import TaskName

_THREADS = 'Threads for inference; 0 takes the cores of this machine less one.'


def _variant(task: TaskName) -> Any:
    return parameter('fp32', 'Variant of the model.', name=f'{task}.variant', choices=VARIANTS)


def _batch(task: TaskName, default: int) -> Any:
    return parameter(default, 'Tiles per inference.', name=f'{task}.batch', low=1, high=256)


@dataclass(frozen=True)
class RuntimeFields(NodeSettings):
    """How a task node runs its model."""

    provider: str = parameter(
        'auto', 'Execution provider of ONNX Runtime.', choices=('auto', *PROVIDERS)
    )
    provider_policy: str = parameter(
        'refuse', 'What to do when the provider cannot be had.', choices=POLICIES
    )
    threads: int = parameter(0, _THREADS, low=0, high=256)
    spinning: bool = parameter(False, 'Keep inference threads spinning between frames.')
    arena: bool = parameter(
        True, 'Keep the memory of a call for the next; false is slower and saves none at the peak.'
    )
    memory_pattern: bool = parameter(
        False, 'Plan the memory of a call as one block; takes a quarter more and gains no time.'
    )
    device: int = parameter(0, 'Number of the GPU.', low=0, high=64)
    engine_cache: str = parameter(
        '', 'Folder for TensorRT engines, writable by this user alone; empty is that of the user.'
    )
    inference_timeout_ms: int = parameter(
        10000,
        'How long one call of a model may take before it is given up and the model is loaded anew, '
        'on the next provider that the policy allows [ms]; 0 waits for ever.',
        low=0,
        high=600000,
        live=True,
    )
    require_signed: bool = parameter(
        False, 'Refuse a model folder that none of the trusted keys signed.'
    )
    trusted_keys: str = parameter('', 'File of public keys (PEM) for require_signed.')


@dataclass(frozen=True)
class BudgetFields(RuntimeFields):
    """What a task node prepares for the latency budget."""

    frame_budget_ms: float = frame_budget_parameter(live=False)
    budget_benchmark_s: float = parameter(
        2.0,
        'With a limit: time for measuring the variants of all models at start [s]. What was '
        'measured once is known from then on, until model, runtime or machine change.',
        name='budget.benchmark_s',
        low=0.0,
        high=60.0,
    )
    budget_agreement: float = parameter(
        0.85,
        'Least share of answers in which a variant agrees with the chosen one, to stand in for it.',
        name='budget.agreement',
        low=0.0,
        high=1.0,
    )
    budget_cache: str = parameter(
        '', 'Folder for what was measured; empty is that of the user.', name='budget.cache'
    )


@dataclass(frozen=True)
class SceneSettings(BudgetFields):
    """The scene node."""

    model: str = model_parameter('scene')
    variant: str = _variant('scene')
    batch: int = _batch('scene', 4)


@dataclass(frozen=True)
class DetectionSettings(BudgetFields, TerrainSettings):
    """The detection node."""

    model: str = model_parameter('detection')
    variant: str = _variant('detection')
    batch: int = _batch('detection', 1)
    score: float = parameter(
        0.3, 'Least score of a detection.', name='detection.score', low=0.0, high=1.0
    )
    class_scores: str = parameter(
        '',
        'Least scores of single classes where they differ, as "ship 0.5, plane 0.4".',
        name='detection.class_scores',
    )
    class_lengths_m: str = parameter(
        '',
        'Least and greatest length of single classes [m], as "ship 5 400, plane 4 90"; applied '
        'while the ground sample distance is known.',
        name='detection.class_lengths_m',
    )
    iou: float = parameter(
        0.1,
        'Overlap (IoU) above which the lesser of two detections of a class is dropped.',
        name='detection.iou',
        low=0.0,
        high=0.99,
    )
    count: int = parameter(
        1000, 'Most detections of a frame, the best ones.', name='detection.count', low=1, high=4000
    )
    track: bool = parameter(
        True,
        'Give each object one number in all frames that show it (`id`), by its place on the ground '
        'or, without a pose, from frame to frame.',
        name='detection.track',
    )
    track_memory_s: float = parameter(
        300.0,
        'How long an object out of view keeps its number [s].',
        name='detection.track_memory_s',
        low=0.0,
        high=86400.0,
    )


@dataclass(frozen=True)
class SegmentationSettings(BudgetFields):
    """The segmentation node."""

    model: str = model_parameter('segmentation')
    variant: str = _variant('segmentation')
    batch: int = _batch('segmentation', 1)


@dataclass(frozen=True)
class ChangeSettings(RuntimeFields, FrameSettings):
    """The change node."""

    model: str = model_parameter('change')
    variant: str = _variant('change')
    batch: int = _batch('change', 1)
    overlap: int = parameter(64, OVERLAP, name='change.overlap', low=0, high=4096)
    reference: str = parameter(
        '',
        'Reference map: an .mbtiles or GeoTIFF file. The node does not start without one.',
        name='change.reference',
    )
    cache_mb: int = parameter(
        64, 'Memory for tiles of the map [MB].', name='change.cache_mb', low=4, high=4096
    )
    every: int = parameter(
        5,
        'Every so many frames one is compared with the map.',
        name='change.every',
        low=1,
        high=10000,
        live=True,
    )
    matcher: str = parameter(
        'gradient',
        'What registration goes by: gradient finds its way in a map of another sensor and year; '
        'orb and sift need pictures of one kind.',
        name='change.matcher',
        choices=('gradient', 'orb', 'sift'),
    )
    max_shift_m: float = parameter(
        50.0,
        'Largest error of the position that registration believes [m].',
        name='change.max_shift_m',
        low=0.1,
        high=1000.0,
    )
    least_overlap: float = parameter(
        0.3,
        'Least share of a frame that the map must show.',
        name='change.least_overlap',
        low=0.05,
        high=1.0,
    )
    max_tilt_deg: float = parameter(
        30.0,
        'Frames tilted further than this from straight down are not compared [deg].',
        name='change.max_tilt_deg',
        low=0.0,
        high=30.0,
    )
    max_age_days: float = parameter(
        0.0,
        'Largest age of the map at the stamp of a frame [days]; 0 takes any.',
        name='change.max_age_days',
        low=0.0,
        high=36500.0,
    )
    light: float = parameter(
        0.5,
        'How much of the difference in light between map and frame is taken out, by gain and '
        'offset of each channel. Trained networks want about half: part of the difference is '
        'change.',
        name='change.light',
        low=0.0,
        high=1.0,
    )
    threshold: float = parameter(
        0.5,
        'Least probability of a changed pixel in a region.',
        name='change.threshold',
        low=0.01,
        high=1.0,
    )
    min_area_m2: float = parameter(
        20.0,
        'Smaller regions are left out [m^2].',
        name='change.min_area_m2',
        low=0.0,
        high=1e6,
    )
    finds: int = parameter(
        2,
        'Frames that must have found a region, of the last change.looks that saw the place, before '
        'it is confirmed.',
        name='change.finds',
        low=1,
        high=8,
    )
    looks: int = parameter(
        3, 'Frames remembered of each place.', name='change.looks', low=1, high=8
    )
    candidates: bool = parameter(
        False,
        'Publish regions that are not confirmed, too, marked as candidates.',
        name='change.candidates',
    )


ModelSettings: TypeAlias = (
    'SceneSettings | DetectionSettings | SegmentationSettings | ChangeSettings'
)
