# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that lie, straight into the callbacks: named drops and reasons, never an exception."""

from __future__ import annotations

import array
import json
import math
import time
from operator import attrgetter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import QuaternionStamped
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, NavSatFix
from std_msgs.msg import Float64
from vision_msgs.msg import (
    BoundingBox2D,
    BoundingBox2DArray,
    Classification,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from rs_onboard.nodes.detection_messages import detections_from_message
from rs_onboard.nodes.node_settings import TASKS
from rs_onboard.nodes.playback import TapNode
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.result_messages import report_from_message, scene_from_messages
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.start import bring_up, shut_down
from rs_onboard.nodes.topics import all_topics
from rs_onboard.perception.encodings import LAYOUTS
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.frame_results import FrameResults

SECOND = 1_000_000_000
MANY = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WHOLE = st.one_of(st.integers(0, 70), st.integers(0, 2**32 - 1))
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, 90.0, 180.0, -180.0, 1e-320, 1e300, 120.0]),
)
STAMPS = st.one_of(
    st.integers(1000, 1010).map(lambda sec: (sec, 0)),
    st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**32 - 1)),
)


def fill(kind, stamp=(0, 0), **values):
    """Make a message as it comes off the wire, where nobody checks ranges."""
    message = kind()
    if hasattr(message, 'header'):
        message.header.stamp._sec, message.header.stamp._nanosec = stamp
    for name, value in values.items():
        setattr(message, f'_{name}', value)
    return message


def image(stamp, height=40, width=60, **values):
    fields = {'encoding': 'rgb8', 'step': 3 * width, 'data': array.array('B', bytes(7200))}
    return fill(Image, stamp, height=height, width=width, **{**fields, **values})


images = st.builds(
    image,
    STAMPS,
    height=WHOLE,
    width=WHOLE,
    step=WHOLE,
    encoding=st.one_of(st.sampled_from(sorted(LAYOUTS)), st.text(max_size=8)),
    is_bigendian=st.integers(0, 255),
    data=st.one_of(
        st.binary(max_size=64).map(lambda data: array.array('B', data)),
        st.integers(0, 20_000).map(lambda size: array.array('B', bytes(size))),
    ),
)
whole_images = st.builds(image, STAMPS)
pictures = st.builds(
    lambda stamp, form, data: fill(
        CompressedImage, stamp, format=form, data=array.array('B', data)
    ),
    STAMPS,
    st.sampled_from(['jpeg', 'png', '', 'rgb8; jpeg compressed bgr8', 'h264', '\x00']),
    st.one_of(
        st.binary(max_size=64),
        st.binary(max_size=64).map(lambda data: b'\xff\xd8\xff\xe0' + data),
        st.binary(max_size=64).map(lambda data: b'\x89PNG\r\n\x1a\n' + data),
    ),
)


@st.composite
def camera_infos(draw):
    info = fill(
        CameraInfo,
        draw(STAMPS),
        height=draw(WHOLE),
        width=draw(WHOLE),
        k=np.array([draw(NUMBERS) for _ in range(9)]),
        d=array.array('d', draw(st.lists(NUMBERS, max_size=9))),
        binning_x=draw(WHOLE),
        binning_y=draw(WHOLE),
        distortion_model=draw(st.sampled_from(['plumb_bob', '', 'rational_polynomial', 'x'])),
    )
    for name in ('x_offset', 'y_offset', 'height', 'width'):
        setattr(info.roi, f'_{name}', draw(WHOLE))
    return info


@st.composite
def good_camera_infos(draw):
    k = [draw(NUMBERS), 0.0, draw(NUMBERS), 0.0, draw(NUMBERS), draw(NUMBERS), 0.0, 0.0, 1.0]
    distortion = array.array('d', draw(st.lists(NUMBERS, max_size=6)))
    return fill(CameraInfo, height=40, width=60, k=np.array(k), d=distortion)


