# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is known about one photograph: position, attitude, time, focal length."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.replay.errors import GeotagError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Limits(NamedTuple):
    """Closed range of a number and its unit, for checks and for messages."""

    low: float
    high: float
    unit: str


# Heights: below the Dead Sea shore up to the reach of stratospheric balloons. Angles: autopilots
# write headings as -180..180 or 0..360. Focal lengths: from bare phone modules to long tele.
LIMITS: Mapping[str, Limits] = {
    'latitude_deg': Limits(-90, 90, 'degrees'),
    'longitude_deg': Limits(-180, 180, 'degrees'),
    'altitude_m': Limits(-500, 50_000, 'm'),
    'rel_altitude_m': Limits(-5_000, 50_000, 'm'),
    'yaw_deg': Limits(-360, 360, 'degrees'),
    'pitch_deg': Limits(-180, 180, 'degrees'),
    'roll_deg': Limits(-180, 180, 'degrees'),
    'gimbal_yaw_deg': Limits(-360, 360, 'degrees'),
    'gimbal_pitch_deg': Limits(-180, 180, 'degrees'),
    'gimbal_roll_deg': Limits(-180, 180, 'degrees'),
    'horizontal_sigma_m': Limits(0, 100_000, 'm'),
    'vertical_sigma_m': Limits(0, 100_000, 'm'),
    'focal_mm': Limits(0.1, 5_000, 'mm'),
    'focal35_mm': Limits(1, 10_000, 'mm'),
    'focal_px': Limits(10, 1_000_000, 'px'),
    'full_width_px': Limits(1, 100_000, 'px'),
}


@dataclass(frozen=True)
class Geotag:
    """Everything known about one image; None means unknown.

    Attributes:
        stamp_ns: Capture time, nanoseconds since 1970 (UTC as far as the source tells it).
        latitude_deg: WGS 84 latitude.
        longitude_deg: WGS 84 longitude.
        altitude_m: Height as the source gives it, for cameras nearly always above mean sea level.
        rel_altitude_m: Height above the take-off point.
        yaw_deg: Body heading, clockwise from true north (NED, forward-right-down body).
        pitch_deg: Body pitch, nose up positive.
        roll_deg: Body roll, right side down positive.
        gimbal_yaw_deg: Heading of the camera's viewing direction, clockwise from true north.
        gimbal_pitch_deg: Elevation of the viewing direction; 0 is the horizon, -90 straight down.
        gimbal_roll_deg: Camera roll, right side down positive.
        horizontal_sigma_m: Standard deviation of the position, each horizontal axis.
        vertical_sigma_m: Standard deviation of the height.
        focal_mm: Focal length.
        focal35_mm: Focal length equivalent on 36x24 mm film.
        focal_px: Calibrated focal length in pixels of the image as it left the camera.
        full_width_px: Width of the image as it left the camera, before any resizing.
    """

    stamp_ns: int | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    rel_altitude_m: float | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    gimbal_yaw_deg: float | None = None
    gimbal_pitch_deg: float | None = None
    gimbal_roll_deg: float | None = None
    horizontal_sigma_m: float | None = None
    vertical_sigma_m: float | None = None
    focal_mm: float | None = None
    focal35_mm: float | None = None
    focal_px: float | None = None
    full_width_px: float | None = None

    @property
    def has_position(self) -> bool:
        """Whether latitude and longitude are known."""
        return self.latitude_deg is not None and self.longitude_deg is not None

    def updated(self, other: Geotag) -> Geotag:
        """Return this tag with every field that `other` knows taken from it."""
        known = {x.name: y for x in fields(other) if (y := getattr(other, x.name)) is not None}
        return replace(self, **known)

    @classmethod
    def from_values(cls, values: Mapping[str, float], *, stamp_ns: int | None = None) -> Geotag:
        """Build a tag of checked values; a position of exactly 0, 0 counts as unknown.

        Drones without a satellite fix write 0, 0, a point in the Gulf of Guinea.
        """
        known = dict(values)
        if known.get('latitude_deg') == 0 and known.get('longitude_deg') == 0:
            del known['latitude_deg'], known['longitude_deg']
        return cls(stamp_ns=stamp_ns, **known)


def check_number(source: str, name: str, label: str, value: float) -> float:
    """Check a value against the limits of a field.

    Args:
        source: File (and line) for the message.
        name: Name of the field in `LIMITS`.
        label: What the source calls the field.
        value: Value found.

    Returns:
        The value.

    Raises:
        GeotagError: It is not finite or out of range.
    """
    low, high, unit = LIMITS[name]
    if not math.isfinite(value) or not low <= value <= high:
        raise GeotagError(
            source, label, value, f'{low:g} to {high:g} {unit}', 'Correct or remove this value.'
        )
    return float(value)


def parse_number(source: str, name: str, label: str, text: str) -> float | None:
    """Read a decimal number; empty text and the usual words for nothing mean unknown (None).

    Raises:
        GeotagError: The text is not a number, or the number is out of range.
    """
    text = text.strip()
    if text.lower() in {'', 'nan', 'none', 'null', 'n/a', 'na', '-'}:
        return None
    try:
        value = float(text)
    except ValueError:
        low, high, unit = LIMITS[name]
        raise GeotagError(
            source,
            label,
            text[:60],
            f'a decimal number, {low:g} to {high:g} {unit}, or nothing when unknown',
            'Correct or remove this value.',
        ) from None
    return check_number(source, name, label, value)


_TIME = re.compile(
    r'(\d{4})[:/.-](\d{1,2})[:/.-](\d{1,2})[T ]+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?'
    r'\s*(Z|[+-]\d{2}:?\d{2})?'
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_time(source: str, label: str, text: str, *, offset: str = '') -> int | None:
    """Read a date with time as EXIF, ISO 8601 or DJI subtitles write it.

    Args:
        source: File (and line) for the message.
        label: What the source calls the field.
        text: The text; empty or all zeros means unknown.
        offset: UTC offset such as +02:00, used where the text has none; empty means UTC.

    Returns:
        Nanoseconds since 1970, or None when unknown.

    Raises:
        GeotagError: The text is not a time between 1970 and 2200.
    """
    text = text.strip().strip('\0').strip()
    if not text.strip('0:/.- T'):
        return None
    if match := _TIME.fullmatch(text):
        year, month, day, hour, minute, second = (int(x) for x in match.groups()[:6])
        zone = match[8] or offset.strip()
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
            moment -= _zone_offset(zone)
        except (ValueError, OverflowError):
            moment = None
        if moment is not None and 1970 <= moment.year < 2200:
            nanos = int((match[7] or '').ljust(9, '0')) if match[7] else 0
            return int((moment - _EPOCH).total_seconds()) * 1_000_000_000 + nanos
    raise GeotagError(
        source,
        label,
        text[:60],
        'YYYY:MM:DD hh:mm:ss with optional fraction and offset, years 1970 to 2199',
        'Correct or remove this time; --rate stamps images without using their times.',
    )


def _zone_offset(zone: str) -> timedelta:
    """Return the offset that text such as +02:00, -0530, Z or nothing means."""
    if not zone or zone == 'Z':
        return timedelta(0)
    digits = zone[1:].replace(':', '')
    if zone[0] not in '+-' or len(digits) != 4 or not digits.isdecimal():
        msg = f'Bad UTC offset {zone!r}.'
        raise ValueError(msg)
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == '-' else offset
