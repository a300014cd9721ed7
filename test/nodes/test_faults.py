# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Models that fail or hang, disks that fill up: one stage suffers, the others fly on."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.parameter import Parameter
from test_graph import balance, image_message, results_of

from rs_onboard.inference.errors import ModelError
from rs_onboard.nodes import frame_source
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.start import as_parameters, bring_up
from rs_onboard.nodes.tiler import TilerNode
from rs_onboard.perception import worker


@pytest.fixture
def flown(graph, colours, tmp_path):
    colours |= {'join_timeout_s': 0.3, 'health_hold_s': 0.3}
    flown = graph(make_nodes({**colours, 'results_dir': str(tmp_path / 'out')}))
    assert bring_up(flown.nodes)
    return flown


def send(flown, count=1):
    for number in range(count):
        flown.publish('image_raw', image_message(number, time.time_ns()))
        seen = flown['tiler'].counts().received
        flown.wait(lambda seen=seen: flown['tiler'].counts().received >= seen)


def fly_one(flown, results):
    """Send an image and return its results."""
    count = len(results)
    send(flown)
    flown.wait(lambda: len(results) > count, 'results')
    return results[-1]


def break_model(node, run):
    """Have a node's model do something else; returns what undoes it."""
    runtime = node._task.model.runtime
    runtime.run = run
    return lambda: delattr(runtime, 'run')


@pytest.mark.parametrize(
    'fault', [ModelError('out of memory on the device'), MemoryError('9 GB'), ValueError('shape')]
)
def test_a_model_that_fails_gives_failed_results_until_it_works_again(flown, fault):
    results = results_of(flown)

    def fail(_):
        raise fault

    mend = break_model(flown['scene'], fail)
    report = fly_one(flown, results).results['scene'].report
    assert report.status == 'failed'
    assert str(fault) in report.reason
    assert results[-1].results['segmentation'].report.status == 'degraded'
    assert flown['scene'].counts().dropped == {'failed': 1}
    assert str(fault) in flown['scene'].diagnostic().message
    mend()
    assert fly_one(flown, results).results['scene'].report.status == 'degraded'
    flown.wait(lambda: 'failed' not in flown['scene'].diagnostic().message)


def test_a_model_that_hangs_is_said_and_stopped_and_the_others_fly_on(flown, monkeypatch):
    monkeypatch.setattr(worker, 'LONG_S', 0.1)
    monkeypatch.setattr(worker.Worker.stop, '__defaults__', (0.1,))
    results = results_of(flown)
    released = threading.Event()
    scene = flown['scene']

    def hang(_):
        released.wait(20.0)
        raise ModelError('came back')

    break_model(scene, hang)
    report = fly_one(flown, results).results['scene'].report
    assert report.status == 'skipped'
    assert fly_one(flown, results).results['segmentation'].report.status == 'degraded'
    flown.wait(lambda: scene.diagnostic().level == DiagnosticStatus.STALE)
    assert 'busy with one frame' in scene.diagnostic().message

    scene.trigger_deactivate()
    assert scene.state == 'inactive'
    assert 'still hangs' in scene.diagnostic().message
    scene.trigger_activate()
    assert scene.state == 'inactive'
    assert 'Clean up and configure' in scene.fault
    scene.trigger_cleanup()
    assert bring_up([scene])
    assert fly_one(flown, results).results['scene'].report.status == 'degraded'

    released.set()
    flown.wait(lambda: not scene.counts().waiting, 'the frame that hung')
    assert balance(scene) == 0
    assert 'error' not in scene.counts().dropped


