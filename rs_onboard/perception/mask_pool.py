# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Masks of a frame, used again once nobody holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from rs_onboard.inference.array_pool import ArrayPool

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MaskPool:
    """Gives out (H, W) uint8 arrays. For one thread; what it gives out may be held by any."""

    def __init__(self) -> None:
        self._arrays = ArrayPool()

    def take(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return an array of any content that nobody else holds."""
        return cast('NDArray[np.uint8]', self._arrays.take((height, width), np.uint8))
