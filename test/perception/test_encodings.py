# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Raw image messages: every encoding against a slow reference, and messages that lie."""

from __future__ import annotations

import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.encodings import LAYOUTS, decode_image, encode_mono8, encode_rgb8
from rs_onboard.perception.errors import EncodingError

AERIAL = Path(__file__).parents[1] / 'data' / 'images' / 'aerial.jpg'
BAYER = {'rggb': 'RGGB', 'bggr': 'BGGR', 'gbrg': 'GBRG', 'grbg': 'GRBG'}


@pytest.fixture(scope='module')
def aerial():
    return np.ascontiguousarray(cv2.imread(str(AERIAL))[..., ::-1])


def decode(encoding, samples, *, size=None, pad=0, big=False, **more):
    """Decode (rows, bytes) samples after padding each row with rubbish."""
    rows, row_bytes = samples.shape
    rubbish = np.full((rows, pad), 0xA5, np.uint8)
    padded = np.hstack([samples, rubbish])
    height, width = size
    return decode_image(
        encoding=encoding,
        height=height,
        width=width,
        step=row_bytes + pad,
        is_bigendian=big,
        data=array.array('B', padded.tobytes()),
        **more,
    )


def samples_of(encoding, rgb):
    """Write an RGB image in an encoding; return its (rows, bytes) samples."""
    height = len(rgb)
    grey = rgb.mean(axis=2).astype(np.uint8)
    red, green, blue = (rgb[..., i] for i in range(3))
    alpha = np.full_like(grey, 77)
    if encoding in {'mono8', '8UC1'}:
        return grey
    if encoding in {'mono16', '16UC1'}:
        return np.stack([255 - grey, grey], axis=2).reshape(height, -1)
    if encoding.startswith('bayer'):
        colours = BAYER[encoding[6:10]]
        mosaic = np.empty_like(grey)
        for i, name in enumerate(colours):
            mosaic[i // 2 :: 2, i % 2 :: 2] = rgb[i // 2 :: 2, i % 2 :: 2, 'RGB'.index(name)]
        return mosaic
    planes = {
        'rgb8': (red, green, blue),
        'bgr8': (blue, green, red),
        '8UC3': (blue, green, red),
        'rgba8': (red, green, blue, alpha),
        'bgra8': (blue, green, red, alpha),
    }
    if encoding in planes:
        return np.stack(planes[encoding], axis=2).reshape(height, -1)
    return yuv_samples(encoding, rgb)


def yuv_samples(encoding, rgb):
    """BT.601, studio swing, chroma averaged over its block."""
    height, width, _ = rgb.shape
    red, green, blue = (rgb[..., i].astype(np.float64) for i in range(3))
    luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    cb = 128 + (-37.797 * red - 74.203 * green + 112.0 * blue) / 255
    cr = 128 + (112.0 * red - 93.786 * green - 18.214 * blue) / 255
    luma, cb, cr = (np.rint(p).astype(np.uint8) for p in (luma, cb, cr))
    if encoding in {'nv12', 'nv21'}:
        cb, cr = (
            np.rint(p.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))).astype(np.uint8)
            for p in (cb, cr)
        )
        pair = (cb, cr) if encoding == 'nv12' else (cr, cb)
        return np.vstack([luma, np.stack(pair, axis=2).reshape(height // 2, width)])
    cb, cr = (
        np.rint(p.reshape(height, width // 2, 2).mean(axis=2)).astype(np.uint8) for p in (cb, cr)
    )
    even, odd = luma[:, ::2], luma[:, 1::2]
    quad = (even, cb, odd, cr) if encoding in {'yuyv', 'yuv422_yuy2'} else (cb, even, cr, odd)
    return np.stack(quad, axis=2).reshape(height, 2 * width)


@pytest.mark.parametrize('pad', [0, 5, 64])
@pytest.mark.parametrize('encoding', sorted(LAYOUTS))
def test_every_encoding_gives_back_a_real_image_with_and_without_padding(encoding, pad, aerial):
    image = decode(encoding, samples_of(encoding, aerial), size=aerial.shape[:2], pad=pad)
    assert image.shape == aerial.shape
    assert image.dtype == np.uint8
    if 'mono' in encoding or 'C1' in encoding:
        grey = aerial.mean(axis=2).astype(np.uint8)
        assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=2))
    elif 'bayer' in encoding or encoding in {'uyvy', 'yuyv', 'nv12', 'nv21'} or 'yuv' in encoding:
        # Chroma is subsampled, so the colours come back nearly, and far from swapped.
        error = np.abs(image.astype(int) - aerial).mean()
        swapped = np.abs(image[..., ::-1].astype(int) - aerial).mean()
        assert error < (12 if 'bayer' in encoding else 4.5)
        assert swapped > 2 * error
    else:
        assert np.array_equal(image, aerial)


def test_tight_rgb8_is_a_read_only_view_of_the_message():
    data = array.array('B', range(24))
    image = decode_image(encoding='rgb8', height=2, width=4, step=12, is_bigendian=False, data=data)
    data[0] = 99
    assert image[0, 0, 0] == 99
    with pytest.raises(ValueError, match='read-only'):
        image[0, 0, 0] = 1


def test_padded_rgb8_is_a_view_as_well_and_the_message_stays_writable():
    data = np.arange(2 * 16, dtype=np.uint8)
    image = decode_image(encoding='rgb8', height=2, width=4, step=16, is_bigendian=False, data=data)
    assert np.shares_memory(image, data)
    assert image[1, 0].tolist() == [16, 17, 18]
    assert data.flags.writeable


@pytest.mark.parametrize('colours', sorted(BAYER))
def test_bayer_patterns_are_read_as_ros_names_them(colours):
    """A flat colour must come back exactly; a shifted pattern would turn it into another."""
    flat = np.full((8, 10, 3), (200, 120, 30), np.uint8)
    samples = samples_of(f'bayer_{colours}8', flat)
    image = decode(f'bayer_{colours}8', samples, size=(8, 10))
    assert np.array_equal(image, flat)


@pytest.mark.parametrize('colours', sorted(BAYER))
@pytest.mark.parametrize('size', [(9, 12), (8, 11), (3, 3)])
def test_bayer_interpolation_is_bilinear_in_odd_sizes_too(colours, size):
    mosaic = np.random.default_rng(3).integers(0, 256, size, dtype=np.uint8)
    image = decode(f'bayer_{colours}8', mosaic, size=size)
    for y in range(1, size[0] - 1):
        for x in range(1, size[1] - 1):
            for channel, name in enumerate('RGB'):
                known = [
                    (abs(dy) + abs(dx), int(mosaic[y + dy, x + dx]))
                    for dy in (-1, 0, 1)
                    for dx in (-1, 0, 1)
                    if BAYER[colours][2 * ((y + dy) % 2) + (x + dx) % 2] == name
                ]
                nearest = min(known)[0]
                values = [value for distance, value in known if distance == nearest]
                assert abs(image[y, x, channel] - np.mean(values)) <= 1


@pytest.mark.parametrize('encoding', ['uyvy', 'yuyv', 'nv12', 'nv21'])
def test_yuv_follows_the_formula_of_bt601(encoding):
    samples = np.random.default_rng(4).integers(16, 236, (6, 8), dtype=np.uint8)
    size = (6, 4) if encoding in {'uyvy', 'yuyv'} else (4, 8)
    image = decode(encoding, samples, size=size)
    for y in range(size[0]):
        for x in range(size[1]):
            even = 2 * (x // 2)
            if encoding == 'uyvy':
                luma, cb, cr = samples[y, 2 * x + 1], samples[y, 2 * even], samples[y, 2 * even + 2]
            elif encoding == 'yuyv':
                luma, cb, cr = samples[y, 2 * x], samples[y, 2 * even + 1], samples[y, 2 * even + 3]
            else:
                luma, cb, cr = samples[y, x], *samples[4 + y // 2, even : even + 2]
                cb, cr = (cb, cr) if encoding == 'nv12' else (cr, cb)
            light = 1.164 * (int(luma) - 16)
            u, v = int(cb) - 128, int(cr) - 128
            expected = [light + 1.596 * v, light - 0.813 * v - 0.391 * u, light + 2.018 * u]
            assert np.abs(image[y, x] - np.clip(expected, 0, 255)).max() <= 2


@pytest.mark.parametrize('big', [False, True])
def test_mono16_honours_the_byte_order(big):
    values = np.array([[0x0001, 0x00FF, 0x0100, 0x7FFF, 0xFF00]], '>u2' if big else '<u2')
    samples = values.view(np.uint8)
    image = decode('mono16', samples, size=(1, 5), big=big)
    assert image[0, :, 0].tolist() == [0, 0, 1, 0x7F, 0xFF]


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('pad', [0, 3])
def test_mono16_range_spreads_a_thermal_camera_linearly(big, pad):
    values = np.array([[0, 7000, 8000, 8500, 9000, 65535]], '>u2' if big else '<u2')
    image = decode(
        '16UC1', values.view(np.uint8), size=(1, 6), pad=pad, big=big, mono16_range=(7000, 9000)
    )
    assert image[0, :, 1].tolist() == [0, 0, 128, 191, 255, 255]


@pytest.mark.parametrize('limits', [(5, 5), (9, 3), (-1, 4), (0, 65536)])
def test_mono16_range_that_is_none_is_refused(limits):
    with pytest.raises(EncodingError, match='mono16_range'):
        decode('mono16', np.zeros((1, 2), np.uint8), size=(1, 1), mono16_range=limits)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'encoding': 'rgb16'}, "'rgb16' is not read here; have the driver publish one of rgb8"),
        ({'encoding': ''}, "'' is not read"),
        ({'height': 0}, 'at least 1 px'),
        ({'width': -4}, 'at least 1 px'),
        ({'width': 9}, 'step 24, must be at least 27 bytes'),
        ({'step': 23}, 'step 23, must be at least 24'),
        ({'step': 0}, 'step 0'),
        ({'height': 5}, '96 bytes of data, must be 120'),
        ({'height': 3}, '96 bytes of data, must be 72'),
        ({'data': b''}, '0 bytes of data'),
        ({'height': 2**31, 'width': 2**31}, 'step 24'),
        ({'encoding': 'nv12', 'step': 8, 'height': 3}, 'the height of 2'),
        ({'encoding': 'uyvy', 'width': 7}, 'a multiple of 2'),
        ({'encoding': 'bayer_rggb8', 'width': 2}, 'at least 3 px'),
    ],
)
def test_a_lying_message_is_refused_with_what_was_found_and_allowed(change, message):
    fields = {
        'encoding': 'rgb8',
        'height': 4,
        'width': 8,
        'step': 24,
        'is_bigendian': False,
        'data': bytes(96),
    }
    with pytest.raises(EncodingError, match=message):
        decode_image(**{**fields, **change})


@settings(max_examples=400, deadline=None)
@given(
    encoding=st.sampled_from([*sorted(LAYOUTS), 'rgb16', 'jpeg', '']),
    big=st.booleans(),
    data=st.binary(max_size=400),
    true_length=st.booleans(),
    sizes=st.fixed_dictionaries(
        {
            name: st.integers(-1, 40) | st.integers(0, 2**32 - 1)
            for name in ('height', 'width', 'step')
        }
    ),
)
def test_no_message_does_worse_than_an_encoding_error(encoding, big, data, true_length, sizes):
    height, width, step = sizes['height'], sizes['width'], sizes['step']
    if true_length and 0 < height * step < 2000:
        rows = height * 3 // 2 if encoding.startswith('nv') else height
        data = (data or b'\x5a').ljust(rows * step, b'\x5a')[: rows * step]
    try:
        image = decode_image(
            encoding=encoding, is_bigendian=big, data=array.array('B', data), **sizes
        )
    except EncodingError:
        return
    assert image.shape == (height, width, 3)
    assert image.sum() >= 0


@pytest.mark.parametrize('encoding', sorted(LAYOUTS))
def test_a_single_pixel_is_decoded_or_refused_on_every_opencv(encoding):
    layout = LAYOUTS[encoding]
    step = layout.bytes_per_pixel
    try:
        image = decode_image(
            encoding=encoding, height=1, width=1, step=step, is_bigendian=False, data=bytes(step)
        )
    except EncodingError as exc:
        assert '1x1' in str(exc)  # noqa: PT017  both ends are right, by version
    else:
        assert image.tolist() == [[[0, 0, 0]]]


def test_encoded_images_are_what_went_in_also_from_a_slice(aerial):
    part = aerial[10:50, 20:61]
    packed = encode_rgb8(part)
    assert packed.typecode == 'B'
    assert packed.tobytes() == part.tobytes()
    mask = aerial[:40, :30, 1]
    assert encode_mono8(mask).tobytes() == mask.tobytes()


def test_encoding_refuses_other_shapes_and_types():
    with pytest.raises(EncodingError, match=r'float32 \(2, 2, 3\), must be uint8 \(H, W, 3\)'):
        encode_rgb8(np.zeros((2, 2, 3), np.float32))
    with pytest.raises(EncodingError, match=r'must be uint8 \(H, W\)'):
        encode_mono8(np.zeros((2, 2, 3), np.uint8))
