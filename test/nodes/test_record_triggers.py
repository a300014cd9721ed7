# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Only what is sure enough, and of the classes named, is a reason to record."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rclpy.serialization import serialize_message
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from rs_onboard.nodes.change_messages import CANDIDATE, CONFIRMED
from rs_onboard.nodes.record_triggers import change_watch, detection_watch
from rs_onboard.recording.terms import Trigger


def found(*items):
    detections = [
        Detection2D(
            results=[ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=n, score=s))]
        )
        for n, s in items
    ]
    return serialize_message(Detection2DArray(detections=detections))


@pytest.mark.parametrize(
    ('items', 'reason'),
    [
        ([], None),
        ([('ship', 0.49)], None),
        ([('car', 0.99)], None),
        ([('ship', 0.5)], 'ship 0.50'),
        ([('car', 0.99), ('plane', 0.41), ('ship', 0.9)], 'plane 0.41'),
    ],
)
def test_a_detection_triggers_by_class_and_score(items, reason):
    watch = detection_watch({'ship': 0.5, 'plane': 0.4}, keep=True)
    trigger = watch(found(*items))
    assert trigger == (None if reason is None else Trigger('detection', reason, keep=True))


@pytest.mark.parametrize(
    ('items', 'reason'),
    [
        ([], None),
        ([(CANDIDATE, 0.9)], None),
        ([(CONFIRMED, 0.5)], None),
        ([(CONFIRMED, 0.7), (CANDIDATE, 0.9)], '1 confirmed, score up to 0.70'),
    ],
)
def test_a_change_triggers_once_it_is_confirmed(items, reason):
    trigger = change_watch(0.6, keep=False)(found(*items))
    assert trigger == (None if reason is None else Trigger('change', reason))
