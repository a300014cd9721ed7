# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Playing a bag: its messages at the pace they were recorded, again and again if wanted.

Time in a loop goes on: round k is shifted by k times the length of the bag plus one frame period
(the median distance of its images), so the stamps of every topic rise for ever and the jump between
the last image and the first looks like one more frame. Shifted are log times and the stamps of
headers; stamps deeper inside a message, such as those of transforms, stay as they are.
"""

from __future__ import annotations

import heapq
import statistics
import threading
import time
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import TYPE_CHECKING

from rs_onboard.replay.errors import BagError
from rs_onboard.replay.interpolation import MIXERS, densify
from rs_onboard.replay.reader import Bag, BagMessage, stamp_in, with_stamp
from rs_onboard.replay.topics import IMAGE_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NS_PER_S = 1_000_000_000
# For bags with fewer than two images.
DEFAULT_FRAME_PERIOD_NS = NS_PER_S // 10


@dataclass(frozen=True)
class PlayOptions:
    """How a bag is played.

    Attributes:
        topics: Topics to play; all if empty.
        rate: Speed; 2 is twice as fast as recorded.
        fast: Whether to play as fast as the receiver takes it, without waiting.
        loops: Number of rounds; None plays until stopped or until `duration_s`.
        duration_s: Length to play, seconds of the bag's time; None for no limit.
        pose_rate_hz: Poses guessed between those in the bag; 0 for none.
        start_ns: Log time given to the first message; None keeps the recorded one.
    """

    topics: tuple[str, ...] = ()
    rate: float = 1.0
    fast: bool = False
    loops: int | None = 1
    duration_s: float | None = None
    pose_rate_hz: float = 0.0
    start_ns: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BagError: A value is out of range.
        """
        for name, value, low, high in (
            ('rate', self.rate, 0.001, 1000.0),
            ('loops', self.loops, 1, 1_000_000),
            ('duration_s', self.duration_s, 0.0, 1e7),
            ('pose_rate_hz', self.pose_rate_hz, 0.0, 1000.0),
        ):
            if value is not None and not low <= value <= high:
                msg = f'{name} is {value:g}; allowed: {low:g} to {high:g}.'
                raise BagError(msg)


@dataclass(frozen=True)
class PlayReport:
    """What was played.

    Attributes:
        messages: Number of messages handed over.
        rounds: Number of rounds begun.
        latest_s: Largest delay behind the recorded pace, seconds; grows where the receiver is slow.
        stopped: Whether the stop event ended it.
        damage: What is wrong with the bag, empty if nothing is.
    """

    messages: int
    rounds: int
    latest_s: float
    stopped: bool
    damage: str


@dataclass(frozen=True)
class _Extent:
    """Log time of the first message, and the time from one round to the next, nanoseconds."""

    first_ns: int
    period_ns: int


