# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the settings of several nodes have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rs_onboard.nodes.parameters import parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.card import TaskName

TASKS: tuple[TaskName, ...] = ('scene', 'detection', 'segmentation', 'change')
# Those that work on tiles; changes are found between whole frames and a map.
TILE_TASKS: tuple[TaskName, ...] = ('scene', 'detection', 'segmentation')
DEFAULT_TASKS: tuple[TaskName, ...] = ('scene', 'segmentation')
MODELS: Mapping[TaskName, str] = {
    'scene': 'scene-decouplenet-d0',
    'detection': 'detection-decouplenet-d0',
    'segmentation': 'segmentation-segghostnet-ued',
    'change': 'change-a2net-lwganet-l0',
}

OVERLAP = 'Least overlap of neighbouring tiles [px].'


def model_parameter(task: TaskName) -> Any:
    """Describe the parameter that names the model of a task, for every node that has it."""
    return parameter(
        MODELS[task],
        'Model folder: a path, or the name of a folder in share/rs_onboard/models.',
        name=f'{task}.model',
    )


@dataclass(frozen=True)
class NodeSettings:
    """What every node has."""

    autostart: bool = parameter(
        True, 'Configure and activate at start, without a lifecycle manager.'
    )
    diagnostics_period_s: float = parameter(
        1.0, 'Period of this node in /diagnostics [s].', low=0.1, high=60.0
    )
    health_hold_s: float = parameter(
        5.0,
        'How long the cause of a state must be gone before the state is over [s].',
        low=0.0,
        high=300.0,
        live=True,
    )
    temperature_warm_c: float = parameter(
        70.0, 'Temperature from which on no more load is taken on [deg C].', low=0.0, high=150.0
    )
    temperature_hot_c: float = parameter(
        80.0, 'Temperature from which on the machine is degraded [deg C].', low=0.0, high=150.0
    )
    temperature_critical_c: float = parameter(
        90.0,
        'Temperature from which on the machine counts as failed [deg C]; lower where it switches '
        'itself off earlier.',
        low=0.0,
        high=150.0,
    )
    disk_low_mb: float = parameter(
        500.0,
        'Least room where results and recordings are written [MiB]; 0 watches none.',
        low=0.0,
        high=1e7,
    )
    memory_low_mb: float = parameter(
        100.0, 'Least memory left on the machine [MiB]; 0 watches none.', low=0.0, high=1e7
    )


@dataclass(frozen=True)
class InputTopics(NodeSettings):
    """Where images, intrinsics and the vehicle's pose come from."""

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


@dataclass(frozen=True)
class FrameSettings(InputTopics):
    """What nodes need that put frames together: image, camera and pose."""

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
