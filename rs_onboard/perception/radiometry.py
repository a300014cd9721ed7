# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Light and sharpness: whether a frame can be compared, and the light of a map made that of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A frame of which 95 % is darker than this is of night or a covered lens; one of which 95 % is
# brighter than that is overexposed [grey levels].
DARK, BRIGHT = 40, 245
# Fog and lens caps [grey levels, standard deviation].
LEAST_CONTRAST = 6.0
# A channel is neither stretched nor compressed by more than this: beyond it lies noise.
MAX_GAIN = 2.5
# Shares of the pixels between whose values the light of a channel is taken: the rest may be change.
LOW, HIGH = 0.1, 0.9
# Noise must not count as detail [px].
DETAIL_PX = 1.0
# Second differences over two pixels, along x, y and both diagonals.
_LINE = np.zeros((5, 5), np.float32)
_LINE[2, (0, 2, 4)] = (-1, 2, -1)
_SLANT = np.diag(np.array((-1, 0, 2, 0, -1), np.float32))
BENDS = (_LINE, _LINE.T, _SLANT, _SLANT[::-1])


class Unfit(NamedTuple):
    """Why a frame cannot be compared with anything."""

    state: Literal['dark', 'overexposed', 'no_contrast']
    reason: str


def unfit(image: NDArray[np.uint8]) -> Unfit | None:
    """Say whether a frame shows too little to be compared; None for one that is fit.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    low, high = levels(grey, 0, None, (0.05, 0.95))
    if high < DARK:
        return Unfit(
            'dark',
            f'95 % of the frame is darker than {high:.0f} of 255; at least {DARK} is needed. '
            'Night, or a covered lens.',
        )
    if low > BRIGHT:
        return Unfit(
            'overexposed',
            f'95 % of the frame is brighter than {low:.0f} of 255; at most {BRIGHT} can be used. '
            'Shorten the exposure.',
        )
    contrast = float(grey.std())
    if contrast < LEAST_CONTRAST:
        return Unfit(
            'no_contrast',
            f'the frame has a contrast of {contrast:.1f} grey levels; at least '
            f'{LEAST_CONTRAST:g} is needed. Fog, cloud, or a covered lens.',
        )
    return None


def detail(image: NDArray[np.uint8], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much of the contrast of an image lies in its finest details, by direction.

    A camera that moved has lost those along its motion alone, so that every direction counts.

    Args:
        image: (H, W, 3) uint8 RGB.
        seen: (H, W) bool, the pixels that count.

    Returns:
        (4,) float64, along x, y and both diagonals; 0 where there is nothing to see.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), DETAIL_PX)
    inner = cv2.erode(seen.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    whole = float(smooth[inner].std()) if int(inner.sum()) >= 100 else 0.0
    if whole == 0.0:
        return np.zeros(len(BENDS))
    bends = (cv2.filter2D(smooth, cv2.CV_32F, kernel)[inner] for kernel in BENDS)
    return np.array([float(np.asarray(bend).std()) / whole for bend in bends])


def levels(
    image: NDArray[np.uint8],
    channel: int,
    mask: NDArray[np.uint8] | None,
    shares: tuple[float, float],
) -> tuple[float, float]:
    """Return the values that shares of the pixels do not exceed.

    Args:
        image: (H, W) or (H, W, C) uint8.
        channel: The channel.
        mask: (H, W) uint8, 0 for pixels that do not count; None for all.
        shares: Two shares, 0 to 1.
    """
    # A twentieth of the time of numpy's percentile.
    counts = np.ravel(cv2.calcHist([image], [channel], mask, [256], [0, 256])).astype(np.float64)
    sums = counts.cumsum()
    low, high = (int(np.searchsorted(sums, share * sums[-1])) for share in shares)
    return float(min(low, 255)), float(min(high, 255))


def match_light(
    image: NDArray[np.uint8],
    target: NDArray[np.uint8],
    seen: NDArray[np.bool_],
    share: float = 1.0,
) -> NDArray[np.uint8]:
    """Give an image the light of another of the same ground: gain and offset of each channel.

    Taken from the values between which 80 % of the pixels lie, so that what changed has little say.
    It has some: of the difference found, part is light and part is change.

    Args:
        image: (H, W, 3) uint8 RGB.
        target: (H, W, 3) uint8 RGB.
        seen: (H, W) bool, where both show the ground.
        share: How much of the difference is taken out, 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if share == 0.0 or not seen.any():
        return image
    mask = seen.view(np.uint8)
    table = np.empty((1, 256, 3), np.uint8)
    values = np.arange(256.0)
    for channel in range(3):
        low, high = levels(image, channel, mask, (LOW, HIGH))
        wanted_low, wanted_high = levels(target, channel, mask, (LOW, HIGH))
        gain = float(
            np.clip((wanted_high - wanted_low) / max(high - low, 1.0), 1 / MAX_GAIN, MAX_GAIN)
        )
        middle, wanted = (low + high) / 2, (wanted_low + wanted_high) / 2
        there = middle + share * (wanted - middle)
        table[0, :, channel] = np.clip(np.rint(there + gain**share * (values - middle)), 0, 255)
    return np.asarray(cv2.LUT(image, table), np.uint8)
