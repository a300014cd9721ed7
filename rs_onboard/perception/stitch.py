# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Stitch per-tile masks to one mask of the frame by centre crop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.perception.mask_pool import MaskPool
    from rs_onboard.perception.tiles import TileGrid

# Label of pixels that no tile covered.
UNKNOWN_LABEL = 255


class MaskStitcher:
    """Collects the masks of a grid's tiles, in any order.

    Each tile gives the pixels nearest to its centre, where a network sees most context; no logits
    are averaged, which would cost hundreds of times more and gain nothing when the overlap covers
    the network's margin.

    Args:
        grid: The grid the tiles come from.
        fill: Value of pixels no tile covers.
        pool: Where the mask comes from.
    """

    def __init__(self, grid: TileGrid, *, fill: int, pool: MaskPool) -> None:
        self._grid = grid
        self._fill = fill
        self._missing = set(range(len(grid)))
        # Not filled beforehand: with all tiles there, that would write every pixel twice.
        self._mask = pool.take(grid.height, grid.width)

    def paste(self, numbers: Sequence[int], masks: NDArray[np.uint8]) -> None:
        """Take the masks (n, h, w) uint8 of as many tiles."""
        for index, mask in zip(numbers, masks, strict=True):
            core = self._grid.core(index)
            self._mask[core.frame] = mask[core.tile]
            self._missing.discard(index)

    def mask(self) -> NDArray[np.uint8]:
        """Return the mask at the size of the original frame, (H, W) uint8."""
        for index in self._missing:
            self._mask[self._grid.core(index).frame] = self._fill
        if not self._grid.resampled:
            return self._mask
        rows = _nearest(self._grid.frame_height, self._grid.height)
        columns = _nearest(self._grid.frame_width, self._grid.width)
        return self._mask.take(columns, axis=1).take(rows, axis=0)


def _nearest(length: int, source: int) -> NDArray[np.int64]:
    """Return the source pixels whose centres lie nearest to those of `length` pixels.

    Not INTER_NEAREST of OpenCV, which compares the left edges of pixels and so moves the mask by up
    to half a pixel; INTER_NEAREST_EXACT is no faster and rounds in fixed point.
    """
    centres = 2 * np.arange(length, dtype=np.int64) + 1
    return np.asarray(centres * source // (2 * length))
