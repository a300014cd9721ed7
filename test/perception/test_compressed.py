# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed image messages: truncated, damaged, oversized and mislabelled ones."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.encodings import decode_compressed
from rs_onboard.perception.errors import EncodingError
from rs_onboard.perception.image_headers import read_header

JPEG = (Path(__file__).parents[1] / 'data' / 'images' / 'aerial.jpg').read_bytes()
BGR = cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR)
RGB = np.ascontiguousarray(BGR[..., ::-1])


def encode(suffix, image, *flags):
    return cv2.imencode(suffix, image, list(flags))[1].tobytes()


PNG = encode('.png', BGR)


def chunk(name, body):
    return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))


@pytest.mark.parametrize(
    'format_', ['', 'jpeg', 'jpg', 'JPEG', 'png', 'rgb8; jpeg compressed bgr8', 'bgr8;png']
)
@pytest.mark.parametrize('data', [JPEG, PNG], ids=['jpeg', 'png'])
def test_signature_decides_and_gives_rgb(format_, data):
    assert np.array_equal(decode_compressed(format=format_, data=data), RGB)


def test_every_kind_of_buffer_is_read():
    for data in (bytearray(JPEG), memoryview(JPEG), np.frombuffer(JPEG, np.uint8)):
        assert np.array_equal(decode_compressed(format='jpeg', data=data), RGB)


def test_payload_written_as_rgb_is_not_swapped_a_second_time():
    image = decode_compressed(format='bgr8; png compressed rgb8', data=encode('.png', RGB))
    assert np.array_equal(image, RGB)


def test_grey_jpeg_and_alpha_png_become_rgb():
    grey = BGR[..., 1]
    image = decode_compressed(format='mono8; jpeg compressed ', data=encode('.jpg', grey))
    assert image.shape == RGB.shape
    assert np.ptp(image, axis=2).max() == 0
    alpha = np.dstack([BGR, np.full(grey.shape, 9, np.uint8)])
    assert np.array_equal(decode_compressed(format='png', data=encode('.png', alpha)), RGB)


def test_16_bit_png_takes_the_high_byte_or_the_given_range():
    values = np.array([[0, 7000, 8000, 9000, 65535]] * 2, np.uint16)
    data = encode('.png', values)
    whole = decode_compressed(format='mono16; png compressed ', data=data)
    assert whole[0, :, 0].tolist() == [0, 27, 31, 35, 255]
    spread = decode_compressed(format='png', data=data, mono16_range=(7000, 9000))
    assert spread[1, :, 2].tolist() == [0, 0, 128, 255, 255]


def test_progressive_jpeg_with_restarts_and_padding_behind_it_is_whole():
    data = encode('.jpg', BGR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 4)
    assert decode_compressed(format='jpeg', data=data + bytes(512)).shape == RGB.shape
    assert read_header(data) == ('jpeg', 320, 180, 3, 8)


def test_exif_orientation_is_left_to_the_camera_model():
    exif = b'Exif\0\0' + b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
    rotated = JPEG[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + JPEG[2:]
    turned = cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR)
    assert turned.shape == (320, 180, 3), 'the fixture must have an orientation that counts'
    assert np.array_equal(decode_compressed(format='jpeg', data=rotated), RGB)


@pytest.mark.parametrize('data', [JPEG, PNG], ids=['jpeg', 'png'])
def test_data_cut_anywhere_is_refused(data):
    for length in [*range(40), *range(40, len(data), 211), len(data) - 1]:
        with pytest.raises(EncodingError):
            decode_compressed(format='', data=data[:length])


def test_jpeg_cut_behind_an_embedded_thumbnail_is_refused():
    """The thumbnail brings an end marker of its own, before the picture."""
    thumbnail = encode('.jpg', cv2.resize(BGR, (32, 18)))
    whole = JPEG[:2] + b'\xff\xe1' + struct.pack('>H', len(thumbnail) + 2) + thumbnail + JPEG[2:]
    assert np.array_equal(decode_compressed(format='jpeg', data=whole), RGB)
    with pytest.raises(EncodingError, match=r'no end of image \(ff d9\)'):
        decode_compressed(format='jpeg', data=whole[: len(whole) * 2 // 3])


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', '0 bytes starting with nothing are neither'),
        (b'GIF89a' + bytes(20), '47 49 46'),
        (b'\xff\xd8\xff\xd9' + bytes(9), 'hold no picture'),
        (b'\xff\xd8\xff\xe0\x00\x04abcdefgh', 'no marker at byte 8'),
        (PNG[:60] + b'\x00\x01' + PNG[62:], 'checksum of chunk'),
        (PNG[:8] + chunk(b'IEND', b''), "first chunk is b'IEND'"),
    ],
)
def test_what_is_no_image_is_named(data, message):
    with pytest.raises(EncodingError, match=message):
        decode_compressed(format='', data=data)


@pytest.mark.parametrize('format_', ['h264', 'tiff', '16UC1; compressedDepth png', 'ffmpeg'])
def test_formats_that_are_no_picture_are_refused(format_):
    with pytest.raises(EncodingError, match='is not read here; publish jpeg or png'):
        decode_compressed(format=format_, data=PNG)


def test_a_bomb_is_refused_before_memory_is_taken():
    rows = zlib.compress(bytes(1000))
    head = struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
    bomb = PNG[:8] + chunk(b'IHDR', head) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')
    start = JPEG.index(b'\xff\xc0')
    tall = JPEG[: start + 5] + b'\xff\xff\xff\xff' + JPEG[start + 9 :]
    tracemalloc.start()
    for data, size in ((bomb, '60000x60000'), (tall, '65535x65535')):
        with pytest.raises(EncodingError, match=f'says {size} pixels, allowed are 1 to 134217728'):
            decode_compressed(format='', data=data)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_the_cap_can_be_set_and_is_inclusive():
    assert decode_compressed(format='jpeg', data=JPEG, max_pixels=320 * 180).shape == RGB.shape
    with pytest.raises(EncodingError, match='320x180 pixels, allowed are 1 to 57599'):
        decode_compressed(format='jpeg', data=JPEG, max_pixels=320 * 180 - 1)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([JPEG, PNG, encode('.jpg', BGR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)]),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 3000),
)
def test_damaged_headers_do_no_worse_than_an_encoding_error(data, changes, cut):
    damaged = bytearray(data)
    for position, value in changes:
        damaged[position] = value
    try:
        image = decode_compressed(
            format='', data=bytes(damaged[: len(data) - cut]), max_pixels=1_000_000
        )
    except EncodingError:
        return
    assert image.ndim == 3
