# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of one source by their stamps: neighbours of a moment, jumps, and why there is none."""

from __future__ import annotations

import bisect
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

NS_PER_S = 1_000_000_000

# A stamp this far before the last one is a clock that jumped (a bag that loops, a GNSS step), not a
# late sample.
TIME_JUMP_NS = NS_PER_S

S = TypeVar('S')


@dataclass(frozen=True)
class Motion(Generic[S]):
    """How fast samples can change.

    Attributes:
        apart: How far two samples are from one another, in `unit`.
        slack: What two samples may be apart at any time: the noise of the source.
        rate: What they may be apart for each second between them, besides.
        unit: For messages.
    """

    apart: Callable[[S, S], float]
    slack: float
    rate: float
    unit: str


@dataclass(frozen=True)
class Around(Generic[S]):
    """The neighbours of a moment.

    Attributes:
        first: The sample before, or the last one there is.
        second: The sample after, or the same.
        weight: Of the second, 0 to 1.
        drift: How far the source has moved since the last sample, at the rate between the last two;
            0 between samples.
    """

    first: S
    second: S
    weight: float
    drift: float


class Ring(Generic[S]):
    """Samples by stamp, ascending, bounded.

    Args:
        size: Samples kept.
        motion: How fast they can change.
    """

    def __init__(self, size: int, motion: Motion[S]) -> None:
        self.stamps: deque[int] = deque(maxlen=size)
        self.samples: deque[S] = deque(maxlen=size)
        # What a sample is too far from the one before, in words; empty for most.
        self._jumps: deque[str] = deque(maxlen=size)
        self._motion = motion

    def add(self, stamp_ns: int, sample: S) -> str:
        """Append a sample; returns what was unusual about it, empty if nothing.

        One that is not newer than the last is left out, unless the clock has jumped back: then all
        earlier samples belong to another time and go.
        """
        event, jump = '', ''
        if self.stamps and stamp_ns <= self.stamps[-1]:
            if self.stamps[-1] - stamp_ns < TIME_JUMP_NS:
                return 'not_newer'
            self.clear()
            event = 'time_jump'
        elif self.stamps:
            jump = self._jump((stamp_ns - self.stamps[-1]) / NS_PER_S, sample)
            event = 'jump' if jump else ''
        self.stamps.append(stamp_ns)
        self.samples.append(sample)
        self._jumps.append(jump)
        return event

    def around(self, stamp_ns: int, gap_ns: int) -> Around[S] | str:
        """Return the neighbours of a stamp, or why there are none.

        Args:
            stamp_ns: The moment [ns].
            gap_ns: The longest distance of neighbours, the greatest age of the last sample, and for
                how long after a jump nothing is believed, since either side may be the wrong one.
        """
        if not self.stamps:
            return 'never received'
        if jump := self._jump_near(stamp_ns, gap_ns):
            return jump
        index = bisect.bisect_left(self.stamps, stamp_ns)
        if index < len(self.stamps) and self.stamps[index] == stamp_ns:
            return Around(self.samples[index], self.samples[index], 0.0, 0.0)
        if index == 0:
            return f'starts {(self.stamps[0] - stamp_ns) / NS_PER_S:.2f} s after the image'
        before = self.stamps[index - 1]
        if index == len(self.stamps):
            age = stamp_ns - before
            if age > gap_ns:
                return f'stale by {age / NS_PER_S:.2f} s'
            return Around(self.samples[-1], self.samples[-1], 0.0, self._drift(age))
        after = self.stamps[index]
        if after - before > gap_ns:
            return f'has a gap of {(after - before) / NS_PER_S:.2f} s around the image'
        weight = (stamp_ns - before) / (after - before)
        return Around(self.samples[index - 1], self.samples[index], weight, 0.0)

    def nearest(self, stamp_ns: int, gap_ns: int) -> S | str:
        """Return the sample nearest to a stamp, or why there is none within the gap."""
        if not self.stamps:
            return 'never received'
        if jump := self._jump_near(stamp_ns, gap_ns):
            return jump
        index = bisect.bisect_left(self.stamps, stamp_ns)
        near = [i for i in (index - 1, index) if 0 <= i < len(self.stamps)]
        best = min(near, key=lambda i: abs(self.stamps[i] - stamp_ns))
        distance = abs(self.stamps[best] - stamp_ns)
        if distance > gap_ns:
            return f'is {distance / NS_PER_S:.2f} s away from the image'
        return self.samples[best]

    def clear(self) -> None:
        """Forget all samples."""
        self.stamps.clear()
        self.samples.clear()
        self._jumps.clear()

    def _jump(self, elapsed_s: float, sample: S) -> str:
        motion = self._motion
        distance = motion.apart(self.samples[-1], sample)
        if distance <= motion.slack + motion.rate * elapsed_s:
            return ''
        return f'jumped by {distance:.3g} {motion.unit} in {elapsed_s:.2f} s'

    def _jump_near(self, stamp_ns: int, gap_ns: int) -> str:
        for index in range(len(self.stamps) - 1, 0, -1):
            if self.stamps[index] + gap_ns < stamp_ns:
                break
            if self._jumps[index] and self.stamps[index - 1] < stamp_ns:
                return self._jumps[index]
        return ''

    def _drift(self, age_ns: int) -> float:
        if len(self.stamps) < 2:
            return 0.0
        moved = self._motion.apart(self.samples[-2], self.samples[-1])
        return moved * age_ns / (self.stamps[-1] - self.stamps[-2])
