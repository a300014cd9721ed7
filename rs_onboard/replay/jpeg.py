# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of a JPEG file that say what the picture is: size, EXIF block, XMP packet."""

from __future__ import annotations

from typing import NamedTuple

from rs_onboard.perception.errors import EncodingError
from rs_onboard.perception.image_headers import BARE_MARKERS, FILL, JPEG_SIGNATURE, SOS, read_header
from rs_onboard.replay.errors import GeotagError

_APP1 = 0xE1
_EXIF = b'Exif\0\0'
_XMP = b'http://ns.adobe.com/xap/1.0/\0'


class JpegParts(NamedTuple):
    """What the header of a JPEG file holds.

    Attributes:
        width: Image width, pixels.
        height: Image height, pixels.
        exif: TIFF structure of the first EXIF segment, empty if there is none.
        xmp: First XMP packet, empty if there is none.
    """

    width: int
    height: int
    exif: bytes
    xmp: bytes


def read_jpeg_parts(source: str, data: bytes) -> JpegParts:
    """Read size and metadata blocks of a JPEG file.

    Args:
        source: File name for messages.
        data: The whole file.

    Raises:
        GeotagError: The bytes are not a JPEG file, damaged or truncated.
    """
    problem = None
    if not data.startswith(JPEG_SIGNATURE):
        problem = f'{len(data)} bytes starting with {data[:8].hex(" ") or "nothing"}'
    else:
        try:
            header = read_header(data)
        except EncodingError as exc:
            problem = str(exc)
        else:
            if not header.width or not header.height:
                problem = f'{header.width}x{header.height} pixels'
    if problem is not None:
        raise GeotagError(
            source,
            'the image data',
            problem,
            'a whole JPEG picture (starts with ff d8 ff, ends with ff d9)',
            'Copy the file again from the card, or remove it.',
        )
    exif, xmp = _metadata(data)
    return JpegParts(header.width, header.height, exif, xmp)


def _metadata(data: bytes) -> tuple[bytes, bytes]:
    """Walk the segments before the first scan, which `read_header` has found sound."""
    exif = xmp = b''
    pos = 2
    while pos + 4 <= len(data) and data[pos + 1] != SOS:
        marker = data[pos + 1]
        if marker == FILL:
            pos += 1
        elif marker in BARE_MARKERS:
            pos += 2
        else:
            end = pos + 2 + max(int.from_bytes(data[pos + 2 : pos + 4], 'big'), 2)
            payload = data[pos + 4 : end] if marker == _APP1 else b''
            if not exif and payload.startswith(_EXIF):
                exif = payload[len(_EXIF) :]
            elif not xmp and payload.startswith(_XMP):
                xmp = payload[len(_XMP) :]
            pos = end
    return exif, xmp
