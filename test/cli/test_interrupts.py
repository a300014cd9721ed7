# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""To be told to end is no error, whenever it happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / 'test' / 'data' / 'models'


def graph(composition):
    return subprocess.Popen(
        [
            sys.executable,
            '-m',
            'rs_onboard.cli.main',
            'run',
            f'--composition={composition}',
            f'--set=scene.model={MODELS / "colour-scene"}',
            '--tasks=scene',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, 'ROS_DOMAIN_ID': str(101 + os.getpid() % 100)},
        start_new_session=True,
    )


@pytest.mark.parametrize('composition', ['process', 'nodes'])
@pytest.mark.parametrize(
    ('moment', 'number'),
    [('importing', signal.SIGTERM), ('starting', signal.SIGINT), ('flying', signal.SIGHUP)],
)
def test_a_graph_told_to_end_ends_in_order(composition, moment, number):
    process = graph(composition)
    if moment == 'importing':
        time.sleep(0.5)
    else:
        assert any('colour-scene' in line for line in process.stdout)
    if moment == 'flying':
        time.sleep(1.0)
    os.killpg(process.pid, number)
    # Ends when the last process that could still write has ended.
    text, _ = process.communicate(timeout=60.0)
    # A slow machine has not come as far as our own code when it is told to end.
    early = -number if moment == 'importing' else 0
    assert process.returncode in {0, early}, text
    assert 'Traceback' not in text


def test_a_node_that_dies_is_started_again_and_the_others_stay():
    process = graph('nodes')
    assert any('colour-scene' in line for line in process.stdout)
    before = children(process.pid)
    os.kill(before['scene'], signal.SIGKILL)
    assert any('started again' in line for line in process.stdout)
    assert any('colour-scene' in line for line in process.stdout)
    after = children(process.pid)
    assert after['scene'] != before['scene']
    assert after['tiler'] == before['tiler']
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60.0)
    assert process.returncode == 0, text


def children(parent):
    """Return the processes that another has started, by the name of their node."""
    found = {}
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            status = (folder / 'stat').read_text().rpartition(')')[2].split()
            command = (folder / 'cmdline').read_text().split('\0')
        except OSError:
            continue
        if int(status[1]) == parent and 'rs_onboard.nodes' in command:
            found[command[command.index('rs_onboard.nodes') + 1]] = int(folder.name)
    return found
