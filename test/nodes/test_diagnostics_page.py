# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The page on diagnostics explains every cause that the code can raise, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.nodes.camera import CAUSES
from rs_onboard.nodes.frame_alarms import COUNTED
from rs_onboard.nodes.lifecycle import FAULTS

ROOT = Path(__file__).resolve().parents[2]
# A cause is the first text in `Finding(...)` and `incident(...)`.
RAISED = re.compile(r"(?:Finding|incident)\(\s*f?'([a-z_]+)(?:\.\{task\})?'")
# Named by an expression: drops of images, faults of transitions, states of workers and recorders.
OTHERS = {
    *('bad_image', 'duplicate_stamp', 'out_of_order', 'too_old'),
    *('cannot_configure', 'cannot_activate', 'cannot_deactivate', 'cannot_clean_up'),
    *('cannot_shut_down', 'worker_hangs', 'left_behind', 'recording_paused', 'no_room'),
}


def raised():
    found = set(OTHERS) | set(CAUSES.values()) | {cause for cause, _ in COUNTED.values()}
    found |= {cause for _, cause in FAULTS}
    for folder in ('health', 'nodes'):
        for path in (ROOT / 'rs_onboard' / folder).glob('*.py'):
            found |= set(RAISED.findall(path.read_text(encoding='utf-8')))
    return found


def explained():
    page = (ROOT / 'docs' / 'diagnostics.md').read_text(encoding='utf-8')
    table = page.split('## Causes')[1].split('\n## ')[0]
    cells = [line.split('|')[1] for line in table.splitlines() if line.startswith('| `')]
    return {name for cell in cells for name in re.findall(r'`([a-z_]+)', cell)}


def test_every_cause_is_explained_and_every_explained_one_exists():
    assert raised() == explained()


def test_the_page_names_no_parameter_that_does_not_exist():
    parameters = (ROOT / 'params' / 'perception.yaml').read_text(encoding='utf-8')
    page = (ROOT / 'docs' / 'diagnostics.md').read_text(encoding='utf-8')
    named = {'health_hold_s', 'inference_timeout_ms', 'latency_limit_ms', 'latency_allowed_s'}
    named |= {'temperature_hot_c', 'temperature_critical_c', 'disk_low_mb', 'memory_low_mb'}
    named |= {'onboard_status_topic', 'diagnostics_period_s', 'no_frame_timeout_s'}
    for name in named:
        assert f'`{name}`' in page
        assert f'{name}:' in parameters
