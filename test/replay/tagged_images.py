# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Small JPEG files with EXIF and XMP blocks made to measure."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).parents[2]
BRIGHTON = REPOSITORY / 'flights' / 'brighton_beach'
SENECA = REPOSITORY / 'test' / 'data' / 'flights' / 'seneca'
BAGS = REPOSITORY / 'test' / 'data' / 'bags_tiny'

SIZES = {2: 1, 3: 2, 4: 4, 5: 8}
XMP_HEADER = b'http://ns.adobe.com/xap/1.0/\0'


def entry(tag, value, order='>'):
    """Return (tag, type, count, bytes) of text, an integer or a tuple of rationals."""
    if isinstance(value, str):
        raw = value.encode() + b'\0'
        return tag, 2, len(raw), raw
    if isinstance(value, int):
        return tag, 4, 1, struct.pack(f'{order}I', value)
    raw = b''.join(struct.pack(f'{order}2I', *x) for x in value)
    return tag, 5, len(value), raw


def directory(entries, offset, order='>'):
    """Serialise one directory that will stand at an offset."""
    table = struct.pack(f'{order}H', len(entries))
    heap = b''
    start = offset + 2 + 12 * len(entries) + 4
    for tag, kind, number, raw in entries:
        if len(raw) <= 4:
            where = raw.ljust(4, b'\0')
        else:
            where = struct.pack(f'{order}I', start + len(heap))
            heap += raw
        table += struct.pack(f'{order}HHI', tag, kind, number) + where
    return table + b'\0\0\0\0' + heap


def exif(image=None, photo=None, place=None, order='>'):
    """Serialise an EXIF block; every argument maps tags to values."""
    head = (b'MM\0*' if order == '>' else b'II*\0') + struct.pack(f'{order}I', 8)
    image, photo, place = dict(image or {}), dict(photo or {}), dict(place or {})

    def listed(values):
        return [entry(x, y, order) for x, y in sorted(values.items())]

    size = len(directory(listed({**image, 0x8769: 0, 0x8825: 0}), 8, order))
    photo_block = directory(listed(photo), 8 + size, order)
    image.update({0x8769: 8 + size, 0x8825: 8 + size + len(photo_block)})
    place_block = directory(listed(place), image[0x8825], order)
    return head + directory(listed(image), 8, order) + photo_block + place_block


def degrees(value):
    """Return a positive angle as the three rationals of EXIF."""
    whole = int(value)
    minutes = (value - whole) * 60
    return (whole, 1), (int(minutes), 1), (round((minutes - int(minutes)) * 60e4), 10_000)


def place(latitude, longitude, altitude=None):
    """Return a position directory."""
    values = {
        1: 'N' if latitude >= 0 else 'S',
        2: degrees(abs(latitude)),
        3: 'E' if longitude >= 0 else 'W',
        4: degrees(abs(longitude)),
    }
    if altitude is not None:
        values[6] = ((round(altitude * 1000), 1000),)
    return values


def jpeg(*, exif_block=b'', xmp='', width=32, height=24, shade=128):
    """Encode a grey JPEG picture with metadata."""
    picture = np.full((height, width, 3), shade, np.uint8)
    encoded = cv2.imencode('.jpg', picture)[1].tobytes()
    segments = b''
    for payload in (
        b'Exif\0\0' + exif_block if exif_block else b'',
        XMP_HEADER + xmp.encode() if xmp else b'',
    ):
        if payload:
            segments += b'\xff\xe1' + struct.pack('>H', len(payload) + 2) + payload
    return encoded[:2] + segments + encoded[2:]


def flight(folder, number=3, *, start=0, step=5, focal35=24, **more):
    """Write a small flight northwards and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        second = start + index * step
        time = f'2024:05:06 10:{second // 60:02}:{second % 60:02}'
        block = exif(
            photo={0x9003: time, 0xA405: focal35},
            place=place(46.0 + index * 1e-4, -92.0, 200.0),
        )
        path = folder / f'IMG_{index + 1}.jpg'
        path.write_bytes(jpeg(exif_block=block, shade=60 + index, **more))
    return folder