@st.composite
def fixes(draw):
    fix = fill(
        NavSatFix,
        draw(STAMPS),
        latitude=draw(NUMBERS),
        longitude=draw(NUMBERS),
        altitude=draw(NUMBERS),
        position_covariance=np.array([draw(NUMBERS)] * 9),
        position_covariance_type=draw(st.integers(0, 255)),
    )
    fix.status._status = draw(st.integers(-128, 127))
    return fix


@st.composite
def turns(draw):
    """Draw (x, y, z, w), a unit now and then."""
    values = [draw(NUMBERS) for _ in range(4)]
    norm = math.hypot(*values)
    if draw(st.booleans()) and math.isfinite(norm) and norm > 0.0:
        values = [value / norm for value in values]
    return values


def turned(message, name, turn):
    for axis, value in zip('xyzw', turn, strict=True):
        setattr(getattr(message, name), f'_{axis}', value)
    return message


imus = st.builds(lambda stamp, turn: turned(fill(Imu, stamp), 'orientation', turn), STAMPS, turns())
gimbals = st.builds(
    lambda stamp, turn: turned(fill(QuaternionStamped, stamp), 'quaternion', turn), STAMPS, turns()
)
heights = st.builds(lambda value: fill(Float64, data=value), NUMBERS)
CALLBACKS = {
    Image: '_on_image',
    CompressedImage: '_on_image',
    CameraInfo: 'maker.add_camera_info',
    NavSatFix: 'maker.add_fix',
    Imu: 'maker.add_imu',
    QuaternionStamped: 'maker.add_gimbal',
    Float64: '_on_height',
}


@pytest.fixture
def nodes(ros, colours):
    """Return a graph that nobody spins: callbacks are called by the test."""
    overrides = {'tasks': list(TASKS), 'pose_wait_ms': 0.0, 'join_timeout_s': 0.3}
    made = make_nodes({**colours, **overrides})
    assert bring_up(made)
    # Topics are converted only where somebody listens.
    results = [topic for topic in all_topics() if topic.direction == 'out']
    listener = TapNode(results, lambda *_: None)
    topics = [listener.resolve_topic_name(item.topic) for item in results]
    wait_for(lambda: all(map(listener.count_publishers, topics)))
    yield {node.get_name(): node for node in made}
    shut_down(made)
    listener.destroy_node()


def wait_for(condition):
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def settle(nodes):
    wait_for(lambda: not any(node.counts().waiting for node in nodes.values()))


@MANY
@given(
    messages=st.lists(
        st.one_of(
            images,
            whole_images,
            pictures,
            camera_infos(),
            good_camera_infos(),
            fixes(),
            imus,
            gimbals,
            heights,
        ),
        min_size=4,
        max_size=16,
    )
)
def test_no_message_raises_and_every_image_is_a_result_or_a_named_drop(nodes, messages):
    source = nodes['tiler']._source
    records = []
    exchange, channel = nodes['tiler'].exchange, nodes['publisher'].resolve_topic_name('results')
    take = lambda results: records.append(json.dumps(results.collection))  # noqa: E731
    exchange.connect(channel, take)
    before = nodes['tiler'].counts()
    for message in messages:
        attrgetter(CALLBACKS[type(message)])(source)(message)
        settle(nodes)
    exchange.disconnect(channel, take)
    counts = nodes['tiler'].counts()
    sent = sum(isinstance(message, (Image, CompressedImage)) for message in messages)
    assert counts.received - before.received == sent
    assert counts.received == counts.done + sum(counts.dropped.values())
    for node in nodes.values():
        assert 'error' not in node.counts().dropped, node.counts()
        node.diagnostic()
    for record in records:
        json.loads(record, parse_constant=pytest.fail)


