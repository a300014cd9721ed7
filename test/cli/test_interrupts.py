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


@pytest.mark.parametrize('composition', ['process', 'nodes'])
@pytest.mark.parametrize(
    ('moment', 'number'),
    [('importing', signal.SIGTERM), ('starting', signal.SIGINT), ('flying', signal.SIGHUP)],
)
def test_a_graph_told_to_end_ends_in_order(composition, moment, number):
    process = subprocess.Popen(
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
