# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Position, time and focal length from the EXIF block of an image.

EXIF is a TIFF structure: directories of 12-byte entries that point to values by offset. Exactly
three directories are read (image, photo, position), each at most `MAX_ENTRIES` long and no value
larger than `MAX_VALUE_BYTES`, so a hostile file cannot make the reader loop or allocate.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from rs_onboard.replay.errors import GeotagError
from rs_onboard.replay.geotag import Geotag, check_number, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    Value = str | tuple[float | None, ...]
    Directory = Mapping[int, Value]

# Cameras write some 60 entries and values of at most a few hundred bytes that matter here.
MAX_ENTRIES = 512
MAX_VALUE_BYTES = 1024

ORIENTATION = 0x0112
DATE_TIME = 0x0132
PHOTO_DIRECTORY = 0x8769
POSITION_DIRECTORY = 0x8825
DATE_TIME_ORIGINAL = 0x9003
OFFSET_TIME_ORIGINAL = 0x9011
FOCAL_LENGTH = 0x920A
SUBSECOND_ORIGINAL = 0x9291
PIXEL_WIDTH = 0xA002
FOCAL_PLANE_X_RESOLUTION = 0xA20E
FOCAL_PLANE_UNIT = 0xA210
FOCAL_LENGTH_35MM = 0xA405
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE, ALTITUDE_REF, ALTITUDE = range(1, 7)
POSITION_ERROR = 0x1F

_ASCII, _RATIONAL, _SRATIONAL = 2, 5, 10
# TIFF type -> bytes of one element, struct code.
_TYPES: Mapping[int, tuple[int, str]] = {
    1: (1, 'B'),
    _ASCII: (1, 's'),
    3: (2, 'H'),
    4: (4, 'I'),
    _RATIONAL: (8, 'I'),
    9: (4, 'i'),
    _SRATIONAL: (8, 'i'),
}
# Focal plane unit -> millimetres: inch (also when not said), centimetre, millimetre, micrometre.
_UNIT_MM: Mapping[int, float] = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


def read_exif(source: str, block: bytes) -> Geotag:
    """Read what the EXIF block of one image says.

    Args:
        source: File name for messages.
        block: TIFF structure, starting at its byte order mark.

    Returns:
        Tag with the fields that the block knows.

    Raises:
        GeotagError: The block is damaged, a value is out of range, or the image is stored turned.
    """
    tiff = _Tiff(source, block)
    image = tiff.directory(tiff.first)
    photo = tiff.linked(image, PHOTO_DIRECTORY)
    place = tiff.linked(image, POSITION_DIRECTORY)
    if (turned := _number(image, ORIENTATION)) not in {None, 0.0, 1.0}:
        raise GeotagError(
            source,
            'EXIF Orientation',
            turned,
            '1 (stored upright), because decoders disagree about turning it',
            'Turn the picture upright without loss, for example with exiftran -a.',
        )
    values: dict[str, float] = {}
    for name, field, positive, negative, full in (
        ('latitude_deg', LATITUDE, 'N', 'S', 'EXIF GPSLatitude'),
        ('longitude_deg', LONGITUDE, 'E', 'W', 'EXIF GPSLongitude'),
    ):
        angle = _sexagesimal(source, full, place.get(field))
        if angle is not None:
            ref = _text(place, field - 1).upper()
            if ref not in {positive, negative}:
                raise GeotagError(
                    source,
                    f'{full}Ref',
                    ref,
                    f'{positive} or {negative}',
                    'Correct the tag, or give the position in a --track.',
                )
            values[name] = check_number(source, name, full, -angle if ref == negative else angle)
    if (altitude := _number(place, ALTITUDE)) is not None:
        below = _number(place, ALTITUDE_REF) == 1
        values['altitude_m'] = check_number(
            source, 'altitude_m', 'EXIF GPSAltitude', -altitude if below else altitude
        )
    for name, directory, tag, label in (
        ('horizontal_sigma_m', place, POSITION_ERROR, 'EXIF GPSHPositioningError'),
        ('focal_mm', photo, FOCAL_LENGTH, 'EXIF FocalLength'),
        ('focal35_mm', photo, FOCAL_LENGTH_35MM, 'EXIF FocalLengthIn35mmFilm'),
        ('full_width_px', photo, PIXEL_WIDTH, 'EXIF PixelXDimension'),
    ):
        # The standard writes an unknown focal length as 0.
        if number := _number(directory, tag):
            values[name] = check_number(source, name, label, number)
    if resolution := _number(photo, FOCAL_PLANE_X_RESOLUTION):
        unit = _UNIT_MM.get(int(_number(photo, FOCAL_PLANE_UNIT) or 2), 25.4)
        if 'focal_mm' in values and resolution > 0:
            values['focal_px'] = check_number(
                source,
                'focal_px',
                'EXIF FocalPlaneXResolution',
                values['focal_mm'] * resolution / unit,
            )
    return Geotag.from_values(values, stamp_ns=_capture_time(source, image, photo))


