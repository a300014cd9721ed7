# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that start the graph, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.cli.main import main
from rs_onboard.replay.reader import Bag

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[2]
SENECA = ROOT / 'test' / 'data' / 'flights' / 'seneca'
MODELS = ROOT / 'test' / 'data' / 'models'
COLOURS = [
    f'--set=scene.model={MODELS / "colour-scene"}',
    f'--set=segmentation.model={MODELS / "colour-segmentation"}',
    '--set=segmentation.overlap=16',
]
PATIENCE_S = 60.0


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / 'images'
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        image = rng.integers(0, 256, (120, 160, 3), np.uint8)
        cv2.imwrite(str(images / f'{number}.png'), image)
    return images


def command(*arguments):
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(101 + os.getpid() % 100)}
    return subprocess.Popen(
        [sys.executable, '-m', 'rs_onboard.cli.main', *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def wait_for_lines(path, count, process):
    end = time.monotonic() + PATIENCE_S
    while not path.is_file() or len(path.read_text(encoding='utf-8').splitlines()) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f'{path} has not {count} lines after {PATIENCE_S} s'
        time.sleep(0.1)


def test_a_flight_leaves_results_for_every_image_and_a_page(tmp_path):
    out = tmp_path / 'out'
    process = command('demo', SENECA, '--fast', '--out', out, *COLOURS)
    text, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, text
    with Bag(SENECA) as bag:
        topic = bag.topics_of(['sensor_msgs/msg/CompressedImage'])[0]
        stamps = [message.stamp_ns for message in bag.messages((topic,))]
    records = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
    assert [record['stamp_ns'] for record in records] == stamps
    assert f'{len(stamps)} in, {len(stamps)} out' in text
    # Seneca has a track and no attitude of the camera: positions, but no coordinates on the ground.
    features = json.loads((out / 'results.geojson').read_text())['features']
    assert len(features) == len(stamps)
    assert all(f['geometry'] is None or f['geometry']['type'] == 'Polygon' for f in features)
    assert len(list((out / 'pictures').glob('*.jpg'))) == len(stamps)
    page = (out / 'index.html').read_text(encoding='utf-8')
    assert 'colour-scene' in page
    with Bag(out / 'results') as bag:
        recorded = {m.stamp_ns for m in bag.messages(('/scene',))}
        assert recorded == set(stamps)
        assert {'/segmentation', '/segmentation/label_info', '/geojson'} <= set(bag.topics)


def test_one_process_a_node_runs_until_interrupted_and_ends_in_order(tmp_path, folder):
    out = tmp_path / 'out'
    process = command(
        'run',
        '--composition=nodes',
        f'--source={folder}',
        '--set=loop=true',
        '--set=rate_hz=4',
        f'--set=results_dir={out}',
        *COLOURS,
    )
    try:
        wait_for_lines(out / 'results.jsonl', 8, process)
    finally:
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, text
    assert 'Traceback' not in text
    records = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
    # The first and last frames may find a process that is not there yet or any more.
    assert any('model' in r['scene'] and r['segmentation'].get('shares') for r in records)
    statuses = {r[task]['status'] for r in records for task in ('scene', 'segmentation')}
    assert statuses <= {'degraded', 'skipped'}


def test_a_namespace_and_a_file_of_parameters_are_taken(tmp_path, folder):
    params = tmp_path / 'params.yaml'
    params.write_text(
        f'/**:\n  ros__parameters:\n    results_dir: {tmp_path / "out"}\n    tasks: [scene]\n'
        f'    scene:\n      model: {MODELS / "colour-scene"}\n',
        encoding='utf-8',
    )
    process = command('run', f'--params={params}', f'--source={folder}', '--namespace=front')
    try:
        wait_for_lines(tmp_path / 'out' / 'results.jsonl', 1, process)
    finally:
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, text
    assert '[front.scene]' in text
    record = json.loads((tmp_path / 'out' / 'results.jsonl').read_text().splitlines()[0])
    assert 'segmentation' not in record


@pytest.mark.parametrize(
    ('arguments', 'fragments'),
    [
        (['demo', '/no/bag'], ['/no/bag', 'Give a bag folder']),
        (['demo', '--rate=0'], ['rate is 0', 'allowed']),
        (['demo', '--set=scene.variant=int4'], ["found 'int4'", "'fp32'"]),
        (['demo', '--set=scene.modle=x'], ["Did you mean 'scene.model'"]),
        (['demo', '--set=scene.model'], ['expected NAME=VALUE']),
        (['run', '--params=/no.yaml'], ['/no.yaml: no such parameter file']),
        (['run', '--tasks=scene,detecting'], ['detecting', "'segmentation'"]),
        (['run', '--set=rate_hz=[1'], ['rate_hz', 'a number from 0']),
        (['params', '--check=/no.yaml'], ['/no.yaml: no such parameter file']),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line_that_helps(arguments, fragments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    for fragment in ['rs_onboard: error:', *fragments]:
        assert fragment in error


def test_the_graph_that_cannot_start_says_which_node_and_why(tmp_path):
    process = command('demo', '--fast', f'--out={tmp_path}', '--set=scene.model=nosuch')
    text, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    last = text.strip().splitlines()[-1]
    assert 'the graph did not start' in last
    assert "scene: model 'nosuch'" in last
    assert 'Traceback' not in text
