# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Ranges: all values, nearly all, or those that matter."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

from small_graphs import Builder, tiles

from rs_onboard.zoo.quantise.ranges import BINS, METHODS, Histogram, Span, histograms, spans, unite


def histogram(values):
    ends = (min(0.0, float(values.min())), max(0.0, float(values.max())))
    return Histogram(*ends, np.histogram(values, BINS, ends)[0])


def test_a_rare_far_value_widens_only_the_range_that_keeps_all():
    rng = np.random.default_rng(1)
    values = np.append(rng.normal(size=100_000), 60.0)
    found = {method: spans({'x': histogram(values)}, method)['x'] for method in METHODS}
    assert found['minmax'].high == 60.0
    assert 3 < found['percentile'].high < 6
    assert found['entropy'].high < 60
    assert all(span.low < -2 for span in (found['minmax'], found['percentile']))


@pytest.mark.parametrize('method', METHODS)
def test_zero_is_always_inside_also_of_constants(method):
    for values in (np.full(50, 3.0), np.full(50, -2.0), np.zeros(50), np.linspace(1, 9, 99)):
        span = spans({'x': histogram(values)}, method)['x']
        assert span.low <= 0 <= span.high


def test_the_ends_are_those_of_all_feeds():
    build = Builder()
    x = build.image()
    model = build.model({'labels': (build.node('Tanh', x), 1)})
    feeds = tiles(3)
    found = histograms(model, [x], feeds)[x]
    assert found.high == pytest.approx(max(feed['tiles'].max() for feed in feeds) / 64)
    assert found.counts.sum() > 0


def test_a_common_range_holds_all():
    assert unite([Span(-1, 2), Span(0, 5), Span(-3, 0)]) == Span(-3, 5)
