# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Values watched against limits: how long they were over, bands with hysteresis, percentiles."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.health.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

# Latencies remembered: a few seconds at usual frame rates, minutes with photographs.
WINDOW = 64


class LimitWatch:
    """Warns of a value over its limit, and fails when it is over for longer than allowed.

    Args:
        limit: The limit; 0 watches nothing.
        allowed_s: How long the value may be over [s].
    """

    def __init__(self, limit: float, allowed_s: float) -> None:
        self.limit = limit
        self.allowed_s = allowed_s
        self._over_since_s: float | None = None

    def update(self, value: float | None, now_s: float) -> State:
        """Take the value at a time.

        Args:
            value: The value; None where there is none, which is not over.
            now_s: Time on a steady clock [s].
        """
        if not self.limit or value is None or not value > self.limit:
            self._over_since_s = None
            return State.OK
        if self._over_since_s is None:
            self._over_since_s = now_s
        return State.FAILED if now_s - self._over_since_s > self.allowed_s else State.DEGRADED


class Bands:
    """Tells the band of a value: the highest limit it reached and has not left by the margin.

    Args:
        limits: Ascending limits; band n begins at the n-th of them, band 0 is below all.
        margin: How far below its limit a value must fall to leave a band.
    """

    def __init__(self, limits: Sequence[float], margin: float) -> None:
        if list(limits) != sorted(limits) or margin < 0:
            raise ValueError(
                f'bands: found limits {list(limits)} and margin {margin}; expected ascending '
                'limits and a margin of 0 or more.'
            )
        self.limits = tuple(limits)
        self.margin = margin
        self.band = 0

    def update(self, value: float) -> int:
        """Take a value; returns its band."""
        reached = sum(value >= limit for limit in self.limits)
        while self.band > reached and value < self.limits[self.band - 1] - self.margin:
            self.band -= 1
        self.band = max(self.band, reached)
        return self.band


class Spread(NamedTuple):
    """What a window of values is like: the last, the median, the 95th percentile, the greatest."""

    last: float
    p50: float
    p95: float
    highest: float


class Window:
    """The last values of something.

    Args:
        size: How many.
    """

    def __init__(self, size: int = WINDOW) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def add(self, value: float) -> None:
        """Take a value."""
        self._values.append(value)

    def spread(self) -> Spread | None:
        """Describe the values by nearest rank, None before the first."""
        # A copy in one step, since another thread adds to it.
        values = list(self._values)
        if not values:
            return None
        ranked = sorted(values)

        def rank(part: float) -> float:
            return ranked[max(0, math.ceil(part * len(ranked)) - 1)]

        return Spread(values[-1], rank(0.5), rank(0.95), ranked[-1])


class Rate:
    """Events per second, from a counter that is looked at now and then.

    Args:
        span_s: Time over which the rate is taken [s].
    """

    def __init__(self, span_s: float = 10.0) -> None:
        self._span_s = span_s
        self._looks: deque[tuple[float, int]] = deque()

    def update(self, count: int, now_s: float) -> float | None:
        """Take the counter at a time; returns the rate [1/s], None until two looks are apart."""
        if self._looks and count < self._looks[-1][1]:
            self._looks.clear()
        self._looks.append((now_s, count))
        # One look from before the span stays, so that the rate is over the whole of it.
        while len(self._looks) > 2 and now_s - self._looks[1][0] >= self._span_s:
            self._looks.popleft()
        first_s, first = self._looks[0]
        return (count - first) / (now_s - first_s) if now_s - first_s >= 1.0 else None
