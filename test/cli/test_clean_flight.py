# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The bundled flight raises no alarm, and all its diagnostics have a group in the aggregator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.replay.reader import Bag

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[2]
FLIGHT = ROOT / 'flights' / 'brighton_beach'
MODELS = ROOT / 'test' / 'data' / 'models'
PATIENCE_S = 120.0


@pytest.fixture(scope='module')
def entries(tmp_path_factory):
    """Fly the bundled flight; return every entry of /diagnostics."""
    out = tmp_path_factory.mktemp('flight') / 'out'
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'rs_onboard.cli.main', 'demo', FLIGHT, '--fast', '--out', out),
            f'--set=scene.model={MODELS / "colour-scene"}',
            f'--set=segmentation.model={MODELS / "colour-segmentation"}',
            '--set=segmentation.overlap=16',
            '--set=diagnostics_period_s=0.1',
            # Many small tiles on a machine that runs other tests: this is not about time.
            '--set=latency_limit_ms=0',
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**os.environ, 'ROS_DOMAIN_ID': str(101 + os.getpid() % 100)},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with Bag(out / 'results') as bag:
        messages = [bag.decode(message) for message in bag.messages(('/diagnostics',))]
    return [status for message in messages for status in message.status]


def test_the_clean_flight_raises_no_alarm(entries):
    alarms = {(status.name, status.message) for status in entries if status.level}
    assert alarms == set()


def test_every_entry_has_one_group_in_the_aggregator(entries):
    text = (ROOT / 'params' / 'analyzers.yaml').read_text(encoding='utf-8')
    parameters = yaml.safe_load(text)['analyzers']['ros__parameters']
    groups = [item['contains'] for item in parameters.values() if isinstance(item, dict)]
    names = {status.name for status in entries}
    assert {'tiler: perception', 'publisher: latency', 'publisher: machine'} <= names
    for name in names:
        assert sum(any(part in name for part in group) for group in groups) == 1, name
