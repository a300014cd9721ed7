# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard run`: the graph of perception.launch.py where `ros2 launch` is not installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from rs_onboard.cli.options import add_parameter_options, parameter_overrides

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

# Time that processes are given to end by themselves.
END_S = 10.0

# A node that ends by itself is started again after a pause, so many times; what ends more often
# than that has a reason that goes on.
RESTART_S = 1.0
MAX_RESTARTS = 5

# Exit status of a command line that is refused.
REFUSED = 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        'run',
        help='start the perception graph',
        description='Start the graph that perception.launch.py starts, from the same files.',
    )
    add_parameter_options(parser)
    parser.add_argument(
        '--composition',
        choices=('process', 'nodes'),
        default='process',
        help='one process for all nodes, or one a node (default: %(default)s)',
    )
    parser.add_argument('--source', metavar='URI', help='source of the camera node')
    parser.add_argument('--tasks', metavar='A,B', help='comma-separated tasks')
    parser.add_argument('--image-topic', metavar='TOPIC', help='topic of the images')
    parser.add_argument('--image-transport', choices=('raw', 'compressed'))
    parser.add_argument(
        '--reference', metavar='MAP', help='map for the task change (change.reference)'
    )
    parser.add_argument(
        '--record', choices=('never', 'events', 'always'), help='what is recorded (record.mode)'
    )
    parser.add_argument('--namespace', default='', help='namespace of all nodes')
    parser.add_argument('--use-sim-time', action='store_true', help='take the time from /clock')
    parser.add_argument(
        '--log-level', default='info', choices=('debug', 'info', 'warn', 'error', 'fatal')
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command until it is interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Importing takes a second in which nothing is open yet, and to be ended is no error.
        signal.signal(number, lambda *_: os._exit(0))
    from rs_onboard.nodes.locations import share_directory  # noqa: PLC0415
    from rs_onboard.nodes.node_settings import DEFAULT_TASKS  # noqa: PLC0415
    from rs_onboard.nodes.process import make_nodes  # noqa: PLC0415
    from rs_onboard.nodes.start import run_nodes  # noqa: PLC0415

    named = {
        'source': options.source,
        'tasks': options.tasks and f'[{options.tasks}]',
        'image_topic': options.image_topic,
        'image_transport': options.image_transport,
        'record.mode': options.record,
        'change.reference': options.reference,
    }
    changes = [*options.set, *(f'{name}={value}' for name, value in named.items() if value)]
    params = options.params or share_directory() / 'params' / 'perception.yaml'
    values = parameter_overrides(params, changes)
    arguments = node_arguments(options, params, changes)
    if options.composition == 'process':
        return run_nodes(make_nodes, arguments=arguments)
    camera = ['camera'] if values.get('source') else []
    tasks = values.get('tasks', DEFAULT_TASKS)
    recorder = ['recorder'] if values.get('record.mode', 'never') != 'never' else []
    return run_each([*camera, 'tiler', *tasks, 'publisher', *recorder], arguments)


def node_arguments(options: argparse.Namespace, params: Path, changes: list[str]) -> list[str]:
    """Return the command line of a process of nodes."""
    arguments = [f'--set={change}' for change in changes]
    arguments += ['--ros-args', '--log-level', options.log_level, '--params-file', str(params)]
    if options.use_sim_time:
        arguments += ['-p', 'use_sim_time:=true']
    if options.namespace:
        arguments += ['-r', f'__ns:=/{options.namespace.strip("/")}']
    return arguments


def run_each(names: list[str], arguments: list[str]) -> int:
    """Run every node in a process of its own until interrupted; one that dies is started again."""
    from rs_onboard.nodes.start import stop_on_signals  # noqa: PLC0415

    stop = stop_on_signals()
    processes: dict[str, subprocess.Popen[bytes]] = {}
    restarts: Counter[str] = Counter()
    try:
        for name in names:
            processes[name] = start_node(name, arguments)
        while not stop.wait(0.1):
            for name in [n for n, process in processes.items() if process.poll() is not None]:
                status = processes[name].returncode
                again = status != REFUSED and restarts[name] < MAX_RESTARTS
                print(
                    f'rs_onboard: error: node {name} ended with status {status}; its last message '
                    f'says why. {"It is started again." if again else "The others are stopped."}',
                    file=sys.stderr,
                )
                if not again:
                    return 1
                restarts[name] += 1
                if not stop.wait(RESTART_S):
                    processes[name] = start_node(name, arguments)
    finally:
        end(processes)
    return 0


def start_node(name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start a node in a process and a session of its own.

    In a session of its own it does not see Ctrl-C, and is ended once, in order.
    """
    # The command is our own interpreter and modules; parameters are checked before.
    command = [sys.executable, '-m', 'rs_onboard.nodes', name, *arguments]
    return subprocess.Popen(command, start_new_session=True)  # noqa: S603


def end(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Tell what still runs to end, and kill what does not."""
    for process in processes.values():
        if process.poll() is None:
            process.terminate()
    limit = time.monotonic() + END_S
    while time.monotonic() < limit and any(p.poll() is None for p in processes.values()):
        time.sleep(0.05)
    for process in processes.values():
        if process.poll() is None:
            process.kill()
