# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of every node: name, default, range and description of each parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.nodes.model_settings import (
    ChangeSettings,
    DetectionSettings,
    SceneSettings,
    SegmentationSettings,
)
from rs_onboard.nodes.node_settings import (
    DEFAULT_TASKS,
    OVERLAP,
    TASKS,
    TILE_TASKS,
    FrameSettings,
    NodeSettings,
    frame_budget_parameter,
    model_parameter,
)
from rs_onboard.nodes.parameters import parameter
from rs_onboard.nodes.recorder_settings import RecorderSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


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
class TilerSettings(FrameSettings):
    """The tiler node."""

    tasks: list[str] = parameter(
        [*DEFAULT_TASKS], 'Tasks to run; those on tiles get theirs.', choices=TASKS
    )
    scene_model: str = model_parameter('scene')
    scene_overlap: int = parameter(0, OVERLAP, name='scene.overlap', low=0, high=4096)
    detection_model: str = model_parameter('detection')
    detection_overlap: int = parameter(
        64,
        'Least overlap of neighbouring tiles [px]; objects up to this size are seen whole.',
        name='detection.overlap',
        low=0,
        high=4096,
    )
    segmentation_model: str = model_parameter('segmentation')
    segmentation_overlap: int = parameter(
        64, OVERLAP, name='segmentation.overlap', low=0, high=4096
    )
    match_gsd: bool = parameter(
        True,
        'Resample tiles to the ground sample distance of the model where height, attitude and '
        'camera are known; false keeps the image scale.',
    )
    max_gsd_ratio: float = parameter(
        3.0,
        'Tiles whose pixels are so many times coarser or finer on the ground than those in the '
        'middle of the frame are left out as too oblique; 0 leaves none out for it.',
        low=0.0,
        high=1000.0,
    )
    area_file: str = parameter(
        '',
        'Area of interest, polygons in a GeoJSON file: tiles off it are left out; empty takes all.',
        name='area.file',
    )
    frame_budget_ms: float = frame_budget_parameter(live=True)
    budget_priorities: list[str] = parameter(
        ['detection', 'segmentation', 'scene'],
        'Tasks that work on tiles, the one first that is to lose least to the latency budget.',
        name='budget.priorities',
        choices=TILE_TASKS,
    )


@dataclass(frozen=True)
class PublisherSettings(FrameSettings):
    """The publisher node."""

    tasks: list[str] = parameter(
        [*DEFAULT_TASKS], 'Tasks whose results are collected.', choices=TASKS
    )
    scene_model: str = model_parameter('scene')
    detection_model: str = model_parameter('detection')
    segmentation_model: str = model_parameter('segmentation')
    change_model: str = model_parameter('change')
    join_timeout_s: float = parameter(
        2.0,
        'How long the results of a frame are waited for after the first [s]; then the missing '
        'tasks are reported as skipped.',
        low=0.05,
        high=60.0,
        live=True,
    )
    latency_limit_ms: float = parameter(
        2000.0,
        'Latency from the arrival of an image to its results over which a warning is given [ms]; 0 '
        'gives none.',
        low=0.0,
        high=60000.0,
        live=True,
    )
    latency_allowed_s: float = parameter(
        5.0,
        'How long the latency may be over latency_limit_ms before that is an error [s].',
        low=0.0,
        high=600.0,
        live=True,
    )
    onboard_status_topic: str = parameter(
        'mavros/onboard_computer/status',
        'Topic on which MAVROS takes the load and heat of this computer for the ground station; '
        'used where mavros_msgs is installed, empty sends none.',
    )
    status_text_topic: str = parameter(
        'mavros/statustext/send',
        'Topic on which MAVROS takes texts for the ground station: what became STALE or FAILED in '
        'this process, and its end; as onboard_status_topic, empty sends none.',
    )
    onboard_component: int = parameter(
        191, 'MAVLink component id of this computer.', low=1, high=255
    )
    overlay_width: int = parameter(
        1280, 'Largest width of the overlay picture [px].', low=64, high=8192, live=True
    )
    overlay_quality: int = parameter(
        80, 'JPEG quality of the overlay picture.', low=1, high=100, live=True
    )
    polygons: bool = parameter(
        True,
        'Trace the classes of masks as polygons for GeoJSON and result files.',
        live=True,
    )
    results_dir: str = parameter(
        '', 'Folder for result files (results.jsonl, .geojson and .gpkg); empty writes none.'
    )


NODE_SETTINGS: Mapping[str, type[NodeSettings]] = {
    'camera': CameraSettings,
    'tiler': TilerSettings,
    'scene': SceneSettings,
    'detection': DetectionSettings,
    'segmentation': SegmentationSettings,
    'change': ChangeSettings,
    'publisher': PublisherSettings,
    'recorder': RecorderSettings,
}
