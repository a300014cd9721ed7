# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Detections survive their topics, and the sign of theta is what a drawn rectangle shows."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rclpy.serialization import deserialize_message, serialize_message

from rs_onboard.inference.card import load_card
from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.detection_messages import (
    corners_message,
    detections_from_message,
    detections_message,
)
from rs_onboard.nodes.parameters import class_numbers
from rs_onboard.nodes.result_messages import report_from_message, report_message
from rs_onboard.perception.boxes import corners, normalise
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.results import DetectionResult, TaskReport

HEADER = FrameHeader(1_700_000_000_123_456_789, 'camera_optical', 0, 0, 0)


@pytest.fixture
def card(colours):
    from pathlib import Path

    return load_card(Path(colours['detection.model']))


def sent(message):
    """Send a message through its serialisation."""
    return deserialize_message(serialize_message(message), type(message))


def found(card, count=5):
    rng = np.random.default_rng(count)
    boxes = rng.random((count, 5)) * (1920, 1080, 90, 40, math.pi)
    return DetectionResult(
        header=HEADER,
        report=TaskReport('detection', 'ok', left_out={'not a box': 3}),
        classes=card.class_names,
        palette=np.array([info.color for info in card.classes], np.uint8),
        boxes=normalise(boxes).astype(np.float32),
        scores=np.sort(rng.random(count).astype(np.float32))[::-1],
        class_ids=rng.integers(0, 3, count).astype(np.uint8),
        numbers=rng.integers(-1, 99, count),
    )


@pytest.mark.parametrize('count', [0, 1, 40])
def test_detections_survive_the_topic_without_loss(card, count):
    result = found(card, count)
    report = report_from_message(sent(report_message(HEADER, result.report)))
    assert report == result.report
    again = detections_from_message(HEADER, report, card, sent(detections_message(result)))
    for name in ('boxes', 'scores', 'class_ids', 'palette', 'numbers'):
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))


def test_theta_is_clockwise_on_screen_and_the_corners_agree(card):
    box = np.array([[100, 100, 80, 20, math.radians(30)]], np.float32)
    result = DetectionResult(
        HEADER,
        TaskReport('detection', 'ok'),
        card.class_names,
        np.zeros((3, 3), np.uint8),
        box,
        np.ones(1, np.float32),
        np.zeros(1, np.uint8),
        np.zeros(1, np.int64),
    )
    (detection,) = detections_message(result).detections
    turn = detection.bbox.center.theta
    # Clockwise on screen by 30 degrees: the right end lies lower, at greater y.
    end = (100 + 40 * math.cos(turn), 100 + 40 * math.sin(turn))
    assert end[0] > 100
    assert end[1] > 100
    points = [(p.x, p.y) for p in corners_message(result).points]
    quad = np.array(points[::2])
    np.testing.assert_allclose(quad, corners(box)[0])
    assert points[1::2] == [*points[2::2], points[0]]
    canvas = np.zeros((200, 200), np.uint8)
    cv2.fillConvexPoly(canvas, np.rint(quad).astype(np.int32), 255)
    assert canvas[round(100 + 30 * math.sin(turn)), round(100 + 30 * math.cos(turn))] == 255
    assert canvas[round(100 - 30 * math.sin(turn)), round(100 + 30 * math.cos(turn))] == 0


def test_outlines_have_a_colour_a_line(card):
    result = found(card, 3)
    message = sent(corners_message(result))
    assert len(message.points) == 8 * 3
    assert len(message.outline_colors) == 4 * 3
    red, green, blue = result.palette[result.class_ids[1]] / 255
    colour = message.outline_colors[4]
    assert (colour.r, colour.g, colour.b, colour.a) == (red, green, blue, 1.0)


def test_classes_that_are_not_on_the_card_and_numbers_that_are_none_are_refused(card):
    result = found(card, 2)
    message = detections_message(result)
    message.detections[1].bbox.size_x = math.nan
    with pytest.raises(TaskError, match='no finite number'):
        detections_from_message(HEADER, result.report, card, message)
    message.detections[0].results[0].hypothesis.class_id = 'unheard-of'
    with pytest.raises(TaskError, match='unheard-of'):
        detections_from_message(HEADER, result.report, card, message)


def test_numbers_by_class_are_read_and_what_is_none_is_refused():
    assert class_numbers('x', '', 1) == {}
    assert class_numbers('x', 'ship 0.5, large vehicle 0.4', 1) == {
        'ship': (0.5,),
        'large vehicle': (0.4,),
    }
    assert class_numbers('x', 'ship 5 400', 2) == {'ship': (5.0, 400.0)}
    for text in ('ship', 'ship 0.5 0.6', 'ship nan', 'ship 1, ship 2', '0.5'):
        with pytest.raises(FieldError, match='parameter x: found'):
            class_numbers('x', text, 1 if text != 'ship 0.5 0.6' else 3)
    with pytest.raises(FieldError, match='two numbers'):
        class_numbers('x', 'ship 400 5', 2)
