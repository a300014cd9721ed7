# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Attitude, gimbal and relative altitude from the `drone-dji` fields of an XMP packet.

DJI writes the fields as attributes (`drone-dji:GimbalPitchDegree="-90.00"`) or as elements. They
are found by name, without an XML parser: nothing is expanded, fetched or nested.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rs_onboard.replay.geotag import Geotag, parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping

# The misspelt longitude is what early firmware wrote.
FIELDS: Mapping[str, str] = {
    'GpsLatitude': 'latitude_deg',
    'GPSLatitude': 'latitude_deg',
    'GpsLongitude': 'longitude_deg',
    'GpsLongtitude': 'longitude_deg',
    'GPSLongitude': 'longitude_deg',
    'AbsoluteAltitude': 'altitude_m',
    'RelativeAltitude': 'rel_altitude_m',
    'FlightYawDegree': 'yaw_deg',
    'FlightPitchDegree': 'pitch_deg',
    'FlightRollDegree': 'roll_deg',
    'GimbalYawDegree': 'gimbal_yaw_deg',
    'GimbalPitchDegree': 'gimbal_pitch_deg',
    'GimbalRollDegree': 'gimbal_roll_deg',
    'CalibratedFocalLength': 'focal_px',
    'RtkStdLat': 'horizontal_sigma_m',
    'RtkStdLon': 'horizontal_sigma_m',
    'RtkStdHgt': 'vertical_sigma_m',
}

_FIELD = re.compile(
    rb'drone-dji:([A-Za-z]{1,40})(?:\s{0,8}=\s{0,8}["\']([^"\'<>]{0,64})["\']|>([^<>]{0,64})<)'
)


def read_xmp(source: str, packet: bytes) -> Geotag:
    """Read the DJI fields of an XMP packet.

    Args:
        source: File name for messages.
        packet: The packet, without the header of its segment.

    Returns:
        Tag with the fields that the packet knows.

    Raises:
        GeotagError: A field is not a number or out of range.
    """
    values: dict[str, float] = {}
    for name, attribute, element in _FIELD.findall(packet):
        label = name.decode('ascii')
        if (field := FIELDS.get(label)) is None:
            continue
        text = (attribute or element).decode('ascii', 'replace')
        number = parse_number(source, field, f'XMP drone-dji:{label}', text)
        if number is not None:
            # The larger of the two horizontal deviations stands for both.
            larger = field == 'horizontal_sigma_m' and values.get(field, 0.0) > number
            values[field] = values[field] if larger else number
    return Geotag.from_values(values)
