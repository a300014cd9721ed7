# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tracks in the subtitles (SRT) that DJI drones write beside their videos.

Newer drones write bracketed fields, `[latitude: 46.84] [rel_alt: 39.8 abs_alt: 198.3]`; older ones
`GPS(-91.99,46.84,15)` (longitude first, satellites last) with `BAROMETER:39.8` or `H 39.8m`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rs_onboard.replay.errors import GeotagError
from rs_onboard.replay.geotag import Geotag, parse_number, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Mapping[str, str] = {
    'latitude': 'latitude_deg',
    'longitude': 'longitude_deg',
    'longtitude': 'longitude_deg',
    'altitude': 'altitude_m',
    'abs_alt': 'altitude_m',
    'rel_alt': 'rel_altitude_m',
    'gb_yaw': 'gimbal_yaw_deg',
    'gb_pitch': 'gimbal_pitch_deg',
    'gb_roll': 'gimbal_roll_deg',
}

_INTERVAL = re.compile(r'(\d{2,3}):(\d{2}):(\d{2})[,.](\d{3})\s*-->')
_PAIR = re.compile(r'\b([a-z_]{3,12})\s{0,3}:\s{0,3}([^\s\],;<>]{1,24})')
_OLD_POSITION = re.compile(r'GPS\s?\(\s*([^,\s)]{1,20}),\s*([^,\s)]{1,20})')
_OLD_HEIGHT = re.compile(r'(?:BAROMETER:\s?|\bH )(-?\d+(?:\.\d+)?)')
_TIME = re.compile(r'(\d{4}[-./]\d{2}[-./]\d{2} \d{1,2}:\d{2}:\d{2})(?:[.,](\d{3})(?:,(\d{3}))?)?')


def read_srt(source: str, text: str) -> tuple[Geotag, ...]:
    """Read the track in a subtitle file.

    The first date in the file starts the clock and the subtitle intervals carry it on, which are
    exact to a millisecond where the dates are often exact to a second.

    Args:
        source: File name for messages.
        text: The file.

    Returns:
        Tags with stamps in rising order. Without any date the stamps count from zero.

    Raises:
        GeotagError: There is no subtitle with a position, or a value is out of range.
    """
    samples: list[Geotag] = []
    start_ns: int | None = None
    first_ns = 0
    blocks = re.split(r'\n\s*\n', text.replace('\r\n', '\n'))
    for number, block in enumerate(blocks, 1):
        if (interval := _INTERVAL.search(block)) is None:
            continue
        place = f'{source}, subtitle {number}'
        hours, minutes, seconds, millis = (int(x) for x in interval.groups())
        elapsed = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + millis * 1_000_000
        body = block[interval.end() :]
        if start_ns is None and (date := _TIME.search(body)):
            fraction = ''.join(x for x in date.groups()[1:] if x)
            start_ns = parse_time(place, 'date', date[1] + (f'.{fraction}' if fraction else ''))
            first_ns = elapsed
        values = _fields(place, body)
        if {'latitude_deg', 'longitude_deg'} <= values.keys():
            stamp = (start_ns or 0) + elapsed - first_ns
            if not samples or stamp > (samples[-1].stamp_ns or 0):
                samples.append(Geotag.from_values(values, stamp_ns=stamp))
    if not samples:
        raise GeotagError(
            source,
            'the subtitles',
            f'{len(blocks)} blocks, none with a position',
            'subtitles with [latitude: ..] [longitude: ..] or GPS(..)',
            'Switch on video subtitles in the app, or give the track as CSV.',
        )
    return tuple(samples)


def _fields(place: str, body: str) -> dict[str, float]:
    """Return the checked values of one subtitle."""
    values: dict[str, float] = {}

    def take(field: str, label: str, text: str) -> None:
        number = parse_number(place, field, label, text)
        if number is not None:
            values[field] = number

    for label, text in _PAIR.findall(body):
        if label in FIELDS:
            take(FIELDS[label], label, text)
        elif label == 'focal_len':
            # 24 mm is written as 240 by earlier firmware and as 24.00 by later.
            earlier = text.isdecimal() and len(text) >= 3
            take('focal35_mm', label, f'{text[:-1]}.{text[-1]}' if earlier else text)
    if old := _OLD_POSITION.search(body):
        take('longitude_deg', 'GPS', old[1])
        take('latitude_deg', 'GPS', old[2])
        if height := _OLD_HEIGHT.search(body):
            take('rel_altitude_m', 'height', height[1])
    return values