class Player:
    """Plays one bag. Nothing is dropped: a slow receiver makes playing late, not lossy.

    Args:
        bag: Open bag.
        options: How; once, at recorded pace, if not given.
        stop: Ends playing when set, at once.
        clock: Steady clock in seconds.
    """

    def __init__(
        self,
        bag: Bag,
        options: PlayOptions | None = None,
        *,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bag = bag
        self.options = options or PlayOptions()
        self.stop = stop or threading.Event()
        self._clock = clock
        self._rounds = 0

    def play(self, receive: Callable[[BagMessage], None]) -> PlayReport:
        """Hand over the messages at their times, in the calling thread, until the end or a stop.

        Args:
            receive: Called with each message.
        """
        played = 0
        latest = 0.0
        origin = self._clock()
        first: int | None = None
        for message in self.messages():
            first = message.log_time_ns if first is None else first
            if not self.options.fast:
                due = origin + (message.log_time_ns - first) / NS_PER_S / self.options.rate
                delay = due - self._clock()
                latest = max(latest, -delay)
                if delay > 0:
                    self.stop.wait(delay)
            if self.stop.is_set():
                break
            receive(message)
            played += 1
        return PlayReport(
            messages=played,
            rounds=self._rounds,
            latest_s=latest,
            stopped=self.stop.is_set(),
            damage=self.bag.report.damage,
        )

    def messages(self) -> Iterator[BagMessage]:
        """Yield all messages of all rounds in time order, without waiting.

        Raises:
            BagError: The bag has no messages on the topics wanted.
        """
        options = self.options
        extent = self._extent()
        guessed = list(self._guessed()) if options.pose_rate_hz else []
        shift = 0 if options.start_ns is None else options.start_ns - extent.first_ns
        end = None
        if options.duration_s is not None:
            end = extent.first_ns + round(options.duration_s * NS_PER_S)
        for number in count() if options.loops is None else range(options.loops):
            self._rounds = number + 1
            offset = number * extent.period_ns
            for message in self._round(guessed):
                if end is not None and message.log_time_ns + offset >= end:
                    return
                yield _shifted(message, offset + shift)

    def _round(self, guessed: list[BagMessage]) -> Iterator[BagMessage]:
        recorded = self.bag.messages(self.options.topics, strict=False)
        return heapq.merge(recorded, guessed, key=lambda x: x.log_time_ns)

    def _extent(self) -> _Extent:
        """Find where the bag starts and how long a round is.

        Reads the whole bag where it is to be played more than once.
        """
        once = self.options.loops == 1
        first: int | None = None
        last = 0
        spans: dict[str, tuple[int, int]] = {}
        images: dict[str, list[int]] = {}
        for message in self.bag.messages(self.options.topics, strict=False):
            first = message.log_time_ns if first is None else min(first, message.log_time_ns)
            if once:
                break
            last = max(last, message.log_time_ns)
            if message.stamp_ns is not None:
                low, high = spans.get(message.topic, (message.stamp_ns, message.stamp_ns))
                spans[message.topic] = min(low, message.stamp_ns), max(high, message.stamp_ns)
            if message.type_name in IMAGE_TYPES:
                images.setdefault(message.topic, []).append(message.log_time_ns)
        if first is None:
            wanted = ', '.join(self.options.topics) or 'any topic'
            msg = f'{self.bag.path}: no messages on {wanted}: nothing to play.'
            raise BagError(msg)
        length = max([last - first, *(high - low for low, high in spans.values())])
        return _Extent(first, length + _frame_period(images))

    def _guessed(self) -> Iterator[BagMessage]:
        """Yield poses between those of each pose topic, in time order."""
        return heapq.merge(
            *(
                self._between(topic)
                for topic, summary in self.bag.topics.items()
                if summary.type_name in MIXERS
                and not summary.problem
                and (not self.options.topics or topic in self.options.topics)
            ),
            key=lambda x: x.log_time_ns,
        )

    def _between(self, topic: str) -> Iterator[BagMessage]:
        store, kind = self.bag.store, self.bag.topics[topic].type_name
        samples = (
            (x.log_time_ns, self.bag.decode(x)) for x in self.bag.messages((topic,), strict=False)
        )
        for moment, message in densify(kind, samples, self.options.pose_rate_hz, store):
            cdr = bytes(store.serialize_cdr(message, kind, little_endian=True))
            stamp = stamp_in(cdr) if hasattr(message, 'header') else None
            yield BagMessage(topic, kind, moment, stamp, cdr)


def _frame_period(images: dict[str, list[int]]) -> int:
    """Return the median distance of the images of the topic that has most, nanoseconds."""
    times = max(images.values(), key=len, default=[])
    gaps = [y - x for x, y in pairwise(times) if y > x]
    return round(statistics.median(gaps)) if gaps else DEFAULT_FRAME_PERIOD_NS


def _shifted(message: BagMessage, shift_ns: int) -> BagMessage:
    if not shift_ns:
        return message
    log_time = message.log_time_ns + shift_ns
    if message.stamp_ns is None:
        return replace(message, log_time_ns=log_time)
    stamp = message.stamp_ns + shift_ns
    return replace(
        message, log_time_ns=log_time, stamp_ns=stamp, cdr=with_stamp(message.cdr, stamp)
    )
