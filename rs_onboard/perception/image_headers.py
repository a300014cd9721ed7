# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the headers of JPEG and PNG data say, read before anything is decoded.

A decoder allocates what a header asks for and paints over what is missing: a few hundred bytes can
ask for gigabytes, and a JPEG cut in half decodes without an error into a picture that is half grey.
Both are found here, in the bytes, for the price of a walk over the segments.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from rs_onboard.perception.errors import EncodingError

JPEG_SIGNATURE = b'\xff\xd8\xff'
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'

SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SOS, EOI, FILL = 0xDA, 0xD9, 0xFF
# Markers without a length: TEM and the restart markers.
BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})


class ImageHeader(NamedTuple):
    """Size [px] and sample format of a compressed image."""

    codec: str
    width: int
    height: int
    channels: int
    bits: int


def read_header(data: bytes) -> ImageHeader:
    """Read the header of a whole JPEG or PNG and make sure that its end is there.

    A bit flipped inside a JPEG scan is not found: JPEG has no checksum.

    Raises:
        EncodingError: If it is neither, damaged or truncated.
    """
    if data.startswith(JPEG_SIGNATURE):
        return _read_jpeg(data)
    if data.startswith(PNG_SIGNATURE):
        return _read_png(data)
    msg = (
        f'compressed image: {len(data)} bytes starting with {data[:8].hex(" ") or "nothing"} are '
        'neither JPEG (ff d8 ff) nor PNG (89 50 4e 47): publish one of the two'
    )
    raise EncodingError(msg)


def _read_jpeg(data: bytes) -> ImageHeader:
    """Walk the segments to the first scan, then look for the end marker behind it."""
    header, pos = None, 2
    while pos + 4 <= len(data):
        if data[pos] != FILL:
            msg = f'JPEG: no marker at byte {pos} but {data[pos]:#04x}: the data is damaged'
            raise EncodingError(msg)
        marker = data[pos + 1]
        if marker == FILL:
            pos += 1
            continue
        if marker in BARE_MARKERS:
            pos += 2
            continue
        if marker == EOI:
            break
        length = int.from_bytes(data[pos + 2 : pos + 4], 'big')
        if marker in SOF_MARKERS and pos + 10 <= len(data):
            bits, height, width, channels = struct.unpack_from('>BHHB', data, pos + 4)
            header = ImageHeader('jpeg', width, height, channels, bits)
        pos += 2 + max(length, 2)
        if marker == SOS:
            # Inside a scan every 0xff is followed by a stuffed zero, so this is no picture data;
            # from the end, because cameras pad after it and walking megabytes costs time.
            if header is not None and data.rfind(b'\xff\xd9', pos) >= 0:
                return header
            break
    msg = (
        f'JPEG: truncated, its {len(data)} bytes hold '
        f'{"no end of image (ff d9)" if header else "no picture"}: check the link and the queue '
        'sizes between the camera and this node'
    )
    raise EncodingError(msg)


def _read_png(data: bytes) -> ImageHeader:
    """Walk the chunks to the end and check their sums, as libpng only warns about some."""
    header, pos = None, len(PNG_SIGNATURE)
    while pos + 12 <= len(data):
        length, name = struct.unpack_from('>I4s', data, pos)
        end = pos + 12 + length
        if end > len(data):
            break
        body = memoryview(data)[pos + 4 : end - 4]
        if zlib.crc32(body) != int.from_bytes(data[end - 4 : end], 'big'):
            msg = f'PNG: the checksum of chunk {name!r} at byte {pos} is wrong: damaged on its way'
            raise EncodingError(msg)
        if header is None:
            if name != b'IHDR' or length != 13:
                msg = f'PNG: the first chunk is {name!r} of {length} bytes, not IHDR of 13: damaged'
                raise EncodingError(msg)
            width, height, bits, colour = struct.unpack_from('>IIBB', data, pos + 8)
            header = ImageHeader('png', width, height, 1 if colour in {0, 4} else 3, bits)
        elif name == b'IEND':
            return header
        pos = end
    msg = (
        f'PNG: truncated, its {len(data)} bytes hold no end chunk (IEND): check the link and the '
        'queue sizes between the camera and this node'
    )
    raise EncodingError(msg)
