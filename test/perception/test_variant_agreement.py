# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Agreement of answers by task."""

from __future__ import annotations

import numpy as np
import pytest

from rs_onboard.perception.variant_agreement import boxes, change, labels, probabilities


def test_probability_that_moved_to_another_class_is_lost():
    one = {'probabilities': np.float32([[0.7, 0.3], [0.5, 0.5]])}
    two = {'probabilities': np.float32([[0.9, 0.1], [0.5, 0.5]])}
    assert probabilities(one, two) == pytest.approx((1.8, 2.0), abs=1e-6)


def test_pixels_of_another_label_are_lost():
    one, two = ({'labels': np.uint8([[0, 1, value]])} for value in (2, 3))
    assert labels(one, two) == (2.0, 3.0)


def test_change_counts_its_own_mass_not_the_many_unchanged_pixels():
    one = {'probability': np.zeros((1, 100, 100), np.uint8)}
    two = {'probability': np.zeros((1, 100, 100), np.uint8)}
    one['probability'][0, 0, :2] = 200
    two['probability'][0, 0, 1:3] = 200
    same, total = change(one, two)
    assert same / total == 0.5


def test_boxes_need_class_tile_and_overlap():
    def side(cx, label=0, score=0.9):
        return {
            'boxes': np.float32([[cx, 20, 10, 10, 0], [60, 60, 10, 10, 0]]),
            'scores': np.float32([score, 0.1]),
            'classes': np.int64([label, 0]),
            'tile': np.int64([0, 0]),
        }

    assert boxes(side(20), side(21)) == (2.0, 2.0)
    assert boxes(side(20), side(40)) == (0.0, 2.0)
    assert boxes(side(20), side(20, label=1)) == (0.0, 2.0)
    assert boxes(side(20), side(20, score=0.1)) == (0.0, 1.0)
