# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The status of a graph in lines that a tired engineer can read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rs_onboard.cli import status
from rs_onboard.cli.main import main
from rs_onboard.cli.status import Entry, entry_of, report


def entry(name, health='OK', message='active', **values):
    return Entry(name, health, message, {key.replace('__', '.'): v for key, v in values.items()})


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv('COLUMNS', '100')


def test_the_worst_comes_first_and_says_why():
    lines = report(
        [
            entry('tiler', rate_hz='3.44'),
            entry('camera', 'STALE', 'stalled: /dev/video0: no image for 4.2 s'),
            entry('scene', 'FAILED', 'inference on cuda was given up', causes='a, left_behind'),
        ]
    )
    assert [line.split()[:2] for line in lines] == [
        ['FAILED', 'scene'],
        ['STALE', 'camera'],
        ['OK', 'tiler'],
    ]
    assert lines[0].endswith('inference on cuda was given up [also left_behind]')
    assert lines[2].endswith('active [3.44 Hz]')


def test_drops_models_and_latencies_are_told():
    model = {'model': 'net', 'variant': 'int8', 'provider': 'cpu', 'received': '9'}
    (line,) = report([entry('scene', **model, dropped__failed='1', dropped__inactive='2')])
    assert '[net int8 on cpu; dropped: failed 1, inactive 2 of 9]' in line
    spread = {'capture_to_publish_ms__p50': '80.0', 'capture_to_publish_ms__p95': '120.0'}
    (line,) = report([entry('publisher: latency', **spread)])
    assert 'capture to publication 80.0 ms, 95 % within 120.0 ms' in line


def test_long_messages_are_wrapped_below_themselves():
    lines = report([entry('scene', 'FAILED', 'a long reason ' * 20)])
    assert len(lines) > 2
    assert all(len(line) <= 100 for line in lines)
    assert all(line.startswith(' ' * 17) for line in lines[1:])


def test_nobody_is_told_as_such():
    (line,) = report([])
    assert 'ROS_DOMAIN_ID' in line


@pytest.mark.parametrize('level', [b'\2', 2])
def test_an_entry_without_a_state_has_that_of_its_level(level):
    message = SimpleNamespace(
        level=level,
        name='front/tiler: latency budget',
        message='over',
        values=[SimpleNamespace(key='plan', value='fp32')],
    )
    found = entry_of(message)
    assert found == ('front/tiler: latency budget', 'FAILED', 'over', {'plan': 'fp32'})


@pytest.mark.parametrize(
    ('entries', 'code'),
    [([], 3), ([entry('tiler')], 0), ([entry('tiler'), entry('camera', 'STALE')], 1)],
)
def test_the_exit_status_says_whether_all_is_fine(monkeypatch, capsys, entries, code):
    monkeypatch.setattr(status, 'listen', lambda wait_s: entries)
    assert main(['status']) == code
    assert capsys.readouterr().out.strip()


def test_the_machine_is_told_without_a_graph(capsys):
    assert main(['status', '--machine']) in {0, 1}
    out = capsys.readouterr().out
    assert 'heat' in out
    assert 'core_use' in out
