# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The largest difference between two answers is found in the numbers that users see."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

from rs_onboard.zoo.quantise.agreement import largest_difference

BOXES = np.array([[20, 20, 10, 10, 0], [80, 80, 10, 10, 0]], np.float32)


def objects(boxes, scores, classes):
    count = len(scores)
    return {
        'boxes': np.asarray(boxes, np.float32).reshape(count, 5),
        'scores': np.asarray(scores, np.float32),
        'classes': np.asarray(classes, np.int64),
        'tile': np.zeros(count, np.int64),
    }


def test_probabilities_of_scenes_are_compared_as_they_are():
    one = {'probabilities': np.array([[0.7, 0.3]], np.float32)}
    two = {'probabilities': np.array([[0.6, 0.4]], np.float32)}
    assert largest_difference(one, two) == pytest.approx(0.1)


def test_bytes_are_parts_of_255():
    mask = np.array([[[3, 200]]], np.uint8)
    one, two = {'probability': mask}, {'probability': mask + np.uint8(51)}
    assert largest_difference(one, two) == pytest.approx(0.2)
    parts = ({'labels': mask, 'confidence': side['probability']} for side in (one, two))
    assert largest_difference(*parts) == pytest.approx(0.2)


def test_scores_are_those_of_the_same_object_in_any_order():
    one = objects(BOXES, [0.9, 0.5], [0, 1])
    two = objects(BOXES[::-1], [0.55, 0.9], [1, 0])
    assert largest_difference(one, two) == pytest.approx(0.05)


def test_objects_without_a_partner_have_no_difference():
    one = objects(BOXES, [0.9, 0.5], [0, 1])
    assert largest_difference(one, objects(BOXES, [0.9, 0.3], [0, 2])) == 0
    assert largest_difference(one, objects(BOXES + 40, [0.3, 0.3], [0, 1])) == 0
    assert largest_difference(one, objects([], [], [])) == 0
    assert largest_difference(objects(BOXES, [0.9, 0.1], [0, 1]), one) == 0
