# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of every node: name, default, range and description of each parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rs_onboard.inference.card import VARIANTS
from rs_onboard.inference.runtime_settings import POLICIES, PROVIDERS
from rs_onboard.nodes.parameters import parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.card import TaskName

TASKS: tuple[TaskName, ...] = ('scene', 'detection', 'segmentation')
MODELS: Mapping[TaskName, str] = {
    'scene': 'scene-decouplenet-d0',
    'detection': 'detection-decouplenet-d0',
    'segmentation': 'segmentation-segghostnet-ued',
}

_OVERLAP = 'Least overlap of neighbouring tiles [px].'
_THREADS = 'Threads for inference; 0 takes the cores of this machine less one.'


def _model(task: TaskName) -> Any:
    """Describe the parameter that names the model of a task, for every node that has it."""
    return parameter(
        MODELS[task],
        'Model folder: a path, or the name of a folder in share/rs_onboard/models.',
        name=f'{task}.model',
    )


def _variant(task: TaskName) -> Any:
    return parameter('fp32', 'Variant of the model.', name=f'{task}.variant', choices=VARIANTS)


def _batch(task: TaskName, default: int) -> Any:
    return parameter(default, 'Tiles per inference.', name=f'{task}.batch', low=1, high=256)


@dataclass(frozen=True)
class NodeSettings:
    """What every node has."""

    autostart: bool = parameter(
        True, 'Configure and activate at start, without a lifecycle manager.'
    )
    diagnostics_period_s: float = parameter(
        1.0, 'Period of this node in /diagnostics [s].', low=0.1, high=60.0
    )


@dataclass(frozen=True)
class CameraSettings(NodeSettings):
    """The camera node."""

    source: str = parameter(
        '',
        'Device (/dev/video0), RTSP or HTTP URL, GStreamer pipeline ("gst: ..."), video file or '
        'image folder.',
    )
    rate_hz: float = parameter(
        0.0, 'Frame rate of files and folders; 0 keeps the rate of the file.', low=0.0, high=240.0
    )
    loop: bool = parameter(False, 'Start files and folders again at their end.')
    width: int = parameter(0, 'Image width asked of a device [px]; 0 leaves it.', low=0, high=16384)
    height: int = parameter(
        0, 'Image height asked of a device [px]; 0 leaves it.', low=0, high=16384
    )
    pixel_format: str = parameter(
        '', 'Pixel format asked of a device; USB cameras need MJPG for their full rate.'
    )
    open_timeout_s: float = parameter(
        5.0, 'How long opening or reading a stream may take [s].', low=0.1, high=60.0
    )
    frame_id: str = parameter('camera_optical', 'Frame of the images (REP-103 optical frame).')
    calibration: str = parameter(
        '', 'Camera calibration in the YAML form of camera_info_manager; empty publishes none.'
    )
    no_frame_timeout_s: float = parameter(
        2.0, 'Time without a frame after which the source is opened again [s].', low=0.1, high=300.0
    )


@dataclass(frozen=True)
class FrameSettings(NodeSettings):
    """What nodes need that put frames together: image, camera and pose."""

    image_topic: str = parameter('image_raw', 'Topic of the images.')
    image_transport: str = parameter(
        'raw',
        'raw subscribes to image_topic, compressed to image_topic/compressed.',
        choices=('raw', 'compressed'),
    )
    camera_info_topic: str = parameter('camera_info', 'Topic of the camera intrinsics.')
    fix_topic: str = parameter('mavros/global_position/raw/fix', 'Topic of the position.')
    imu_topic: str = parameter('mavros/imu/data', 'Topic of the attitude (ENU, body FLU).')
    gimbal_topic: str = parameter(
        'gimbal/attitude', 'Topic of the camera attitude (optical frame to ENU).'
    )
    height_topic: str = parameter(
        'mavros/global_position/rel_alt', 'Topic of the height above the ground [m].'
    )
    camera_mount_rpy_deg: str = parameter(
        '',
        'Roll, pitch and yaw [deg] of the camera optical frame in the body, as "r p y"; empty is '
        'straight down with the image top towards the nose. Used while no gimbal reports.',
    )
    pose_max_gap_s: float = parameter(
        0.5, 'Longest gap between pose samples that is interpolated [s].', low=0.01, high=60.0
    )
    pose_wait_ms: float = parameter(
        50.0, 'How long a frame waits for the pose sample after it [ms].', low=0.0, high=1000.0
    )
    max_age_s: float = parameter(
        0.0,
        'Frames older than this on arrival are dropped as too_old [s]; 0 keeps all.',
        low=0.0,
        high=3600.0,
        live=True,
    )


@dataclass(frozen=True)
class TilerSettings(FrameSettings):
    """The tiler node."""

    tasks: list[str] = parameter(
        ['scene', 'segmentation'], 'Tasks to cut tiles for.', choices=TASKS
    )
    scene_model: str = _model('scene')
    scene_overlap: int = parameter(0, _OVERLAP, name='scene.overlap', low=0, high=4096)
    detection_model: str = _model('detection')
    detection_overlap: int = parameter(
        64,
        'Least overlap of neighbouring tiles [px]; objects up to this size are seen whole.',
        name='detection.overlap',
        low=0,
        high=4096,
    )
    segmentation_model: str = _model('segmentation')
    segmentation_overlap: int = parameter(
        64, _OVERLAP, name='segmentation.overlap', low=0, high=4096
    )
    match_gsd: bool = parameter(
        True,
        'Resample tiles to the ground sample distance of the model where height, attitude and '
        'camera are known; false keeps the image scale.',
    )


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
    require_signed: bool = parameter(
        False, 'Refuse a model folder that none of the trusted keys signed.'
    )
    trusted_keys: str = parameter('', 'File of public keys (PEM) for require_signed.')


@dataclass(frozen=True)
class SceneSettings(RuntimeFields):
    """The scene node."""

    model: str = _model('scene')
    variant: str = _variant('scene')
    batch: int = _batch('scene', 4)


@dataclass(frozen=True)
class DetectionSettings(RuntimeFields):
    """The detection node."""

    model: str = _model('detection')
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
class SegmentationSettings(RuntimeFields):
    """The segmentation node."""

    model: str = _model('segmentation')
    variant: str = _variant('segmentation')
    batch: int = _batch('segmentation', 1)


ModelSettings: TypeAlias = 'SceneSettings | DetectionSettings | SegmentationSettings'


@dataclass(frozen=True)
class PublisherSettings(FrameSettings):
    """The publisher node."""

    tasks: list[str] = parameter(
        ['scene', 'segmentation'], 'Tasks whose results are collected.', choices=TASKS
    )
    scene_model: str = _model('scene')
    detection_model: str = _model('detection')
    segmentation_model: str = _model('segmentation')
    join_timeout_s: float = parameter(
        2.0,
        'How long the results of a frame are waited for after the first [s]; then the missing '
        'tasks are reported as skipped.',
        low=0.05,
        high=60.0,
        live=True,
    )
    overlay_width: int = parameter(
        1280, 'Largest width of the overlay picture [px].', low=64, high=8192, live=True
    )
    overlay_quality: int = parameter(
        80, 'JPEG quality of the overlay picture.', low=1, high=100, live=True
    )
    results_dir: str = parameter(
        '', 'Folder for result files (results.jsonl, results.geojson); empty writes none.'
    )


NODE_SETTINGS: Mapping[str, type[NodeSettings]] = {
    'camera': CameraSettings,
    'tiler': TilerSettings,
    'scene': SceneSettings,
    'detection': DetectionSettings,
    'segmentation': SegmentationSettings,
    'publisher': PublisherSettings,
}
