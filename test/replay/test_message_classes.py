# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Message classes without ROS have the fields, defaults and bytes of those with it."""

from __future__ import annotations

import array
import subprocess
import sys
from pathlib import Path

import pytest

from rs_onboard.replay.errors import UnknownTypeError
from rs_onboard.replay.message_classes import MessagePackages, to_cdr, type_name_of
from rs_onboard.replay.typestore import make_typestore

STORE = make_typestore()
PACKAGES = MessagePackages(STORE)
ROOT = Path(__file__).resolve().parents[2]


def test_a_message_starts_with_defaults_and_takes_values_by_name():
    image = PACKAGES.class_of('sensor_msgs/msg/Image')
    made = image(width=3, encoding='mono8')
    assert (made.width, made.height, made.encoding) == (3, 0, 'mono8')
    assert made.header.stamp.sec == 0
    assert isinstance(made.data, array.array)
    with pytest.raises(AttributeError, match=r"Image: no field \['widht'\]; has \['header'"):
        image(widht=3)


def test_messages_do_not_share_their_parts():
    kind = PACKAGES.class_of('vision_msgs/msg/Detection2DArray')
    first, second = kind(), kind()
    first.detections.append(1)
    first.header.frame_id = 'camera'
    assert second.detections == []
    assert second.header.frame_id == ''


def test_constants_and_arrays_of_fixed_size_are_there():
    assert PACKAGES.class_of('diagnostic_msgs/msg/DiagnosticStatus').WARN == 1
    info = PACKAGES.class_of('sensor_msgs/msg/CameraInfo')()
    assert list(info.k) == [0.0] * 9
    assert list(info.d) == []
    assert PACKAGES.class_of('geometry_msgs/msg/Quaternion')().w == 1.0


def test_what_is_written_is_read_back():
    package = 'vision_msgs/msg/'
    names = ('Detection2DArray', 'Detection2D', 'ObjectHypothesisWithPose', 'ObjectHypothesis')
    array_of, detection, posed, hypothesis = (PACKAGES.class_of(package + name) for name in names)
    found = posed(hypothesis=hypothesis(class_id='ship', score=0.25))
    message = array_of(detections=[detection(id='7', results=[found])])
    assert type_name_of(type(message)) == 'vision_msgs/msg/Detection2DArray'
    read = STORE.deserialize_cdr(to_cdr(message, STORE), 'vision_msgs/msg/Detection2DArray')
    assert read.detections[0].id == '7'
    assert read.detections[0].results[0].hypothesis.score == 0.25


def test_a_class_without_a_definition_is_refused_by_name():
    with pytest.raises(UnknownTypeError, match=r'no definition of builtins/msg/int'):
        to_cdr(3, STORE)


def test_packages_that_are_not_installed_are_found_and_others_are_not():
    script = """
import sys
from rs_onboard.replay.message_classes import MessagePackages, provide_messages
provide_messages()
provide_messages()
assert sum(isinstance(x, MessagePackages) for x in sys.meta_path) == 1
finder = sys.meta_path.pop()
sys.meta_path[:] = [finder]
from vision_msgs.msg import Detection2DArray
print(Detection2DArray())
for name in ('rclpy', 'vision_msgs.srv', 'nothing'):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error.name)
"""
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith('Detection2DArray(header=Header(')
    assert lines[1:] == ['rclpy', 'vision_msgs.srv', 'nothing']
