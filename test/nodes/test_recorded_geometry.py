# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded flight has the geometry of the live one, however the camera's attitude is told."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

sys.path.insert(0, str(Path(__file__).parents[1] / 'replay'))

from geometry_msgs.msg import Vector3, Vector3Stamped
from rclpy.parameter import Parameter
from recordings import STORE, frames
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CameraInfo, NavSatFix
from std_msgs.msg import String
from std_srvs.srv import Trigger
from test_graph import balance, image_message, results_of, send_camera, send_pose

from rs_onboard.nodes.exchange import LATCHED_QOS
from rs_onboard.nodes.image_messages import ns_to_stamp
from rs_onboard.nodes.playback import PlaybackNode
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.recorder import RecorderNode
from rs_onboard.nodes.start import bring_up
from rs_onboard.nodes.tf_static import STATIC_FRAMES_QOS, TF_MESSAGE
from rs_onboard.perception.records import frame_record
from rs_onboard.recording import chunks

REAL_TF = importlib.util.find_spec('tf2_msgs') is not None
ALL = ['results', 'images', 'pose']
# A camera that looks ahead and down, told in two steps by two broadcasters.
BODY = ('base_link', 'camera', (0.5, 0.0, -0.2), (0.0, math.sin(0.6), 0.0, math.cos(0.6)))
OPTICAL = ('camera', 'camera_optical', (0.0, 0.0, 0.0), (-0.5, 0.5, -0.5, 0.5))


class StandIn(String):
    """Carries the bytes of a TFMessage where its package is not installed."""

    @classmethod
    def get_fields_and_field_types(cls):
        return {'transforms': 'sequence<geometry_msgs/TransformStamped>'}


@pytest.fixture
def tf_type(monkeypatch):
    """Return the type of /tf_static, or one that carries its bytes."""
    if REAL_TF:
        return importlib.import_module('tf2_msgs.msg').TFMessage
    package, module = ModuleType('tf2_msgs'), ModuleType('tf2_msgs.msg')
    module.TFMessage = StandIn
    monkeypatch.setitem(sys.modules, 'tf2_msgs', package)
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', module)
    return StandIn


@pytest.fixture
def recording(colours, tmp_path):
    """Return parameters of a graph that records."""
    colours['tasks'] = ['scene']
    colours['pose_max_gap_s'] = 60.0
    colours['record.mode'] = 'always'
    colours['record.dir'] = str(tmp_path / 'recordings')
    colours['record.topics'] = ALL
    colours['record.keep_free_percent'] = 0.0
    return colours


def static_frames(*told):
    return bytes(STORE.serialize_cdr(frames(*told), TF_MESSAGE))


def broadcast(node, kind, *messages):
    """Latch messages on /tf_static, each by a broadcaster of its own."""
    for told in messages:
        node.create_publisher(kind, '/tf_static', LATCHED_QOS).publish(static_frames(told))


def fly(live, count, more):
    """Send images whose pose has come before them; returns the records of what the graph made."""
    results = results_of(live)
    live.wait(lambda: live.peer.count_subscribers('image_raw') >= 2, 'tiler and recorder')
    sources = [source for name in ('tiler', 'publisher') if (source := live[name]._source)]
    for number in range(count):
        stamp_ns = live.peer.get_clock().now().nanoseconds
        image = image_message(number, stamp_ns)
        # Sensor data may be lost on the way, to the recorder too.
        for _ in range(3):
            send_pose(live, stamp_ns)
            more(number, stamp_ns)
            send_camera(live, image)
            time.sleep(0.05)
        live.wait(
            lambda stamp=stamp_ns: all(x.maker.poses.wait_for(stamp, 0.0) for x in sources), 'pose'
        )
        live.publish('image_raw', image, 2)
        live.wait(lambda wanted=number + 1: len(results) >= wanted, f'results of frame {number}')
    time.sleep(0.3)
    return {r.header.stamp_ns: json.loads(json.dumps(frame_record(r))) for r in results}


