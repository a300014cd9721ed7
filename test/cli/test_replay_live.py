# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The live graph, in both compositions, gives what the replay in lock-step gives, to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

sys.path.insert(0, str(Path(__file__).parents[1] / 'replay'))

from flights import COLOURS, flight
from rs_onboard.replay.expectations.recorded import RecordedRun
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topics import IMAGE_TYPES
from rs_onboard.replay.writer import BagWriter

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0


def command(*arguments, hide_ros=False):
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(101 + os.getpid() % 100)}
    program = [sys.executable, '-m', 'rs_onboard.cli.main']
    if hide_ros:
        # As on a laptop: no package of ROS can be imported.
        program = [sys.executable, '-c', WITHOUT_ROS]
    return subprocess.run(
        [*program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=ROOT,
        timeout=PATIENCE_S,
    )


WITHOUT_ROS = """
import importlib.machinery, sys
class Hidden(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        package = name.partition('.')[0]
        if package == 'rclpy' or package.endswith(('_msgs', '_interfaces')):
            return None
        return super().find_spec(name, path, target)
sys.meta_path[:] = [
    Hidden if x is importlib.machinery.PathFinder else x for x in sys.meta_path
    if 'editable' not in getattr(x, '__name__', '').lower()
]
from rs_onboard.cli.main import main
status = main(sys.argv[1:])
assert 'rclpy' not in sys.modules
sys.exit(status)
"""


@pytest.fixture
def bag(tmp_path):
    return flight(tmp_path / 'flight', 3)


def replayed(bag, out, *options, **how):
    done = command('replay', bag, f'--out={out}', *COLOURS, *options, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / 'flight'


def test_all_ways_to_run_a_flight_give_the_same_bytes(tmp_path, bag):
    lockstep = replayed(bag, tmp_path / 'lockstep')
    for name, options in (
        ('process', ['--ros', '--params=params/perception.yaml']),
        ('nodes', ['--ros', '--composition=nodes']),
    ):
        live = replayed(bag, tmp_path / name, *options)
        for file in ('results.jsonl', 'results.geojson', 'results.gpkg'):
            assert (live / file).read_bytes() == (lockstep / file).read_bytes(), (name, file)
        facts = [RecordedRun(folder).facts for folder in (live, lockstep)]
        assert facts[0].models == facts[1].models
        assert (facts[0].images, facts[0].results, facts[0].drops) == (3, 3, {})
        # The messages are the same too, but for the durations in the reports.
        with Bag(live / 'results') as one, Bag(lockstep / 'results') as two:
            for topic in ('/scene', '/scene/per_tile', '/detections', '/segmentation'):
                messages = [
                    [bag.decode(x).__dict__ for x in bag.messages((topic,))] for bag in (one, two)
                ]
                assert repr(messages[0]) == repr(messages[1]), topic
        masks = [
            [(task, stamp, mask.tobytes()) for task, stamp, mask in RecordedRun(folder).masks()]
            for folder in (live, lockstep)
        ]
        assert masks[0] == masks[1]
        assert len(masks[0]) == 3


def test_changes_come_late_in_the_graph_and_are_the_same(tmp_path):
    ponds = ROOT / 'flights' / 'prairie_ponds'
    bag = tmp_path / 'ponds'
    with Bag(ponds) as whole, BagWriter(bag) as writer:
        (images,) = whole.topics_of(IMAGE_TYPES)
        stamps = [message.log_time_ns for message in whole.messages((images,))]
        for message in whole.messages(stop_ns=stamps[3]):
            writer.write(message.topic, message.type_name, message.cdr, message.log_time_ns)
    options = [
        f'--params={ponds / "params.yaml"}',
        f'--set=change.reference={ponds / "naip_2010.mbtiles"}',
    ]
    expected = tmp_path / 'ponds.expect.yaml'
    for name, more in (('lockstep', ['--update']), ('live', ['--ros'])):
        done = command(
            'replay', bag, f'--out={tmp_path / name}', f'--expect={expected}', *options, *more
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for file in ('results.jsonl', 'results.geojson'):
        one, two = (tmp_path / name / 'ponds' / file for name in ('lockstep', 'live'))
        assert one.read_bytes() == two.read_bytes(), file
    records = RecordedRun(tmp_path / 'lockstep' / 'ponds').records
    assert [r['change']['status'] for r in records if 'change' in r] == ['ok'] * 3
    assert len(list((tmp_path / 'ponds.expect.golden' / 'masks').glob('*.change.png'))) == 3


def test_without_ros_the_bytes_are_those_with_it(tmp_path, bag):
    with_ros = replayed(bag, tmp_path / 'with')
    without = replayed(bag, tmp_path / 'without', hide_ros=True)
    for file in ('results.jsonl', 'results.geojson', 'run.json', 'results/results.mcap'):
        assert (without / file).read_bytes() == (with_ros / file).read_bytes(), file


def test_the_live_graph_meets_the_same_expectations(tmp_path, bag):
    expected = tmp_path / 'flight.expect.yaml'
    replayed(bag, tmp_path / 'lockstep', f'--expect={expected}', '--update')
    done = command(
        'replay', bag, f'--out={tmp_path / "live"}', '--ros', f'--expect={expected}', *COLOURS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'as expected by' in done.stdout


def test_without_ros_the_live_graph_is_refused_in_one_line(tmp_path, bag):
    done = command('replay', bag, f'--out={tmp_path}', '--ros', *COLOURS, hide_ros=True)
    assert done.returncode == 2
    assert 'This command needs ROS 2' in done.stderr
    assert 'Traceback' not in done.stderr
