# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A process that only a restart can help ends by itself, and the service manager hears of all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

PATIENCE_S = 60.0

# A node one of whose callbacks never comes back, so that not even a signal ends it in order.
SCRIPT = """
import sys, threading
from rs_onboard.nodes import start, watched_node
from rs_onboard.nodes.start import as_parameters, run_nodes
from rs_onboard.nodes.tiler import TilerNode

watched_node.BLOCKED_S, watched_node.STUCK_S, start.STUCK_END_S = 0.3, 0.6, 0.5


def make(values):
    node = TilerNode(parameter_overrides=as_parameters({'autostart': False, **values}))
    node.create_timer(1.0, lambda: threading.Event().wait(WAIT_S), clock=node.steady_clock)
    return [node]


print('ended', run_nodes(make, arguments=sys.argv[1:]))
"""


def run(wait_s, *arguments, environment=None):
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': str(101 + os.getpid() % 100),
        **(environment or {}),
    }
    return subprocess.Popen(
        [sys.executable, '-c', SCRIPT.replace('WAIT_S', wait_s), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def test_a_callback_that_never_comes_back_ends_the_process_with_a_status_of_its_own():
    process = run('None')
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, out
    assert 'FAILED' in out
    assert 'executor_blocked' in out
    assert 'the process ends, to be started again: no callback served for' in out
    assert 'ended' not in out


def test_a_callback_that_comes_back_in_time_lets_the_process_end_in_order():
    process = run('0.9')
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, out
    assert 'the process ends' in out


def test_it_goes_on_where_that_is_not_wanted():
    process = run('3.0', '--set=restart_when_stuck=false')
    lines = []
    for line in process.stdout:
        lines.append(line)
        if 'executor_blocked' in line:
            break
    assert process.poll() is None, lines
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, [*lines, out]
    assert 'ended 0' in out


def test_the_service_manager_hears_the_start_signs_of_life_and_the_end(tmp_path):
    path = str(tmp_path / 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE_S)
        process = run('0.0', environment={'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '900000'})
        heard = []
        while heard.count('WATCHDOG=1') < 3 or 'READY=1' not in heard:
            heard.append(manager.recv(4096).decode())
        process.terminate()
        while 'STOPPING=1' not in heard:
            heard.append(manager.recv(4096).decode())
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out


def test_the_service_manager_hears_no_sign_of_life_once_only_a_restart_helps(tmp_path):
    path = str(tmp_path / 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE_S)
        told = {'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '900000'}
        process = run('None', '--set=restart_when_stuck=false', environment=told)
        heard = []
        while not any(line.startswith('STATUS=no callback') for line in heard):
            heard.append(manager.recv(4096).decode())
        manager.settimeout(2.0)
        with pytest.raises(TimeoutError):
            manager.recv(4096)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    assert 'WATCHDOG=1' in heard