def _capture_time(source: str, image: Directory, photo: Directory) -> int | None:
    """Return the time of exposure; the time of the last change only where there is none."""
    stamp = parse_time(
        source,
        'EXIF DateTimeOriginal',
        _text(photo, DATE_TIME_ORIGINAL),
        offset=_text(photo, OFFSET_TIME_ORIGINAL),
    )
    if stamp is None:
        return parse_time(source, 'EXIF DateTime', _text(image, DATE_TIME))
    fraction = _text(photo, SUBSECOND_ORIGINAL)
    if fraction.isascii() and fraction.isdecimal():
        stamp += int(fraction[:9].ljust(9, '0'))
    return stamp


def _text(directory: Directory, tag: int) -> str:
    value = directory.get(tag, '')
    return value.strip() if isinstance(value, str) else ''


def _number(directory: Directory, tag: int) -> float | None:
    value = directory.get(tag, ())
    return value[0] if value and not isinstance(value, str) else None


def _sexagesimal(source: str, label: str, value: Value | None) -> float | None:
    """Return degrees of a degrees, minutes, seconds triple, None where any part is unknown."""
    if value is None:
        return None
    if isinstance(value, str) or not 1 <= len(value) <= 3:
        raise GeotagError(
            source,
            label,
            value,
            'up to three rationals: degrees, minutes, seconds',
            'Correct the tag, or give the position in a --track.',
        )
    if any(x is None for x in value):
        return None
    parts = [x or 0.0 for x in value]
    return math.fsum(x / 60.0**place for place, x in enumerate(parts))


class _Tiff:
    """Directories of a TIFF structure."""

    def __init__(self, source: str, block: bytes) -> None:
        self.source = source
        self.block = block
        order = {b'II*\0': '<', b'MM\0*': '>'}.get(block[:4])
        if order is None or len(block) < 8:
            raise self._damaged('byte order mark', block[:4].hex(), '49492a00 or 4d4d002a')
        self.order = order
        self.first = int(struct.unpack_from(f'{order}I', block, 4)[0])

    def directory(self, offset: int) -> Directory:
        """Read the entries at an offset; types that are not needed are passed over."""
        room = len(self.block) - 2
        if not 8 <= offset <= room:
            raise self._damaged('directory offset', offset, f'8 to {room}')
        (count,) = struct.unpack_from(f'{self.order}H', self.block, offset)
        fits = (room - offset) // 12
        if count > min(MAX_ENTRIES, fits):
            raise self._damaged('directory length', count, f'0 to {min(MAX_ENTRIES, fits)} entries')
        values: dict[int, Value] = {}
        for index in range(count):
            start = offset + 2 + 12 * index
            tag, kind, number = struct.unpack_from(f'{self.order}HHI', self.block, start)
            if kind not in _TYPES or not number:
                continue
            width, code = _TYPES[kind]
            # Maker notes and comments are large; none of the fields read here is.
            if number > MAX_VALUE_BYTES // width:
                continue
            size = number * width
            at = start + 8
            if size > 4:
                (at,) = struct.unpack_from(f'{self.order}I', self.block, at)
                if at + size > len(self.block):
                    raise self._damaged(
                        f'offset of tag {tag:#06x}', at, f'0 to {len(self.block) - size}'
                    )
            values[tag] = self._value(kind, code, number, at)
        return values

    def linked(self, parent: Directory, tag: int) -> Directory:
        """Read the directory that an entry of the parent points to, empty if there is none."""
        offset = _number(parent, tag)
        return {} if offset is None else self.directory(int(offset))

    def _value(self, kind: int, code: str, number: int, at: int) -> Value:
        if kind == _ASCII:
            raw = self.block[at : at + number]
            return raw.split(b'\0', 1)[0].decode('ascii', 'replace')
        if kind in {_RATIONAL, _SRATIONAL}:
            parts = struct.unpack_from(f'{self.order}{2 * number}{code}', self.block, at)
            # A denominator of zero is the usual way to write that nothing was measured.
            return tuple(x / y if y else None for x, y in zip(parts[::2], parts[1::2], strict=True))
        unpacked = struct.unpack_from(f'{self.order}{number}{code}', self.block, at)
        return tuple(float(x) for x in unpacked)

    def _damaged(self, field: str, found: object, allowed: str) -> GeotagError:
        return GeotagError(
            self.source,
            f'EXIF {field}',
            found,
            allowed,
            'The metadata is damaged: restore it from the original image, or strip it '
            '(exiftool -all=) and give the positions in a --track.',
        )
