# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of merit against hand-counted ones."""

from __future__ import annotations

import numpy as np
import pytest

from rs_onboard.training.metrics import Confusion

TRUTH = [0, 0, 0, 1, 1, 2, 255, 255]
FOUND = [0, 0, 1, 1, 0, 2, 0, 2]


def test_rows_are_truth_columns_prediction_and_ignored_pixels_have_no_say():
    confusion = Confusion.count(TRUTH, FOUND, 3)
    assert confusion.matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert confusion.accuracy == pytest.approx(4 / 6)
    assert confusion.precision == pytest.approx([2 / 3, 1 / 2, 1])
    assert confusion.recall == pytest.approx([2 / 3, 1 / 2, 1])
    assert confusion.iou == pytest.approx([2 / 4, 1 / 3, 1])
    assert confusion.f1 == pytest.approx([4 / 6, 2 / 4, 1])
    assert confusion.mean_iou == pytest.approx((2 / 4 + 1 / 3 + 1) / 3)


def test_counts_of_parts_add_up_to_the_counts_of_the_whole():
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 4, (2, 10, 30))
    parts = sum(
        (Confusion.count(t, f, 4) for t, f in zip(truth, found, strict=True)), Confusion.empty(4)
    )
    assert np.array_equal(parts.matrix, Confusion.count(truth, found, 4).matrix)


def test_a_class_that_does_not_occur_is_left_out_of_means():
    confusion = Confusion.count([0, 0, 1], [0, 0, 1], 3)
    assert np.isnan(confusion.iou[2])
    assert confusion.mean_iou == 1
    assert confusion.mean_f1 == 1


def test_deleting_a_class_deletes_it_as_truth_and_as_prediction():
    confusion = Confusion.count(TRUTH, FOUND, 3).without([1])
    assert confusion.matrix.tolist() == [[2, 0], [0, 1]]
    assert confusion.accuracy == 1
