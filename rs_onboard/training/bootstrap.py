# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals by a bootstrap over images."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

DRAWS = 1000
BOUNDS = (2.5, 97.5)


def intervals(
    images: int, figures: Callable[[NDArray[np.int64]], Mapping[str, float]], *, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Estimate the 95 % interval of every figure had other images of the same kind been taken.

    Nothing is inferred again: a figure is computed from how often each image was drawn, that is
    from what was counted on each of them.

    Args:
        images: Number of images.
        figures: Computes figures by name from the number of times each image was drawn, (images,)
            int64; NaN where a draw has none.
        seed: Seed of the draws.

    Returns:
        (low, high) by name; NaN where no draw has the figure.
    """
    rng = np.random.default_rng(seed)
    each = np.full(images, 1 / images)
    draws = [figures(rng.multinomial(images, each)) for _ in range(DRAWS)]
    found = {}
    for name in draws[0]:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', RuntimeWarning)
            low, high = np.nanpercentile([draw[name] for draw in draws], BOUNDS)
        found[name] = (float(low), float(high))
    return found
