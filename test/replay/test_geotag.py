# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers and times of geotags are checked where they are read."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.replay.errors import GeotagError
from rs_onboard.replay.geotag import LIMITS, Geotag, parse_number, parse_time

S = 1_000_000_000


def test_times_are_read_in_all_spellings():
    noon = 1_714_996_800 * S
    for text in (
        '2024:05:06 12:00:00',
        '2024-05-06T12:00:00Z',
        '2024-05-06 14:00:00+02:00',
        '2024/05/06 06:30:00 -0530',
        '2024.05.06 12:00:00',
    ):
        assert parse_time('x', 'time', text) == noon, text
    assert parse_time('x', 'time', '2024:05:06 12:00:00.25') == noon + S // 4
    assert parse_time('x', 'time', '2024:05:06 12:00:00', offset='+01:00') == noon - 3600 * S


def test_unset_times_are_unknown():
    for text in ('', '   ', '0000:00:00 00:00:00', '\0\0\0'):
        assert parse_time('x', 'time', text) is None


def test_impossible_times_are_refused_with_the_way_out():
    wrong = ('2024:13:06 12:00:00', '06.05.2024 12:00', 'noon', '1969:12:31 23:59:59', '9' * 99)
    for text in wrong:
        with pytest.raises(GeotagError, match=r'a\.jpg: DateTime is .*--rate') as caught:
            parse_time('a.jpg', 'DateTime', text)
        assert isinstance(caught.value, ValueError)
    with pytest.raises(GeotagError, match='optional fraction and offset'):
        parse_time('a.jpg', 'DateTime', '2024:05:06 12:00:00', offset='+1:00')


@given(st.integers(1, 7_000_000_000), st.integers(0, 999_999))
def test_every_time_survives_writing_and_reading(second, micros):
    text = f'{datetime.fromtimestamp(second, timezone.utc):%Y:%m:%d %H:%M:%S}.{micros:06}'
    assert parse_time('x', 'time', text) == second * S + micros * 1000


def test_numbers_out_of_range_name_file_field_value_and_limits():
    with pytest.raises(GeotagError, match=r'b\.csv: lat is 90\.5; allowed: -90 to 90 degrees'):
        parse_number('b.csv', 'latitude_deg', 'lat', '90.5')
    with pytest.raises(GeotagError, match="lat is 'north'; allowed: a decimal number"):
        parse_number('b.csv', 'latitude_deg', 'lat', 'north')
    with pytest.raises(GeotagError, match='inf'):
        parse_number('b.csv', 'latitude_deg', 'lat', 'inf')


def test_words_for_nothing_are_unknown():
    for text in ('', ' ', 'nan', 'NaN', 'None', 'n/a', '-'):
        assert parse_number('x', 'yaw_deg', 'yaw', text) is None


def test_limits_cover_exactly_the_numeric_fields():
    assert set(LIMITS) == set(Geotag.__dataclass_fields__) - {'stamp_ns'}


def test_the_gulf_of_guinea_is_no_position():
    tag = Geotag.from_values({'latitude_deg': 0.0, 'longitude_deg': 0.0, 'yaw_deg': 3.0})
    assert not tag.has_position
    assert tag.yaw_deg == 3.0
    assert Geotag.from_values({'latitude_deg': 0.0, 'longitude_deg': 5.0}).has_position


def test_updated_takes_only_what_the_other_knows():
    tag = Geotag(latitude_deg=1.0, yaw_deg=2.0).updated(Geotag(yaw_deg=5.0, pitch_deg=0.0))
    assert (tag.latitude_deg, tag.yaw_deg, tag.pitch_deg) == (1.0, 5.0, 0.0)
