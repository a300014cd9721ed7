# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Limits: over once, over for too long, bands with a margin, percentiles, rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.health.limits import Bands, LimitWatch, Rate, Window
from rs_onboard.health.states import State

VALUES = st.lists(st.floats(0, 120), min_size=1, max_size=80)


def test_a_value_over_its_limit_warns_and_fails_when_it_lasts():
    watch = LimitWatch(limit=100.0, allowed_s=5.0)
    assert watch.update(100.0, 0.0) is State.OK
    assert watch.update(101.0, 1.0) is State.DEGRADED
    assert watch.update(150.0, 6.0) is State.DEGRADED
    assert watch.update(150.0, 6.1) is State.FAILED
    assert watch.update(99.0, 7.0) is State.OK
    assert watch.update(101.0, 8.0) is State.DEGRADED


def test_no_value_and_no_limit_are_not_over():
    watch = LimitWatch(limit=100.0, allowed_s=0.0)
    watch.update(150.0, 0.0)
    assert watch.update(None, 1.0) is State.OK
    assert watch.update(150.0, 2.0) is State.DEGRADED
    assert LimitWatch(limit=0.0, allowed_s=0.0).update(1e9, 100.0) is State.OK


def test_a_value_that_is_no_number_is_not_over():
    assert LimitWatch(limit=1.0, allowed_s=0.0).update(float('nan'), 0.0) is State.OK


def test_a_band_is_left_only_by_the_margin():
    bands = Bands((70.0, 80.0), margin=3.0)
    values = (60.0, 69.9, 70.0, 67.0, 66.9, 81.0, 79.0, 77.0, 76.9, 50.0, 90.0)
    assert [bands.update(value) for value in values] == [0, 0, 1, 1, 0, 2, 2, 2, 1, 0, 2]


@given(VALUES)
def test_a_band_is_that_of_the_value_or_of_a_higher_one_within_the_margin(values):
    bands = Bands((40.0, 70.0, 90.0), margin=5.0)
    for value in values:
        band = bands.update(value)
        assert band >= sum(value >= limit for limit in bands.limits)
        assert band <= sum(value + bands.margin >= limit for limit in bands.limits)


@given(st.lists(st.floats(-2.4, 2.4), max_size=200))
def test_noise_smaller_than_the_margin_changes_a_band_once(noise):
    bands = Bands((80.0,), margin=5.0)
    seen = [bands.update(80.0 + value) for value in noise]
    assert seen == sorted(seen)


@pytest.mark.parametrize(('limits', 'margin'), [((2.0, 1.0), 1.0), ((1.0, 2.0), -1.0)])
def test_bands_that_make_no_sense_are_refused(limits, margin):
    with pytest.raises(ValueError, match='expected ascending limits'):
        Bands(limits, margin)


def test_a_window_has_the_last_values_by_nearest_rank():
    window = Window(size=20)
    assert window.spread() is None
    for value in range(100):
        window.add(float(value))
    assert window.spread() == (99.0, 89.0, 98.0, 99.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100))
def test_percentiles_are_values_of_the_window_in_order(values):
    window = Window(size=100)
    for value in values:
        window.add(value)
    last, p50, p95, highest = window.spread()
    assert last == values[-1]
    assert {p50, p95, highest} <= set(values)
    assert sorted(values)[(len(values) - 1) // 2] == p50 <= p95 <= highest == max(values)


def test_the_rate_is_that_of_the_span_and_unknown_at_first():
    rate = Rate(span_s=10.0)
    assert rate.update(0, 0.0) is None
    assert rate.update(5, 0.5) is None
    assert rate.update(10, 1.0) == 10.0
    for second in range(2, 31):
        found = rate.update(10 + (second - 1) * 4, float(second))
    assert found == pytest.approx(4.0)


def test_a_counter_that_starts_anew_starts_the_rate_anew():
    rate = Rate()
    rate.update(100, 0.0)
    assert rate.update(110, 2.0) == 5.0
    assert rate.update(0, 3.0) is None
    assert rate.update(6, 5.0) == 3.0
