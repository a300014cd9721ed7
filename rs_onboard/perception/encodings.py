# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels of image messages to HxWx3 uint8 RGB, and back, without cv_bridge.

Encodings are converted once, here, at the edge. Everything a message says about its data (size,
step, endianness, length) is checked before a view is taken, so a message that lies costs an
EncodingError and never a read out of bounds. `rgb8` is handed on as a read-only view of the
message's own bytes, padded rows included; every other encoding is one pass of OpenCV.

Conventions where the ecosystem leaves a choice:

- `mono16` and `16UC1` are scaled linearly from a fixed range, by default the whole 0..65535 (the
  high byte), never from the minimum and maximum of each frame: the same scene must give the same
  picture. Cameras that fill less of the range (14-bit thermal cores) need `mono16_range`.
- `8UC1` is grey; `8UC3` is BGR, as OpenCV has it.
- YUV is BT.601 with studio swing, as V4L2 and OpenCV have it.
- EXIF orientation is ignored: camera geometry is that of the sensor.
"""

from __future__ import annotations

import array
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_onboard.perception.errors import EncodingError
from rs_onboard.perception.image_headers import ImageHeader, read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

Image = NDArray[np.uint8]

# 134 megapixels: above the largest aerial cameras (100 to 127), 400 MB as RGB.
MAX_PIXELS = 1 << 27

# OpenCV's demosaicing leaves images of one or two rows or columns black.
MIN_BAYER_SIZE = 3


class Samples(NamedTuple):
    """Checked samples of a message.

    Attributes:
        rows: (rows, width * bytes per pixel) uint8, read-only view without the padding.
        width: Width of the image [px].
        big_endian: Byte order of 16-bit samples.
        mono16_range: Values shown as black and as white, None for the whole range.
    """

    rows: Image
    width: int
    big_endian: bool
    mono16_range: tuple[int, int] | None

    def pixels(self, channels: int) -> Image:
        """View as (rows, width, channels) uint8."""
        return self.rows.reshape(self.rows.shape[0], self.width, channels)


class Layout(NamedTuple):
    """How an encoding lies in memory and what makes RGB of it.

    Attributes:
        bytes_per_pixel: Bytes of a pixel in a row of the (first) plane.
        decode: From samples to (H, W, 3) uint8 RGB.
        block: Width and height [px] must be multiples of these.
        half_planes: Rows of half-height planes that follow the image, 1 for NV12.
        smallest: Least width and height [px].
    """

    bytes_per_pixel: int
    decode: Callable[[Samples], Image]
    block: tuple[int, int] = (1, 1)
    half_planes: int = 0
    smallest: int = 1


def _keep(samples: Samples) -> Image:
    return samples.pixels(3)


def _convert(channels: int, code: int) -> Callable[[Samples], Image]:
    """Make a decoder that is one OpenCV conversion of interleaved samples."""

    def decode(samples: Samples) -> Image:
        pixels = samples.rows if channels == 1 else samples.pixels(channels)
        return np.asarray(cv2.cvtColor(pixels, code), np.uint8)

    return decode


def _decode_mono16(samples: Samples) -> Image:
    if samples.mono16_range is None:
        grey = samples.pixels(2)[:, :, 0 if samples.big_endian else 1]
    else:
        # The rows may be padded to an odd step, so take the two bytes apart instead of a view.
        high, low = (0, 1) if samples.big_endian else (1, 0)
        pixels = samples.pixels(2).astype(np.uint16)
        grey = _mono16_table(*samples.mono16_range)[(pixels[..., high] << 8) | pixels[..., low]]
    return _grey_to_rgb(np.ascontiguousarray(grey))


def _grey_to_rgb(grey: Image) -> Image:
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


@functools.lru_cache(maxsize=8)
def _mono16_table(black: int, white: int) -> Image:
    """(65536,) uint8: the grey of every 16-bit value, linear from black to white."""
    if not 0 <= black < white <= 0xFFFF:
        msg = f'mono16_range: {(black, white)} is not two rising values in 0..65535'
        raise EncodingError(msg)
    scaled = (np.arange(1 << 16, dtype=np.float64) - black) * (255.0 / (white - black))
    return np.asarray(np.rint(scaled.clip(0, 255)), np.uint8)


_UYVY = Layout(2, _convert(2, cv2.COLOR_YUV2RGB_UYVY), block=(2, 1))
_YUYV = Layout(2, _convert(2, cv2.COLOR_YUV2RGB_YUY2), block=(2, 1))
_MONO8 = Layout(1, _convert(1, cv2.COLOR_GRAY2RGB))
_MONO16 = Layout(2, _decode_mono16)
_BGR8 = Layout(3, _convert(3, cv2.COLOR_BGR2RGB))


def _bayer(code: int) -> Layout:
    return Layout(1, _convert(1, code), smallest=MIN_BAYER_SIZE)


# OpenCV names Bayer patterns after the second pixel of the second row: its BG is RGGB.
LAYOUTS: dict[str, Layout] = {
    'rgb8': Layout(3, _keep),
    'bgr8': _BGR8,
    '8UC3': _BGR8,
    'rgba8': Layout(4, _convert(4, cv2.COLOR_RGBA2RGB)),
    'bgra8': Layout(4, _convert(4, cv2.COLOR_BGRA2RGB)),
    'mono8': _MONO8,
    '8UC1': _MONO8,
    'mono16': _MONO16,
    '16UC1': _MONO16,
    'bayer_rggb8': _bayer(cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGB2RGB),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv12': Layout(1, _convert(1, cv2.COLOR_YUV2RGB_NV12), block=(2, 2), half_planes=1),
    'nv21': Layout(1, _convert(1, cv2.COLOR_YUV2RGB_NV21), block=(2, 2), half_planes=1),
}


def decode_image(
    *,
    encoding: str,
    height: int,
    width: int,
    step: int,
    is_bigendian: bool,
    data: Buffer,
    mono16_range: tuple[int, int] | None = None,
) -> Image:
    """Make RGB of the fields of a sensor_msgs/Image.

    Args:
        encoding: One of LAYOUTS.
        height: Height [px].
        width: Width [px].
        step: Bytes from one row to the next, padding included.
        is_bigendian: Byte order of 16-bit samples; means nothing for others.
        data: The samples, `step` times the rows long.
        mono16_range: The 16-bit values shown as black and as white, None for 0 and 65535.

    Returns:
        (H, W, 3) uint8 RGB. For `rgb8` a read-only view that keeps `data` alive.

    Raises:
        EncodingError: If the fields and the data do not fit together.
    """
    layout = LAYOUTS.get(encoding)
    if layout is None:
        msg = (
            f'encoding: {encoding!r} is not read here; have the driver publish one of '
            f'{", ".join(LAYOUTS)}'
        )
        raise EncodingError(msg)
    flat = memoryview(data).cast('B')
    rows, row_bytes = _check_layout(
        layout, f'{encoding} image {width}x{height}', (width, height), step, flat.nbytes
    )
    samples = np.frombuffer(flat, np.uint8).reshape(rows, step)[:, :row_bytes]
    samples.flags.writeable = False
    try:
        return layout.decode(Samples(samples, width, bool(is_bigendian), mono16_range))
    except cv2.error as exc:  # OpenCV 4.5 does so for an image of a single pixel
        msg = f'{encoding} image {width}x{height}: OpenCV {cv2.__version__} refuses it: {exc.err}'
        raise EncodingError(msg) from None


def _check_layout(
    layout: Layout, what: str, size: tuple[int, int], step: int, length: int
) -> tuple[int, int]:
    """Check that the fields describe the data; return its rows and the bytes used in each."""
    width, height = size
    block_w, block_h = layout.block
    if min(width, height) < layout.smallest or width % block_w or height % block_h:
        msg = (
            f'{what}: must be at least {layout.smallest} px on each side, the width a multiple of '
            f'{block_w} and the height of {block_h}; correct the driver'
        )
        raise EncodingError(msg)
    row_bytes = width * layout.bytes_per_pixel
    if step < row_bytes:
        msg = (
            f'{what}: step {step}, must be at least {row_bytes} bytes '
            f'({layout.bytes_per_pixel} a pixel); correct the driver'
        )
        raise EncodingError(msg)
    rows = height + layout.half_planes * height // 2
    if length != rows * step:
        msg = (
            f'{what} with step {step}: {length} bytes of data, must be '
            f'{rows * step} ({rows} rows); correct the driver or look for a truncated message'
        )
        raise EncodingError(msg)
    return rows, row_bytes


def decode_compressed(
    *,
    format: str,  # noqa: A002  the field's name in sensor_msgs/CompressedImage
    data: Buffer,
    max_pixels: int = MAX_PIXELS,
    mono16_range: tuple[int, int] | None = None,
) -> Image:
    """Make RGB of the fields of a sensor_msgs/CompressedImage.

    The data's own signature decides between JPEG and PNG, since publishers disagree on what to
    write into `format`. It decides what image_transport lets it decide: formats that are no
    picture (h264, compressedDepth) are refused, and `compressed rgb8` says that red and blue were
    swapped before compression.

    Args:
        format: 'jpeg', 'png', or as image_transport writes it: 'rgb8; jpeg compressed bgr8'.
        data: The file.
        max_pixels: Most pixels that are decoded, checked in the header, before memory is taken.
        mono16_range: As in decode_image, for 16-bit grey PNG.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        EncodingError: If the data is not a whole JPEG or PNG or is too large.
    """
    low = format.lower()
    if 'depth' in low or (low and not any(name in low for name in ('jpeg', 'jpg', 'png'))):
        msg = f'compressed image: format {format!r} is not read here; publish jpeg or png'
        raise EncodingError(msg)
    raw = data if isinstance(data, bytes) else bytes(data)
    header = read_header(raw)
    if not 0 < header.width * header.height <= max_pixels:
        msg = (
            f'{header.codec} image: the header says {header.width}x{header.height} pixels, allowed '
            f'are 1 to {max_pixels}; scale down before publishing'
        )
        raise EncodingError(msg)
    try:
        return _decode_file(raw, header, mono16_range, swap='compressed rgb' not in low)
    except cv2.error as exc:
        msg = (
            f'{header.codec} image {header.width}x{header.height}: OpenCV {cv2.__version__} '
            f'refuses it: {exc.err}'
        )
        raise EncodingError(msg) from None


def _decode_file(
    raw: bytes, header: ImageHeader, mono16_range: tuple[int, int] | None, *, swap: bool
) -> Image:
    """Decode what the header describes; swap red and blue of what OpenCV gives."""
    if header.bits == 16 and header.channels == 1 and mono16_range is not None:
        values = _imdecode(raw, header, cv2.IMREAD_ANYDEPTH)
        return _grey_to_rgb(_mono16_table(*mono16_range)[values])
    image = _imdecode(raw, header, cv2.IMREAD_COLOR)
    if swap:
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return image.astype(np.uint8, copy=False)


def _imdecode(raw: bytes, header: ImageHeader, flag: int) -> NDArray[np.integer[Any]]:
    """Decode to what the flag asks for and believe the result only if it fits the header."""
    image = cv2.imdecode(np.frombuffer(raw, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape[:2] != (header.height, header.width):
        msg = (
            f'{header.codec} image {header.width}x{header.height}, {len(raw)} bytes: not decoded, '
            'the data is damaged; look at the link between the camera and this node'
        )
        raise EncodingError(msg)
    return np.asarray(image)


def encode_rgb8(image: Image) -> array.array[int]:
    """Copy (H, W, 3) uint8 RGB once into what rclpy takes for `Image.data` without a look at it.

    The step is three times the width. An ndarray or list would be checked element by element.
    """
    return _pack(image, (3,))


def encode_mono8(image: Image) -> array.array[int]:
    """Copy (H, W) uint8, a mask, once into what rclpy takes for `Image.data`; step is the width."""
    return _pack(image, ())


def _pack(image: Image, channels: tuple[int, ...]) -> array.array[int]:
    if image.dtype != np.uint8 or image.ndim != 2 + len(channels) or image.shape[2:] != channels:
        allowed = '(H, W, 3)' if channels else '(H, W)'
        msg = f'image to encode: {image.dtype} {image.shape}, must be uint8 {allowed}'
        raise EncodingError(msg)
    packed = array.array('B')
    # A view of nothing cannot be cast.
    if image.size:
        packed.frombytes(np.ascontiguousarray(image).data.cast('B'))
    return packed
