# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The live graph records what it publishes, in both compositions, and never suffers from it."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rclpy.parameter import Parameter
from std_srvs.srv import Trigger
from test_graph import balance, fly, separate_nodes

from rs_onboard.nodes.message_definitions import message_definition
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.recorder import RecorderNode
from rs_onboard.nodes.start import bring_up
from rs_onboard.nodes.topics import all_topics
from rs_onboard.recording import mcap_file
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.typestore import make_typestore, parse_definition

SECOND = 1_000_000_000
ALL = ['results', 'masks', 'overlay', 'images', 'pose']


@pytest.fixture
def recording(colours, tmp_path):
    """Return parameters of a graph that records."""
    colours['tasks'] = ['scene', 'detection', 'segmentation']
    colours['pose_max_gap_s'] = 60.0
    colours['record.mode'] = 'events'
    colours['record.dir'] = str(tmp_path / 'recordings')
    # A busy machine may take a while from frame to frame; all belong to one event.
    colours['record.after_s'] = 120.0
    # The disk of the test machine may be nearly full.
    colours['record.keep_free_percent'] = 0.0
    return colours


def separate(overrides):
    parameters = [Parameter(name, value=value) for name, value in overrides.items()]
    return [*separate_nodes(overrides), RecorderNode(parameter_overrides=parameters)]


