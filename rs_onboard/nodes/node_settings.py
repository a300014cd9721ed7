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


def frame_budget_parameter(*, live: bool) -> Any:
    """Describe the latency budget, for the node that plans and those that prepare for it."""
    return parameter(
        0.0,
        'What a frame may take from its arrival to its results [ms]; 0 sets no limit. Only the '
        'tiler takes a change in flight; the task nodes load further variants when they are '
        'configured with a limit.',
        low=0.0,
        high=60000.0,
        live=live,
    )


def _sigma(name: str, default: float, what: str, high: float) -> Any:
    return parameter(
        default,
        f'Standard deviation of {what}, where the messages give none; 0 leaves it unknown.',
        name=f'sigma.{name}',
        low=0.0,
        high=high,
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
    restart_when_stuck: bool = parameter(
        True,
        'End the process (exit status 3) when only a new one can help, so that launch or systemd '
        'starts it again: calls of a model hang for good, or callbacks do.',
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
        'gimbal/attitude',
        'Topic of the camera attitude (QuaternionStamped, or Vector3Stamped with gimbal_message).',
    )
    gimbal_message: str = parameter(
        'quaternion',
        'What gimbal_topic carries: QuaternionStamped, or Vector3Stamped of roll, pitch and yaw '
        '[deg] as gimbals count them.',
        choices=('quaternion', 'angles'),
    )
    height_topic: str = parameter(
        'mavros/global_position/rel_alt', 'Topic of the height above the ground [m].'
    )
    camera_mount_from_tf: bool = parameter(
        False, 'Take the mount from /tf_static: the frame of the images in body_frame.'
    )

    @property
    def is_compressed(self) -> bool:
        """Whether images come compressed."""
        return self.image_transport == 'compressed'

    @property
    def transport_topic(self) -> str:
        """The topic that images come on."""
        return self.image_topic + ('/compressed' if self.is_compressed else '')


@dataclass(frozen=True)
class TerrainSettings(NodeSettings):
    """What nodes need that place things on the ground."""

    terrain_file: str = parameter(
        '', 'Terrain model, a GeoTIFF; empty takes the ground for flat.', name='terrain.file'
    )
    terrain_zero_m: float = parameter(
        0.0,
        'Height of the zero of the terrain model above that of the fix [m]: the undulation of the '
        'geoid for models above the sea, as fixes of NavSatFix are above the ellipsoid.',
        name='terrain.zero_m',
        low=-10000.0,
        high=10000.0,
    )
    terrain_sigma_m: float = parameter(
        2.0,
        'Standard deviation of the heights of the terrain model [m].',
        name='terrain.sigma_m',
        low=0.0,
        high=1000.0,
    )


@dataclass(frozen=True)
class FrameSettings(InputTopics, TerrainSettings):
    """What nodes need that put frames together: image, camera and pose."""

    camera_mount_rpy_deg: str = parameter(
        '',
        'Roll, pitch and yaw [deg] of the camera optical frame in the body, as "r p y"; empty is '
        'straight down with the image top towards the nose. Used until a gimbal is heard.',
    )
    camera_mount_xyz_m: str = parameter(
        '',
        'Forward, left and up [m] from what the fix is for, the antenna, to the camera, as '
        '"x y z"; empty is the same place.',
    )
    body_frame: str = parameter(
        'base_link', 'Frame of the body (x forward, y left, z up) with camera_mount_from_tf.'
    )
    gimbal_axes: str = parameter(
        'optical',
        'Axes of the gimbal quaternion: of the optical frame or of a camera body x along the view, '
        'y left, z up (flu), both against ENU; or x along the view, y right, z down against NED.',
        choices=('optical', 'flu', 'frd'),
    )
    gimbal_yaw_lock: bool = parameter(
        True, 'Whether the yaw of the gimbal counts from the world axes; false: from the nose.'
    )
    gimbal_required: bool = parameter(
        False,
        'Take no attitude for known before a gimbal is heard; else the mount serves till then.',
    )
    pose_max_gap_s: float = parameter(
        0.5, 'Longest gap between pose samples that is interpolated [s].', low=0.01, high=60.0
    )
    pose_wait_ms: float = parameter(
        50.0, 'How long a frame waits for the pose sample after it [ms].', low=0.0, high=1000.0
    )
    pose_max_speed_mps: float = parameter(
        100.0,
        'Faster changes of position or height are jumps, around which there is no pose [m/s].',
        low=1.0,
        high=10000.0,
    )
    pose_max_turn_dps: float = parameter(
        360.0,
        'Faster turns are jumps, around which there is no attitude [deg/s].',
        low=1.0,
        high=100000.0,
    )
    sigma_position_m: float = _sigma('position_m', 2.5, 'east and north of a fix [m]', 1000.0)
    sigma_altitude_m: float = _sigma('altitude_m', 5.0, 'the altitude of a fix [m]', 1000.0)
    sigma_height_m: float = _sigma('height_m', 3.0, 'the height above the ground [m]', 1000.0)
    sigma_tilt_deg: float = _sigma('tilt_deg', 2.0, 'roll and pitch [deg]', 90.0)
    sigma_heading_deg: float = _sigma('heading_deg', 5.0, 'the heading [deg]', 180.0)
    sigma_mount_deg: float = parameter(
        1.0,
        'Standard deviation of the camera against body or gimbal, about each axis [deg].',
        name='sigma.mount_deg',
        low=0.0,
        high=90.0,
    )
    sigma_pixel_px: float = parameter(
        1.0,
        'Standard deviation of a pixel, of the calibration and of outlines [px].',
        name='sigma.pixel_px',
        low=0.0,
        high=1000.0,
    )
    sigma_focal_percent: float = parameter(
        0.5,
        'Standard deviation of the focal length [%].',
        name='sigma.focal_percent',
        low=0.0,
        high=50.0,
    )
    max_age_s: float = parameter(
        0.0,
        'Frames older than this on arrival are dropped as too_old [s]; 0 keeps all.',
        low=0.0,
        high=3600.0,
        live=True,
    )
