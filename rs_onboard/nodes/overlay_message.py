# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The overlay of a frame as a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage

from rs_onboard.nodes.image_messages import header_message
from rs_onboard.perception.change_picture import render_change
from rs_onboard.perception.overlay import render_overlay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.perception.frame import Frame, FrameHeader
    from rs_onboard.perception.frame_results import FrameResults
    from rs_onboard.perception.results import ChangeResult

CHANGE_WIDTH, CHANGE_QUALITY = 1280, 85


def overlay_message(results: FrameResults, *, width: int, quality: int) -> CompressedImage:
    """Draw the results of a frame as a JPEG image.

    Args:
        results: The results.
        width: Largest width of the picture [px].
        quality: JPEG quality, 1 to 100.
    """
    picture = render_overlay(results, _image(results), max_width=width, age_ms=results.latency_ms)
    return jpeg_message(results.header, picture, quality)


def jpeg_message(header: FrameHeader, picture: NDArray[np.uint8], quality: int) -> CompressedImage:
    """Write (H, W, 3) uint8 RGB as JPEG."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    message = CompressedImage(header=header_message(header), format='jpeg')
    message.data.frombytes(np.asarray(data, np.uint8).tobytes())
    return message


class Comparison(NamedTuple):
    """What is drawn: a frame, what changed, and the map in register, None without a match."""

    frame: Frame
    result: ChangeResult
    before: NDArray[np.uint8] | None


def comparison_message(item: Comparison) -> CompressedImage:
    """Draw a frame beside the map, with what changed."""
    picture = render_change(item.result, item.frame.image, item.before, max_width=CHANGE_WIDTH)
    return jpeg_message(item.result.header, picture, CHANGE_QUALITY)


def _image(results: FrameResults) -> NDArray[np.uint8]:
    if results.frame is not None:
        return results.frame.image
    return np.zeros((results.header.height or 1, results.header.width or 1, 3), np.uint8)
