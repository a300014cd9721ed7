# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures inside the page: one size for all, chosen so that the page stays light."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from rs_onboard.replay.report.frames import evenly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Sizes tried, largest first: width [px] and JPEG quality. Letters on the overlays can be read down
# to 960, the picture itself down to 400.
RUNGS = ((1280, 78), (960, 75), (640, 72), (400, 70))

# All pictures together [bytes]. A phone opens a page of 16 MB (base64 adds a third) in a few
# seconds.
PICTURES_LIMIT = 12_000_000

# Pictures of this size [bytes] and less stay as they are.
SMALL = 150_000

# Pictures encoded to find out what a size costs.
SAMPLES = 5


class Picture(NamedTuple):
    """A picture for the page: data URI, width and height [px]."""

    uri: str
    width: int
    height: int


def embed_pictures(
    pictures: Mapping[int, bytes], stamps: Sequence[int], *, limit: int = PICTURES_LIMIT
) -> dict[int, Picture]:
    """Return the pictures of frames, small enough together.

    Args:
        pictures: JPEGs by stamp.
        stamps: Stamps wanted.
        limit: Bytes of all pictures together.

    Returns:
        Pictures by stamp. Those that cannot be decoded are missing; where there are too many for
        the smallest size, so are others, evenly.
    """
    known = [stamp for stamp in dict.fromkeys(stamps) if stamp in pictures]
    rung, wanted = _plan(pictures, known, limit)
    embedded: dict[int, Picture] = {}
    left = limit
    for stamp in wanted:
        shrunk = _shrink(pictures[stamp], *rung)
        if shrunk is None or len(shrunk[0]) > left:
            continue
        data, width, height = shrunk
        left -= len(data)
        uri = f'data:image/jpeg;base64,{base64.b64encode(data).decode("ascii")}'
        embedded[stamp] = Picture(uri, width, height)
    return embedded


def _plan(
    pictures: Mapping[int, bytes], stamps: list[int], limit: int
) -> tuple[tuple[int, int], list[int]]:
    """Choose the size and the pictures that fit."""
    mean = 0.0
    for rung in RUNGS:
        samples = [_shrink(pictures[stamp], *rung) for stamp in evenly(stamps, SAMPLES)]
        sizes = [len(sample[0]) for sample in samples if sample]
        mean = sum(sizes) / len(sizes) if sizes else 0.0
        if mean * len(stamps) <= limit:
            return rung, stamps
    return RUNGS[-1], evenly(stamps, int(limit / mean))


def _shrink(jpeg: bytes, width: int, quality: int) -> tuple[bytes, int, int] | None:
    """Return a JPEG of at most a width, with its width and height [px]; None if it is broken."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if image is None:
        return None
    found_height, found_width = image.shape[:2]
    if found_width <= width and len(jpeg) <= SMALL:
        return jpeg, found_width, found_height
    if found_width > width:
        size = (width, max(1, round(found_height * width / found_width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes(), image.shape[1], image.shape[0]
