# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is remembered of the last frames: robust against single ones, quick to believe two."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Samples that count, and how long at least [s]; so many frames at least.
SAMPLES = 20
AGE_S = 6.0
AGE_FRAMES = 4

# Share of the samples that are not above the level.
LEVEL = 0.9


@dataclass(frozen=True)
class Track:
    """The last values of something, as (time [s], value)."""

    samples: tuple[tuple[float, float], ...] = ()

    def add(self, now_s: float, value: float) -> Track:
        """Remember a value."""
        return Track((*self.samples, (now_s, value))[-SAMPLES:])

    def recent(self, now_s: float, age_s: float = AGE_S) -> Track:
        """Forget what is older than a time [s], and so says nothing any more."""
        return Track(tuple(item for item in self.samples if now_s - item[0] <= age_s))

    def level(self, otherwise: float) -> float:
        """Return a value that nine of ten do not exceed, or that the last two both reach.

        Args:
            otherwise: What is returned while nothing is known.
        """
        values = [value for _, value in self.samples]
        if not values:
            return otherwise
        usual = sorted(values)[math.ceil(LEVEL * len(values)) - 1]
        return max(usual, min(values[-2:]))

    def middle(self, otherwise: float) -> float:
        """Return the median."""
        values = sorted(value for _, value in self.samples)
        return values[len(values) // 2] if values else otherwise
