# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The same trouble on a hundred frames is one alarm a hundred times."""

from __future__ import annotations

import pytest

from rs_onboard.replay.alarms import Alarm, Alarms, without_numbers


@pytest.mark.parametrize(
    ('text', 'plain'),
    [
        ('stale by 1.23 s', 'stale by # s'),
        ('tiles of 3e-05 m/px, 2x2', 'tiles of # m/px, 2x2'),
        ('image of -4.5 s', 'image of # s'),
        ('/cam0/image: nothing', '/cam0/image: nothing'),
        ('two\n lines', 'two lines'),
    ],
)
def test_numbers_are_left_out_and_names_are_not(text, plain):
    assert without_numbers(text) == plain


def test_alarms_are_counted_by_source_level_and_text():
    alarms = Alarms()
    for seconds in (1.5, 2.5, 3.5):
        alarms.add('tiler', 'warn', f'position stale by {seconds} s')
    alarms.add('tiler', 'error', 'position stale by 9 s')
    first, second = alarms.all()
    assert (first.count, first.first) == (3, 'position stale by 1.5 s')
    assert (second.level, second.count) == ('error', 1)
    assert Alarm.from_record(first.record()) == first
