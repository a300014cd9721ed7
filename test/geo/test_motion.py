# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of a camera is found from few matches, most of them wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.motion import fit_motion, solve_motion

SHAPE = (360, 640)


def motion(x, y, growth, turn, across, down):
    centre = np.array([[1, 0, 319.5], [0, 1, 179.5], [0, 0, 1]])
    core = np.array([[1 + growth, -turn, x], [turn, 1 + growth, y], [-across, -down, 1.0]])
    return centre @ core @ np.linalg.inv(centre)


def moved(points, matrix):
    places = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return places[:, :2] / places[:, 2:]


NUMBERS = st.tuples(
    st.floats(-60, 60),
    st.floats(-60, 60),
    st.floats(-0.2, 0.2),
    st.floats(-0.12, 0.12),
    st.floats(-5e-5, 5e-5),
    st.floats(-5e-5, 5e-5),
)


@settings(max_examples=40, deadline=None)
@given(NUMBERS, st.integers(0, 1000))
def test_exact_matches_give_the_exact_motion(numbers, seed):
    matrix = motion(*numbers)
    source = np.random.default_rng(seed).uniform((0, 0), (639, 359), (60, 2))
    found = solve_motion(source, moved(source, matrix), np.ones(60), SHAPE)
    corners = np.array([(0, 0), (639, 0), (639, 359), (0, 359)], float)
    # The tilt is held a little by what poses are known to.
    assert np.abs(moved(corners, found) - moved(corners, matrix)).max() < 0.5


@pytest.mark.parametrize('seed', range(6))
def test_half_of_the_matches_may_be_wrong(seed):
    rng = np.random.default_rng(seed)
    matrix = motion(12.0, -9.0, 0.05, 0.04, 2e-5, -1e-5)
    source = rng.uniform((0, 0), (639, 359), (60, 2))
    target = moved(source, matrix) + rng.normal(0, 0.7, (60, 2))
    wrong = np.arange(60) < 30
    target[wrong] += rng.uniform(-60, 60, (30, 2)) + 15
    found, agree = fit_motion(source, target, SHAPE)
    corners = np.array([(0, 0), (639, 0), (639, 359), (0, 359)], float)
    assert np.abs(moved(corners, found) - moved(corners, matrix)).max() < 4
    assert agree[~wrong].sum() >= 29
    assert agree[wrong].sum() <= 2


def test_matches_in_a_corner_do_not_leave_the_other_corners_to_chance():
    rng = np.random.default_rng(1)
    matrix = motion(5.0, 3.0, 0.02, -0.02, 0.0, 0.0)
    source = rng.uniform((0, 0), (260, 180), (16, 2))
    target = moved(source, matrix) + rng.normal(0, 1.0, (16, 2))
    found, _ = fit_motion(source, target, SHAPE)
    far = np.array([(639.0, 359.0)])
    assert np.linalg.norm(moved(far, found) - moved(far, matrix)) < 15


def test_too_few_matches_and_matches_of_no_motion_give_none():
    few = np.zeros((3, 2))
    assert fit_motion(few, few, SHAPE) is None
    rng = np.random.default_rng(2)
    source, target = (rng.uniform((0, 0), (639, 359), (40, 2)) for _ in range(2))
    found = fit_motion(source, target, SHAPE)
    assert found is None or found[1].sum() < 8