@st.composite
def box_arrays(draw, stamp):
    """Draw a layout: one that fits a stack of two tiles, with a few numbers changed."""
    values = [[0.0, 0.0, 128.0, 128.0], [0.0, 0.0, 128.0, 128.0], [0.0, 0.0, 128.0, 128.0]]
    for _ in range(draw(st.integers(0, 4))):
        values[draw(st.integers(0, 2))][draw(st.integers(0, 3))] = draw(NUMBERS)
    boxes = []
    for x, y, width, height in values[: draw(st.integers(0, 3))]:
        box = fill(BoundingBox2D, size_x=width, size_y=height)
        box.center.position._x, box.center.position._y = x, y
        boxes.append(box)
    return fill(BoundingBox2DArray, stamp, boxes=boxes)


@st.composite
def reports(draw, stamp):
    keys = st.sampled_from(['scale', 'gsd_m', 'status', 'tiles', 'model', 'latency_ms.cut', ''])
    texts = st.one_of(st.sampled_from(['1.0', '', 'nan', '1e999', 'ok']), st.text(max_size=4))
    pairs = draw(st.dictionaries(keys, texts))
    if draw(st.booleans()):
        pairs |= {'scale': '1.0', 'gsd_m': '', 'status': 'ok'}
    values = [KeyValue(key=key, value=value) for key, value in pairs.items()]
    statuses = [DiagnosticStatus(name='scene', values=values)] * draw(st.integers(0, 2))
    return fill(DiagnosticArray, stamp, status=statuses)


@st.composite
def tile_messages(draw):
    stamp = draw(STAMPS)
    height = draw(st.sampled_from([0, 1, 128, 256, 384]))
    stack = image(stamp, height=height, width=128, data=array.array('B', bytes(384 * height)))
    tiles = draw(st.one_of(st.just(stack), images))
    tiles.header.stamp = stack.header.stamp
    return tiles, draw(box_arrays(stamp)), draw(reports(stamp))


@pytest.fixture
def lone_scene(ros, colours):
    """Return a scene node in a process of its own, with what it complains about."""
    node = SceneNode(parameter_overrides=[Parameter('scene.model', value=colours['scene.model'])])
    complaints = []
    node.complain = complaints.append
    assert bring_up([node])
    yield node, complaints
    shut_down([node])


@MANY
@given(messages=tile_messages())
def test_tiles_that_lie_are_named_drops(lone_scene, messages):
    node, complaints = lone_scene
    for part, message in zip(('tiles', 'layout', 'report'), messages, strict=True):
        node._part_callback(part)(message)
    settle({'scene': node})
    assert 'error' not in node.counts().dropped, complaints[-1]
    assert not any(text.split(':')[0].endswith('Error') for text in complaints), complaints


@MANY
@given(
    messages=st.sampled_from([(0, 0), (9, 9)]).flatmap(
        lambda stamp: st.tuples(
            st.just(fill(Classification, stamp, results=[])), reports(stamp), box_arrays(stamp)
        )
    ),
    score=NUMBERS,
    name=st.sampled_from(['red', 'green', 'purple', '']),
)
def test_results_that_lie_are_complaints_about_the_result(nodes, colours, messages, score, name):
    classification, report, layout = messages
    hypothesis = fill(ObjectHypothesis, class_id=name, score=score)
    classification.results = [hypothesis]
    box = layout.boxes[0] if layout.boxes else BoundingBox2D()
    found = [fill(ObjectHypothesisWithPose, hypothesis=hypothesis)] * len(layout.boxes)
    per_tile = Detection2DArray(detections=[Detection2D(bbox=box, results=found)])
    header = FrameHeader(1, 'camera', 0, 0, 0)
    cards = nodes['publisher']._cards
    readers = {
        'scene': lambda *known: scene_from_messages(*known, classification, per_tile),
        'detection': lambda *known: detections_from_message(*known, per_tile),
    }
    for task, read in readers.items():
        try:
            result = read(header, report_from_message(report), cards[task])
        except TaskError:
            continue
        results = FrameResults(header, None, {task: result}, None)
        json.loads(json.dumps(results.collection), parse_constant=pytest.fail)
