# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic tiles that resemble ground from above, for checks that need an input and no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.inference.runtime_settings import TensorInfo

# Cell size [px] and strength of each layer of noise: fields, groves, grain.
LAYERS = ((64, 30.0), (16, 15.0), (4, 6.0))
# Bands share most of their light; this is the strength of what they do not share.
TINT = 0.35
# One bright or dark rectangle, a roof or a road, on so many pixels.
PIXELS_PER_OBJECT = 2500


def sample_tiles(
    count: int, height: int, width: int, *, bands: int = 3, seed: int = 0
) -> NDArray[np.uint8]:
    """Draw tiles, the same for the same arguments.

    Returns:
        (count, height, width, bands) uint8.
    """
    rng = np.random.default_rng(seed)
    tiles = np.empty((count, height, width, bands), np.uint8)
    for tile in tiles:
        light = 110 + _noise(rng, height, width)
        for _ in range(max(1, height * width // PIXELS_PER_OBJECT)):
            corner = int(rng.integers(width)), int(rng.integers(height))
            side = int(rng.integers(4, 40)), int(rng.integers(4, 40))
            cv2.rectangle(light, (*corner, *side), float(rng.uniform(40, 230)), cv2.FILLED)
        for band in range(bands):
            tile[:, :, band] = np.clip(light + TINT * _noise(rng, height, width), 0, 255)
    return tiles


def _noise(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Add up smooth noise of several cell sizes: (height, width)."""
    plane = np.zeros((height, width), np.float32)
    for cell, strength in LAYERS:
        shape = (-(-height // cell) + 1, -(-width // cell) + 1)
        coarse = rng.normal(0, strength, shape).astype(np.float32)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        plane += np.asarray(smooth, np.float32)
    return plane


def sample_feeds(
    inputs: Sequence[TensorInfo], count: int, height: int, width: int
) -> dict[str, NDArray[np.uint8]]:
    """Draw tiles for every input of a graph, different ones for each.

    Args:
        inputs: Image inputs; their last dimension is the number of bands.
        count: Number of tiles.
        height: Their height [px].
        width: Their width [px].
    """
    feeds = {}
    for seed, info in enumerate(inputs):
        bands = info.shape[-1]
        feeds[info.name] = sample_tiles(
            count, height, width, bands=bands if isinstance(bands, int) else 3, seed=seed
        )
    return feeds
