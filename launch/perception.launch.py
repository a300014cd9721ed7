# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Start the perception graph: `ros2 launch rs_onboard perception.launch.py --show-args`."""

from __future__ import annotations

from pathlib import Path

from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from rs_onboard.nodes.locations import share_directory
from rs_onboard.nodes.parameter_file import all_specs, check_parameter_file
from rs_onboard.nodes.settings import TASKS

LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal']
OVERRIDES = ('image_topic', 'image_transport', 'camera_info_topic', 'source')
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
    argument('namespace', '', 'Namespace of all nodes, for several cameras.'),
    argument(
        'use_sim_time', 'false', 'Take the time from /clock (bags).', choices=['true', 'false']
    ),
    argument('log_level', 'info', 'Least severe messages that are logged.', choices=LOG_LEVELS),
]


def start(context: LaunchContext) -> list[object]:
    """Check the arguments and start the processes."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    params_file = Path(value('params_file')).expanduser()
    tasks = [task.strip() for task in value('tasks').split(',') if task.strip()]
    try:
        sections = check_parameter_file(params_file)
        tasks = all_specs()['tasks'].check(tasks or sections.get('/**', {}).get('tasks', [*TASKS]))
    except ValueError as exc:
        # What launch prints for other exceptions is a traceback.
        raise RuntimeError(str(exc)) from None
    overrides = {
        'use_sim_time': value('use_sim_time') == 'true',
        'tasks': tasks,
        **{name: value(name) for name in OVERRIDES if value(name)},
    }
    common = {
        'package': 'rs_onboard',
        'namespace': value('namespace'),
        'parameters': [str(params_file), overrides],
        'ros_arguments': ['--log-level', value('log_level')],
        'output': 'screen',
    }
    if value('composition') == 'process':
        process = Node(executable='perception', **common)
        ends = RegisterEventHandler(
            OnProcessExit(target_action=process, on_exit=[EmitEvent(event=Shutdown())])
        )
        return [process, ends]
    camera = ['camera'] if value('source') or sections.get('/**', {}).get('source') else []
    return [Node(executable=name, **common) for name in [*camera, 'tiler', *tasks, 'publisher']]


def generate_launch_description() -> LaunchDescription:
    """Return the graph; see `ARGUMENTS`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