def replayed(path, out, *options):
    """Replay a recording in a process of its own; returns the records."""
    models = Path(__file__).resolve().parents[1] / 'data' / 'models'
    given = [f'--models={models / "colour-scene"}', *options]
    program = [sys.executable, '-m', 'rs_onboard.cli.main']
    done = subprocess.run(
        [*program, 'replay', str(path), f'--out={out}', *given],
        capture_output=True,
        text=True,
        check=False,
        # The graph of this test must not hear it.
        env={**os.environ, 'ROS_DOMAIN_ID': str(101 + os.getpid() % 100)},
        timeout=120.0,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob('**/results.jsonl')
    return [json.loads(line) for line in found.read_text().splitlines()]


def corners(record):
    """Return the corners of a footprint as one list of numbers."""
    assert record['footprint'] is not None, record
    return [x for corner in record['footprint']['corners'] for x in corner]


def same_coordinates(live, records):
    """Check that recorded frames lie where they lay in flight; returns how many there are."""
    places = set()
    for record in records:
        found = corners(record)
        assert found == pytest.approx(corners(live[record['stamp_ns']]), abs=1e-10)
        places.add(tuple(found))
    return len(places)


def end(live):
    recorder = live['recorder']
    live.__exit__()
    live.nodes = []
    assert balance(recorder) == 0


def test_a_flight_with_the_angles_of_a_gimbal_is_replayed_where_it_was(graph, recording, tmp_path):
    recording.update({'gimbal_message': 'angles', 'gimbal_required': True})
    live = graph(make_nodes(recording))
    assert bring_up(live.nodes), [node.fault for node in live.nodes]

    def turn(number, stamp_ns):
        message = Vector3Stamped(vector=Vector3(x=1.0, y=-60.0 - 5 * number, z=20.0 * number))
        message.header.stamp = ns_to_stamp(stamp_ns)
        live.publish('gimbal/attitude', message, 2)

    flown = fly(live, 4, turn)
    end(live)
    (path,) = Path(recording['record.dir']).iterdir()
    options = ['--set=gimbal_message=angles', '--set=gimbal_required=true']
    found = replayed(path, tmp_path / 'out', *options, '--set=pose_max_gap_s=60')
    # Every frame looks elsewhere.
    assert same_coordinates(flown, found) == len(found) >= 3


@pytest.mark.skipif(not REAL_TF, reason='tf2_msgs is not installed')
def test_a_flight_with_its_mount_in_static_frames_is_replayed_where_it_was(
    graph, recording, tf_type, tmp_path
):
    recording['camera_mount_from_tf'] = True
    live = graph(make_nodes(recording))
    # As in flight: broadcasters latch long before, and say nothing any more.
    broadcast(live.peer, tf_type, BODY, OPTICAL)
    assert bring_up(live.nodes), [node.fault for node in live.nodes]
    maker = live['tiler']._source.maker
    live.wait(lambda: len(maker._frames._links) == 2, 'static frames')
    live.wait(lambda: len(remembered_frames(live['recorder'])) == 2, 'static frames')
    flown = fly(live, 3, lambda *_: None)
    pose = maker.poses.at(max(flown))
    # Not as it would look without them.
    assert math.degrees(pose.tilt_rad()) > 10.0
    end(live)
    (path,) = Path(recording['record.dir']).iterdir()
    options = ['--set=camera_mount_from_tf=true', '--set=pose_max_gap_s=60']
    found = replayed(path, tmp_path / 'lockstep', *options)
    assert same_coordinates(flown, found) == 1
    assert len(found) >= 2
    again = replayed(path, tmp_path / 'ros', *options, '--ros')
    assert same_coordinates(flown, again) == 1
    assert len(again) == len(found)


def remembered_frames(recorder):
    """Return the frames that a recording would begin with now."""
    held = recorder._recorder._memory.held()
    number = [item.topic for item in recorder._topics].index('/tf_static') + 1
    return transforms_in(held[number]) if number in held else {}


def transforms_in(cdr):
    return {x.child_frame_id: x for x in STORE.deserialize_cdr(cdr, TF_MESSAGE).transforms}


def test_every_recording_begins_with_static_frames_and_intrinsics_told_long_before(
    graph, recording, tf_type, monkeypatch
):
    monkeypatch.setattr(chunks, 'CHUNK_S', 0.1)
    recording.update({'record.mode': 'events', 'camera_mount_from_tf': True})
    recording.update({'record.before_s': 0.2, 'record.after_s': 0.2, 'tasks': []})
    parameters = [Parameter(name, value=value) for name, value in recording.items()]
    live = graph([RecorderNode(parameter_overrides=parameters)])
    broadcast(live.peer, tf_type, BODY, OPTICAL)
    assert bring_up(live.nodes), live.nodes[0].fault
    recorder = live['recorder']
    live.publish('camera_info', CameraInfo(width=64, height=48))
    live.wait(lambda: len(remembered_frames(recorder)) == 2, 'static frames')
    client = live.peer.create_client(Trigger, 'recorder/trigger')
    assert client.wait_for_service(timeout_sec=20.0)
    for number in (1, 2):
        for _ in range(10):
            live.publish('mavros/global_position/raw/fix', NavSatFix())
            time.sleep(0.05)
        assert client.call(Trigger.Request()).success
        for _ in range(10):
            live.publish('mavros/global_position/raw/fix', NavSatFix())
            time.sleep(0.05)
        live.wait(lambda: recorder._recorder.status.state == 'armed', 'the end of an event')
        assert recorder._recorder.status.files == number
    end(live)
    paths = sorted(Path(recording['record.dir']).iterdir())
    assert len(paths) == 2
    for path in paths:
        with Reader(path) as reader:
            found = [(connection, data) for connection, _, data in reader.messages()]
        topics = [connection.topic for connection, _ in found]
        assert sorted(topics[:2]) == ['/camera_info', '/tf_static']
        assert topics.count('/camera_info') == topics.count('/tf_static') == 1
        connection, cdr = found[topics.index('/tf_static')]
        assert connection.msgtype == TF_MESSAGE
        assert 'TransformStamped[] transforms' in connection.msgdef.data
        (offered,) = connection.ext.offered_qos_profiles
        assert offered.durability is QosDurability.TRANSIENT_LOCAL
        known = transforms_in(cdr)
        assert sorted(known) == ['camera', 'camera_optical']
        assert known['camera'].transform.translation.x == 0.5


def test_a_player_keeps_what_all_broadcasters_said_for_who_listens_late(graph, tf_type):
    playback = PlaybackNode()
    live = graph([])
    playback.prepare({'/tf_static': TF_MESSAGE})
    told = [static_frames(BODY), static_frames(OPTICAL)]
    for cdr in told:
        playback.publish('/tf_static', cdr)
    heard = []
    live.peer.create_subscription(tf_type, '/tf_static', heard.append, STATIC_FRAMES_QOS, raw=True)
    try:
        live.wait(lambda: len(heard) == 2, 'static frames')
    finally:
        playback.destroy_node()
    assert heard == told


def test_without_the_package_of_static_frames_the_recorder_says_what_to_do(
    ros, recording, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'tf2_msgs', None)
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', None)
    recording['camera_mount_from_tf'] = True
    node = RecorderNode(
        parameter_overrides=[Parameter(name, value=value) for name, value in recording.items()]
    )
    try:
        assert not bring_up([node])
        assert 'camera_mount_from_tf' in node.fault
        assert 'tf2-msgs' in node.fault
    finally:
        node.destroy_node()