def test_a_full_disk_ends_the_files_alone_and_room_brings_them_back(flown, tmp_path, capfd):
    results = results_of(flown)
    publisher = flown['publisher']
    lines = tmp_path / 'out' / 'results.jsonl'
    fly_one(flown, results)
    flown.wait(lambda: publisher.counts().done == 1)
    publisher._files.close()
    lines.rename(tmp_path / 'kept')
    lines.symlink_to('/dev/full')
    for _ in range(3):
        fly_one(flown, results)
    flown.wait(lambda: publisher.counts().done == 4)
    assert publisher.counts().dropped == {}
    diagnostic = publisher.diagnostic()
    assert diagnostic.level == DiagnosticStatus.WARN
    assert 'No space left on device; 3 frames not written' in diagnostic.message
    lines.unlink()
    (tmp_path / 'kept').rename(lines)
    fly_one(flown, results)
    flown.wait(lambda: publisher.counts().done == 5)
    flown.wait(lambda: publisher.diagnostic().level == DiagnosticStatus.OK)
    assert json.loads(lines.read_text().splitlines()[-1])['stamp_ns']
    error = capfd.readouterr().err
    assert error.count('Make room on the disk') == 1
    assert '3 frames are missing' in error


def test_an_active_node_without_images_says_so_and_who_publishes_them(flown, monkeypatch):
    assert flown['tiler'].diagnostic().level == DiagnosticStatus.OK
    monkeypatch.setattr(frame_source, 'SILENT_S', 0.05)
    time.sleep(0.1)
    diagnostic = flown['tiler'].diagnostic()
    assert diagnostic.level == DiagnosticStatus.STALE
    assert re.search('image_raw: no image for .*, 0 publishers; check', diagnostic.message)
    monkeypatch.undo()
    fly_one(flown, results_of(flown))
    flown.wait(lambda: flown['tiler'].diagnostic().level == DiagnosticStatus.OK)
    flown['tiler'].trigger_deactivate()
    monkeypatch.setattr(frame_source, 'SILENT_S', 0.0)
    assert flown['tiler'].diagnostic().level == DiagnosticStatus.OK


def test_unfit_images_are_a_warning_until_the_next_good_one(flown):
    tiler, results = flown['tiler'], results_of(flown)
    message = image_message(0, time.time_ns())
    message.encoding = 'rgb9'
    flown.publish('image_raw', message)
    flown.wait(lambda: tiler.counts().dropped)
    assert 'rgb9' in tiler.diagnostic().message
    fly_one(flown, results)
    flown.wait(lambda: tiler.diagnostic().level == DiagnosticStatus.OK)
    # What a driver that leaves the stamp unset does.
    for number in range(2):
        flown.publish('image_raw', image_message(number, 0))
        flown.wait(lambda count=number + 2: tiler.counts().received > count)
        flown.wait(lambda: not tiler.counts().waiting)
    flown.wait(lambda: tiler.counts().dropped.get('duplicate_stamp'))
    assert '0.000 s dropped as duplicate_stamp' in tiler.component.causes()[-1].text


def test_complaints_on_one_matter_do_not_hide_those_on_another(flown, capfd):
    for _ in range(3):
        flown['tiler'].complain('image_raw: too short')
        flown['tiler'].complain('camera_info: not calibrated')
    error = capfd.readouterr().err
    assert error.count('too short') == 1
    assert error.count('not calibrated') == 1


def test_frames_that_a_slow_task_leaves_out_are_not_held_in_memory(flown):
    released = threading.Event()
    results = results_of(flown)

    def wait(_):
        released.wait(20.0)
        raise ModelError('slow')

    publisher, scene = flown['publisher'], flown['scene']
    publisher.set_parameters([Parameter('join_timeout_s', value=60.0)])
    break_model(scene, wait)
    for count in range(1, 13):
        send(flown)
        flown.wait(lambda count=count: scene.counts().received == count)
        flown.wait(lambda: not flown['segmentation'].counts().waiting)
    # One in hand, one that waits.
    assert publisher._join.pending() == 2
    assert publisher.counts().dropped == {'replaced_by_newer': 10}
    released.set()
    flown.wait(lambda: publisher.counts().received == 12)
    assert len(results) <= 2
    assert balance(publisher) == 0


def test_a_frame_that_would_be_cut_into_too_many_tiles_is_a_named_drop(graph, colours):
    node = TilerNode(parameter_overrides=as_parameters({**colours, 'segmentation.overlap': 127}))
    flown = graph([node])
    assert bring_up([node])
    flown.publish('image_raw', image_message(0, time.time_ns(), height=480, width=640))
    flown.wait(lambda: node.counts().dropped)
    assert node.counts().dropped == {'too_many_tiles': 1}
