# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Large arrays used again once nobody holds them.

A fresh array of 8 MB, a mask of a 4K frame, is handed out by the system page by page as it is first
written: about 1.5 ms. Results are handed over by reference and kept by others for as long as they
like, so an array is taken again only when the pool holds its last reference; a view counts as one,
through its base.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

# More arrays than this in use at once are not kept: they are what a slow taker holds.
MAX_KEPT = 8


class ArrayPool:
    """Gives out arrays of any content. For one thread; what it gives out may be held by any."""

    def __init__(self) -> None:
        # How many references are counted on an array that only the pool holds differs between
        # interpreters, so it is measured the way it is used.
        self._kept: list[NDArray[np.generic]] = [np.empty(0, np.uint8)]
        self._alone = self._references(0)
        self._kept = []

    def take(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[np.generic]:
        """Return an array of a shape and type that nobody else holds."""
        for index in range(len(self._kept)):
            if self._references(index) <= self._alone:
                if self._kept[index].shape != shape or self._kept[index].dtype != dtype:
                    # Frames have changed their size.
                    self._kept[index] = np.empty(shape, dtype)
                return self._kept[index]
        fresh: NDArray[np.generic] = np.empty(shape, dtype)
        if len(self._kept) < MAX_KEPT:
            self._kept.append(fresh)
        return fresh

    def _references(self, index: int) -> int:
        return sys.getrefcount(self._kept[index])
