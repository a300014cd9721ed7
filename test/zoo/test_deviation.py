# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What counts as agreement with a golden output: values, half turns, rows of equal score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rs_onboard.zoo.deviation import GoldenOutput, RowRule, Rows, deviation, rows_of
from rs_onboard.zoo.golden import find_output

RULES = {'boxes': RowRule('boxes', 5, angle=4), 'logits': RowRule('boxes', 5)}


def boxes(count=40, seed=0):
    """Rows cx, cy, w, h, theta, score in descending score."""
    rng = np.random.default_rng(seed)
    table = rng.uniform(-1.5, 1.5, (count, 6)).astype(np.float32)
    table[:, 5] = np.linspace(0.9, 0.1, count)
    return table


def sampled(array, step=1):
    return GoldenOutput(array.shape, step, array.ravel()[::step].copy())


@pytest.mark.parametrize('step', [1, 3, 7])
def test_an_angle_may_differ_by_half_a_turn_and_nothing_else_may(step):
    ours = boxes()
    theirs = ours.copy()
    theirs[::2, 4] += math.pi
    rows = rows_of('boxes0', {'boxes0': ours}, RULES)
    assert deviation(ours, sampled(theirs, step), rows) < 1e-6
    assert deviation(ours, sampled(theirs)) > 0.1
    theirs[:, 3] += math.pi
    assert deviation(ours, sampled(theirs, step), rows) > 0.1


def test_rows_of_equal_score_may_change_places():
    ours = boxes()
    ours[11, 5] = ours[10, 5] - 1e-6
    theirs = ours.copy()
    theirs[[10, 11]] = theirs[[11, 10]]
    rows = rows_of('boxes', {'boxes': ours}, RULES)
    assert deviation(ours, sampled(theirs), rows) < 2e-6
    assert deviation(ours, sampled(theirs)) > 0.1
    assert deviation(ours, sampled(theirs), Rows(np.arange(40, dtype=np.float32))) > 0.1


def test_rows_of_different_score_may_not_and_columns_may_not_mix_rows():
    ours = boxes()
    theirs = ours.copy()
    theirs[[10, 11]] = theirs[[11, 10]]
    assert deviation(ours, sampled(theirs), rows_of('boxes', {'boxes': ours}, RULES)) > 1e-2
    tied = ours.copy()
    tied[11, 5] = tied[10, 5]
    mixed = tied.copy()
    mixed[[10, 11], 0] = mixed[[11, 10], 0]
    assert deviation(tied, sampled(mixed), rows_of('boxes', {'boxes': tied}, RULES)) > 1e-2


def test_rows_of_more_dimensions_take_the_scores_of_another_output():
    table = boxes()
    table[11, 5] = table[10, 5]
    ours = np.random.default_rng(1).normal(size=(40, 3, 2, 2)).astype(np.float32)
    theirs = ours.copy()
    theirs[[10, 11]] = theirs[[11, 10]]
    outputs = {'boxes2': table, 'logits2': ours, 'plain': ours}
    assert deviation(ours, sampled(theirs, 5), rows_of('logits2', outputs, RULES)) == 0
    assert rows_of('plain', outputs, RULES) is None


def test_an_output_of_another_name_is_found_by_its_values():
    one, two = boxes(seed=2), boxes(seed=3)
    ours = {'boxes0': one, 'boxes1': two, 'other': one[:5]}
    assert find_output('proposals_of_image_1', ours, sampled(two), RULES) == 'boxes1'
    assert find_output('boxes0', ours, sampled(two), RULES) == 'boxes1'
    assert find_output('boxes0', ours, sampled(one), RULES) == 'boxes0'
    assert find_output('boxes0', ours, sampled(one[:7]), RULES) == 'boxes0'


def test_empty_outputs_agree():
    nothing = np.zeros((0, 6), np.float32)
    assert deviation(nothing, sampled(nothing), rows_of('boxes', {'boxes': nothing}, RULES)) == 0
