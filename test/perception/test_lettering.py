# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Text and labels: they fit, they are clipped, they blend right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.lettering import (
    Rect,
    Style,
    blend,
    draw_label,
    draw_text,
    elide,
    join_fitting,
    label_size,
    paint,
    rounded,
    text_mask,
    text_width,
    wrap,
)

STYLE = Style(14)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12), st.integers(0, 200), st.sampled_from(['', ' 87%']))
def test_shortened_text_always_fits_and_keeps_its_tail(text, width, tail):
    shown = elide(text, STYLE, width, tail)
    assert text_width(shown, STYLE) <= width
    assert shown == '' or shown.endswith(tail)
    if text_width(text + tail, STYLE) <= width:
        assert shown == text + tail


def test_parts_are_dropped_from_the_end_until_they_fit():
    parts = ['one', 'two', 'three']
    wide = text_width('one, two, three', STYLE)
    assert join_fitting(parts, ', ', STYLE, wide) == 'one, two, three'
    assert join_fitting(parts, ', ', STYLE, wide - 1) == 'one, two'
    assert join_fitting(['extraordinary'], ', ', STYLE, 60).endswith('..')
    assert join_fitting([], ', ', STYLE, 60) == ''


@pytest.mark.parametrize('px', range(11, 25))
def test_letters_with_descenders_lie_inside_their_line(px):
    mask = text_mask('Agjpqy|_', px)
    assert mask.shape[0] == Style(px).line_height
    assert mask.max() > 200
    assert mask[0].max() == mask[-1].max() == 0
    assert not mask.flags.writeable


def test_letters_that_the_strokes_lack_become_question_marks():
    assert np.array_equal(text_mask('größe', 14), text_mask('gr??e', 14))
    assert text_mask('\n\t\0', 14).shape[0] == 21


def test_bold_covers_more_than_plain():
    assert text_mask('beach', 16, bold=True).mean() > text_mask('beach', 16).mean()


@pytest.mark.parametrize('at', [(5, 4), (-7, -3), (50, 30), (-500, 0), (0, 500)])
def test_painting_follows_the_formula_and_is_clipped_at_the_edges(at):
    rng = np.random.default_rng(1)
    canvas = rng.integers(0, 256, (40, 60, 3), np.uint8)
    mask = rng.integers(0, 256, (20, 30), np.uint8)
    expected = canvas.astype(float)
    for y in range(20):
        for x in range(30):
            v, u = at[1] + y, at[0] + x
            if 0 <= v < 40 and 0 <= u < 60:
                cover = mask[y, x] / 255
                expected[v, u] = (1 - cover) * expected[v, u] + cover * np.array((255, 100, 0))
    paint(canvas, *at, mask, (255, 100, 0))
    assert np.abs(canvas - expected).max() <= 1.01


def test_blending_an_image_takes_it_where_the_cover_is_full_and_nothing_where_it_is_empty():
    rng = np.random.default_rng(2)
    region, image = rng.integers(0, 256, (2, 8, 9, 3), np.uint8)
    before = region.copy()
    cover = np.zeros((8, 9), np.uint8)
    cover[:4] = 255
    blend(region, cover, image)
    assert np.array_equal(region[:4], image[:4])
    assert np.array_equal(region[4:], before[4:])


def test_round_corners_are_empty_and_the_middle_is_full():
    mask = rounded(40, 20, 6, 190)
    assert mask[0, 0] == mask[-1, -1] == mask[0, -1] == mask[-1, 0] == 0
    assert (mask[4:-4, 4:-4] == 190).all()
    assert np.array_equal(mask, mask[::-1, ::-1])


def test_a_label_stays_inside_its_rectangle():
    canvas = np.full((60, 200, 3), 128, np.uint8)
    rect = Rect(10, 12, *label_size('runway 3%', STYLE))
    draw_label(canvas, rect, 'runway 3%', STYLE)
    changed = (canvas != 128).any(axis=2)
    assert changed.any()
    changed[rect.top : rect.top + rect.height, rect.left : rect.left + rect.width] = False
    assert not changed.any()


def test_text_outside_the_canvas_changes_nothing_and_tells_its_end():
    canvas = np.zeros((10, 10, 3), np.uint8)
    assert draw_text(canvas, 300, 0, 'ok', STYLE) == 300 + text_width('ok', STYLE)
    assert draw_text(canvas, 3, 0, '', STYLE) == 3
    assert not canvas.any()


def test_rectangles_know_whether_they_share_a_pixel():
    rect = Rect(10, 10, 5, 5)
    assert rect.overlaps(Rect(14, 14, 9, 9))
    assert not rect.overlaps(Rect(15, 10, 5, 5))
    assert rect.within(15, 15)
    assert not rect.within(14, 15)


def test_wrapped_text_fits_and_loses_no_word_but_too_long_ones():
    text = 'mediumresidential taken for sparseresidential (0.87)'
    for width in (130, 200, 1000):
        lines = wrap(text, STYLE, width)
        assert ' '.join(lines) == text or width == 130
        assert all(text_width(line, STYLE) <= width for line in lines)
        assert lines[-1].endswith('(0.87)')
    assert wrap('', STYLE, 100) == []
