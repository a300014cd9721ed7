# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Start the perception graph: `ros2 launch rs_onboard perception.launch.py --show-args`."""

from __future__ import annotations

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from rs_onboard.nodes.locations import share_directory
from rs_onboard.nodes.node_settings import DEFAULT_TASKS, TASKS
from rs_onboard.nodes.parameter_file import check_parameter_file, lookup, parse_assignments

LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal']
OVERRIDES = ('image_topic', 'image_transport', 'camera_info_topic', 'source', 'frame_budget_ms')
AS_FILE = 'empty: as in params_file'


def argument(name: str, default: str, description: str, **options: list[str]) -> object:
    """Declare a launch argument."""
    return DeclareLaunchArgument(name, default_value=default, description=description, **options)


ARGUMENTS = [
    argument(
        'composition',
        'process',
        'One process for all nodes (frames are handed over by reference), or one a node.',
        choices=['process', 'nodes'],
    ),
    argument(
        'params_file',
        str(share_directory() / 'params' / 'perception.yaml'),
        'Parameter file; its names and values are checked before anything starts.',
    ),
    argument('tasks', '', f'Comma-separated tasks of {", ".join(TASKS)}; {AS_FILE}.'),
    argument(
        'reference',
        '',
        f'Reference map for the task change: an .mbtiles or GeoTIFF file (change.reference); '
        f'{AS_FILE}.',
    ),
    argument(
        'source',
        '',
        'Device, URL, GStreamer pipeline, video file or image folder for the camera node; empty '
        'when a driver publishes the images.',
    ),
    argument('image_topic', '', f'Topic of the images; {AS_FILE}.'),
    argument(
        'image_transport',
        '',
        f'Transport of the images: raw, or compressed (image_topic/compressed); {AS_FILE}.',
        choices=['', 'raw', 'compressed'],
    ),
    argument('camera_info_topic', '', f'Topic of the camera intrinsics; {AS_FILE}.'),
    argument(
        'frame_budget_ms',
        '',
        f'Most a frame may take from its arrival to its results [ms], 0 for no limit; {AS_FILE}.',
    ),
    argument(
        'record',
        '',
        f'What is recorded: never, events or always (record.mode); {AS_FILE}.',
        choices=['', 'never', 'events', 'always'],
    ),
    argument('namespace', '', 'Namespace of all nodes, for several cameras.'),
    argument(
        'use_sim_time', 'false', 'Take the time from /clock (bags).', choices=['true', 'false']
    ),
    argument(
        'respawn', 'true', 'Start a process that died again, 2 s later.', choices=['true', 'false']
    ),
    argument('log_level', 'info', 'Least severe messages that are logged.', choices=LOG_LEVELS),
]


def start(context: LaunchContext) -> list[object]:
    """Check the arguments and start the processes."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    params_file = Path(value('params_file')).expanduser()
    try:
        sections = check_parameter_file(params_file)
        # Arguments go over the command line of the nodes, because a dictionary of parameters would
        # lose against what a file says about a single node.
        changes = [f'{name}={value(name)}' for name in OVERRIDES if value(name)]
        if value('tasks'):
            changes.append(f'tasks=[{value("tasks")}]')
        if value('record'):
            changes.append(f'record.mode={value("record")}')
        if value('reference'):
            changes.append(f'change.reference={value("reference")}')
        given = parse_assignments(changes)
    except ValueError as exc:
        # What launch prints for other exceptions is a traceback.
        raise RuntimeError(str(exc)) from None
    names = ['perception']
    if value('composition') == 'nodes':
        source = given.get('source') or lookup(sections, 'camera', 'source')
        tasks = given.get('tasks') or lookup(sections, 'tiler', 'tasks') or DEFAULT_TASKS
        mode = lookup(sections, 'recorder', 'record.mode') or 'never'
        recorder = ['recorder'] if given.get('record.mode', mode) != 'never' else []
        names = [*(['camera'] if source else []), 'tiler', *tasks, 'publisher', *recorder]
    return [
        Node(
            package='rs_onboard',
            executable=name,
            namespace=value('namespace'),
            arguments=[f'--set={change}' for change in changes],
            parameters=[str(params_file), {'use_sim_time': value('use_sim_time') == 'true'}],
            ros_arguments=['--log-level', value('log_level')],
            output='screen',
            respawn=value('respawn') == 'true',
            respawn_delay=2.0,
        )
        for name in names
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the graph; see `ARGUMENTS`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
