# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A lone Python, with nothing sourced, is a ROS 2 machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy', reason='needs rclpy')
pytest.importorskip('vision_msgs.msg', reason='needs vision_msgs')

from ament_index_python.packages import get_package_share_directory  # noqa: E402
from vision_msgs.msg import (  # noqa: E402
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesisWithPose,
)

pytestmark = pytest.mark.ros

PATIENCE_S = 20.0

# RIHS01 type hashes of ros-perception/vision_msgs 4.1.1, as rosidl computes them from its files.
HASHES = {
    'BoundingBox2D': '008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f',
    'BoundingBox2DArray': '2464e82838009386d371b523211c21c91d74d313fcdd6788223c531d621cf691',
    'BoundingBox3D': 'bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698',
    'BoundingBox3DArray': 'a81938db9576b10c2eecd7c5a5da3eac496efd00221b25ed051dfbc81fb56da6',
    'Classification': 'f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143',
    'Detection2D': '0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea',
    'Detection2DArray': '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    'Detection3D': 'ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b',
    'Detection3DArray': '793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018',
    'LabelInfo': '3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783',
    'ObjectHypothesis': '51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90',
    'ObjectHypothesisWithPose': '41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc',
    'Point2D': 'eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247',
    'Pose2D': 'b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648',
    'VisionClass': '1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a',
    'VisionInfo': '95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284',
}


@pytest.fixture
def node():
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('environment', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def detections() -> Detection2DArray:
    """Return a message that fills every level of nesting."""
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = 'vehicle'
    hypothesis.hypothesis.score = 0.75
    box = BoundingBox2D(size_x=40.0, size_y=20.0)
    box.center.position.x, box.center.position.y, box.center.theta = 320.5, 240.25, -0.5
    message = Detection2DArray()
    message.header.frame_id = 'camera_optical'
    message.detections = [Detection2D(results=[hypothesis], bbox=box, id='7')]
    return message


def test_a_detection_array_arrives_over_dds_as_it_was_sent(node):
    received = []
    node.create_subscription(Detection2DArray, 'detections', received.append, 1)
    publisher = node.create_publisher(Detection2DArray, 'detections', 1)
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    sent = detections()
    end = time.monotonic() + PATIENCE_S
    while not received and time.monotonic() < end:
        publisher.publish(sent)
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    assert received[:1] == [sent]


@pytest.mark.parametrize('name', HASHES)
def test_vision_msgs_has_the_type_hashes_of_the_original(name):
    described = Path(get_package_share_directory('vision_msgs'), 'msg', f'{name}.json')
    if not described.exists():
        pytest.skip('this ROS (Humble) computes no type hashes')
    hashes = json.loads(described.read_text(encoding='utf-8'))['type_hashes']
    found = {entry['type_name']: entry['hash_string'] for entry in hashes}
    assert found[f'vision_msgs/msg/{name}'] == f'RIHS01_{HASHES[name]}'


@pytest.mark.skipif('ROS_DISTRO' in os.environ, reason='a sourced ROS sets these variables itself')
def test_a_python_started_with_an_empty_environment_finds_everything():
    script = (
        'from ament_index_python.packages import get_package_share_directory as share\n'
        'import rclpy, rs_onboard, vision_msgs.msg\n'
        'print(share("rs_onboard"), share("vision_msgs"), sep="\\n")'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        check=False,
        cwd='/',
        env={'HOME': os.environ.get('HOME', '/')},
    )
    assert done.returncode == 0, done.stderr
    for name, path in zip(('rs_onboard', 'vision_msgs'), done.stdout.split(), strict=True):
        assert Path(path) == Path(sys.prefix, 'share', name)