def stamps_from_now(graph, count):
    now = graph.peer.get_clock().now().nanoseconds
    return [now + n * SECOND // 20 for n in range(count)]


def heard(graph, topics):
    """Wait until the recorder subscribes; discovery takes a moment."""
    for topic in topics:
        graph.wait(lambda name=topic: graph.peer.count_subscribers(name), f'recorder of {topic}')


def files_of(overrides):
    return sorted(Path(overrides['record.dir']).iterdir())


def close(graph):
    """Let what is on its way arrive, then end the graph; recordings are complete then."""
    detections, before = graph['detection'].counts, (-1, -1)
    recorder = graph['recorder']
    while (now := (recorder.counts().received // 20, detections().done)) != before:
        before = now
        time.sleep(0.5)
    graph.__exit__()
    nodes, graph.nodes = graph.nodes, []
    return nodes


@pytest.mark.parametrize('make', [make_nodes, separate])
def test_a_detection_records_everything_published_around_it(graph, recording, make):
    recording['record.classes'] = 'green 0.3'
    recording['record.topics'] = ALL
    live = graph(make(recording))
    assert bring_up(live.nodes), [node.fault for node in live.nodes]
    heard(live, ['detections', 'segmentation', 'overlay/compressed', 'geojson'])
    results = fly(live, stamps_from_now(live, 4))
    live.wait(lambda: live['recorder']._recorder.status.files == 1, 'an event')
    recorder = live['recorder']
    close(live)
    (path,) = files_of(recording)
    assert path.name.endswith('_detection.mcap')
    assert balance(recorder) == 0
    assert recorder.counts().waiting == 0
    with Bag(path) as bag:
        counts = {topic.name: topic.count for topic in bag.topics.values()}
        assert not any(topic.problem for topic in bag.topics.values())
        for name in ('detections', 'segmentation', 'scene', 'overlay/compressed'):
            assert counts[f'/{name}'] == 4, counts
        # Best effort, as from a camera.
        assert counts['/image_raw'] >= 1
        for name in ('scene/label_info', 'detection/label_info', 'segmentation/label_info'):
            assert counts[f'/{name}'] >= 1
        assert counts['/mavros/global_position/raw/fix'] >= 1
        assert counts['/diagnostics'] >= 1
        masks = [bag.decode(m) for m in bag.messages(['/segmentation'])]
    for mask, result in zip(masks, results, strict=True):
        labels = result.results['segmentation'].labels
        assert np.array_equal(np.frombuffer(mask.data, np.uint8).reshape(labels.shape), labels)


def test_the_service_records_and_protects_the_seconds_around_its_call(graph, recording):
    live = graph(make_nodes(recording))
    assert bring_up(live.nodes)
    heard(live, ['detections', 'geojson'])
    fly(live, stamps_from_now(live, 2))
    client = live.peer.create_client(Trigger, 'recorder/trigger')
    assert client.wait_for_service(timeout_sec=20.0)
    call = client.call_async(Trigger.Request())
    live.wait(call.done, 'the answer of the service')
    assert call.result().success, call.result().message
    live.wait(lambda: live['recorder']._recorder.status.files == 1, 'an event')
    message = live['recorder'].diagnostic()
    values = {item.key: item.value for item in message.values}
    assert values['triggers'] == '1'
    live['recorder'].trigger_deactivate()
    late = client.call_async(Trigger.Request())
    live.wait(late.done, 'the answer of the service')
    assert not late.result().success
    assert 'inactive' in late.result().message
    close(live)
    (path,) = files_of(recording)
    assert path.name.endswith('_service.keep.mcap')


def test_a_full_disk_stops_recording_and_never_perception(graph, recording, monkeypatch):
    recording['record.mode'] = 'always'
    write, full = os.write, [True]

    def refuse(descriptor, data):
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(mcap_file.os, 'write', refuse)
    live = graph(make_nodes(recording))
    assert bring_up(live.nodes)
    recorder = live['recorder']
    heard(live, ['detections', 'geojson'])
    fly(live, stamps_from_now(live, 3))
    live.wait(lambda: recorder._recorder.status.state == 'paused', 'a full disk to be noticed')
    message = recorder.diagnostic()
    assert message.level == b'\x01'
    assert 'No space left' in message.message
    assert files_of(recording) == []
    results = fly(live, [stamp + SECOND for stamp in stamps_from_now(live, 3)])
    assert all(r.results['scene'].report.status == 'ok' for r in results)
    full[0] = False
    live.wait(lambda: recorder._recorder.status.state == 'recording', 'recording to go on')
    close(live)
    assert balance(recorder) == 0
    (path,) = files_of(recording)
    with Bag(path) as bag:
        # Nothing is lost: it waited in memory.
        assert bag.topics['/detections'].count == 6


def test_a_recorder_that_cannot_start_takes_nobody_along(graph, recording):
    recording['record.dir'] = '/dev/null/here'
    live = graph(make_nodes(recording))
    assert not bring_up(live.nodes)
    states = {node.get_name(): node.state for node in live.nodes}
    assert states.pop('recorder') == 'unconfigured'
    assert set(states.values()) == {'active'}
    message = live['recorder'].diagnostic()
    assert message.level == b'\x02'
    assert '/dev/null' in message.message
    assert len(fly(live, stamps_from_now(live, 1))) == 1


def test_without_the_mode_there_is_no_recorder(ros, colours):
    nodes = make_nodes(colours)
    names = [node.get_name() for node in nodes]
    for node in nodes:
        node.destroy_node()
    assert 'recorder' not in names


@pytest.mark.parametrize(
    ('changes', 'parts'),
    [
        ({'record.mode': 'never'}, ['record.mode', 'never', 'events']),
        ({'record.classes': 'ship'}, ['record.classes', "'ship'", 'a number']),
        ({'record.classes': 'ship 0.5'}, ['record.classes', 'ship', 'green']),
        ({'record.classes': 'green 0.5', 'tasks': ['scene']}, ['detection', 'tasks']),
        ({'record.change_score': 0.5}, ['record.change_score', 'change', 'tasks']),
        ({'record.dir': '/dev/null/here'}, ['/dev/null']),
        ({'record.topics': ['sound']}, ['record.topics', 'sound', 'results']),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_name(ros, recording, changes, parts):
    values = {**recording, **changes}
    node = RecorderNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
    try:
        assert not bring_up([node])
        assert all(part in node.fault for part in parts), node.fault
    finally:
        node.destroy_node()


def test_definitions_are_those_of_the_messages(ros):
    store = make_typestore()
    types = {item.type_name for item in all_topics()}
    for name in sorted(types):
        definition = message_definition(name)

        class Found:
            format = type('Format', (), {'name': 'MSG'})
            data = definition

        for part, (_, fields) in parse_definition(name, Found).items():
            known = [(x.lower(), y) for x, y in store.fielddefs[part][1]]
            assert [(x.lower(), y) for x, y in fields] == known, part
