# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Workers: a mailbox of one, a thread, and counters that account for every item."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar('T')

# An item in hand for longer than this hangs, or makes results that nobody can use any more.
LONG_S = 15.0


class Counts(NamedTuple):
    """What became of the items a worker received: received = done + dropped + waiting."""

    received: int
    done: int
    dropped: dict[str, int]
    waiting: int


class Mailbox(Generic[T]):
    """Holds the newest item only; what it replaces is a named drop.

    `put` never blocks for longer than a few assignments, so that callbacks may call it.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: T | None = None
        self._busy = 0
        self._closed = True
        self._received = 0
        self._done = 0
        self._dropped: Counter[str] = Counter()

    def open(self) -> None:
        """Accept items."""
        with self._ready:
            self._closed = False

    def put(self, item: T) -> T | None:
        """Leave an item; one that still waits is dropped as `replaced_by_newer` and returned."""
        with self._ready:
            self._received += 1
            if self._closed:
                self._dropped['inactive'] += 1
                return None
            replaced = self._item
            if replaced is not None:
                self._dropped['replaced_by_newer'] += 1
            self._item = item
            self._ready.notify()
            return replaced

    def refuse(self, reason: str) -> None:
        """Count an item that arrived but was not fit to be processed."""
        with self._ready:
            self._received += 1
            self._dropped[reason] += 1

    def take(self) -> T | None:
        """Wait for an item; None once the mailbox is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            if item is not None:
                self._busy += 1
            return item

    def finish(self, drop: str | None) -> None:
        """Account for a taken item: done, or dropped under a name."""
        with self._ready:
            self._busy -= 1
            if drop is None:
                self._done += 1
            else:
                self._dropped[drop] += 1

    def close(self) -> None:
        """Accept no more items; one that waits is dropped as `inactive`."""
        with self._ready:
            self._closed = True
            if self._item is not None:
                self._item = None
                self._dropped['inactive'] += 1
            self._ready.notify_all()

    def counts(self) -> Counts:
        """Return the counters, consistent with each other."""
        with self._ready:
            waiting = self._busy + (self._item is not None)
            return Counts(self._received, self._done, dict(self._dropped), waiting)


class Hand(Generic[T]):
    """An item in the hand of a thread.

    Attributes:
        item: The item.
        since_ns: When it was taken on the steady clock [ns].
        claimed: Whether its result is being sent out.
        abandoned: Whether it was given up; what its thread still makes of it counts no more.
    """

    def __init__(self, item: T) -> None:
        self.item = item
        self.since_ns = time.perf_counter_ns()
        self.claimed = False
        self.abandoned = False


class Worker(Generic[T]):
    """Works off a mailbox in a thread of its own.

    A thread that hangs in an item cannot be ended; `abandon` goes on with a new one.

    Args:
        name: Name of the thread.
        work: Handles an item; returns None when it is done, or the name of the drop. What it
            raises is counted as `error` and handed to `on_error`; the thread goes on.
        on_error: Told what `work` raised.

    Attributes:
        abandoned: Items that were given up so far.
        restarts: Threads that ended by themselves and were replaced so far.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], str | None],
        *,
        on_error: Callable[[Exception], None],
    ) -> None:
        self.mailbox: Mailbox[T] = Mailbox()
        self.name = name
        self._work = work
        self._on_error = on_error
        # Held for a few assignments only, never while an item is worked on.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._left_behind: list[threading.Thread] = []
        self._hand: Hand[T] | None = None
        self._own = threading.local()
        self.abandoned = 0
        self.restarts = 0

    def start(self) -> None:
        """Open the mailbox and start the thread, unless it runs."""
        with self._lock:
            if self._thread is None:
                self.mailbox.open()
                self._begin()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Close the mailbox and wait for the item in hand.

        Returns:
            False when the thread did not end in time; it is left behind as a daemon that takes no
            further item.
        """
        self.mailbox.close()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        if thread.is_alive():
            with self._lock:
                self._left_behind.append(thread)
            return False
        return True

    def hand(self) -> Hand[T] | None:
        """Return the item that is worked on, None while the worker is idle."""
        return self._hand

    def claim(self) -> bool:
        """Say, from within `work`, that the result of the item is about to be sent out.

        Returns:
            False when the item was abandoned: its result must not be sent.
        """
        with self._lock:
            hand: Hand[T] | None = getattr(self._own, 'hand', None)
            if hand is None:
                return True
            hand.claimed = not hand.abandoned
            return hand.claimed

    def abandon(self, hand: Hand[T], drop: str, answer: Callable[[T], None]) -> bool:
        """Give up an item whose thread hangs in it, and go on with a new thread.

        The item counts as dropped at once. What its thread still makes of it is thrown away.

        Args:
            hand: What `hand` returned.
            drop: Name of the drop.
            answer: Called with the item in the new thread before that takes another one.

        Returns:
            False when the item is done, about to be sent out, or of a worker that was stopped.
        """
        with self._lock:
            thread = self._thread
            if thread is None or self._hand is not hand or hand.claimed:
                return False
            hand.abandoned = True
            self._left_behind.append(thread)
            self.abandoned += 1
            self.mailbox.finish(drop)
            self._begin(lambda: answer(hand.item))
        return True

    def revive(self) -> bool:
        """Replace a thread that ended although nobody stopped it; returns whether it had ended."""
        with self._lock:
            if self._thread is None or self._thread.is_alive():
                return False
            self.restarts += 1
            self._begin()
            return True

    def hangs(self) -> bool:
        """Return whether a thread that was left behind is still at its item."""
        return self.hanging() > 0

    def hanging(self) -> int:
        """Return how many threads that were left behind are still at their items."""
        with self._lock:
            self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
            return len(self._left_behind)

    def busy_s(self) -> float:
        """Return for how long the item in hand has been worked on [s], 0 when idle."""
        hand = self._hand
        return (time.perf_counter_ns() - hand.since_ns) / 1e9 if hand else 0.0

    def trouble(self) -> str:
        """Say what is wrong, empty if nothing is: an item that takes far too long."""
        busy_s = self.busy_s() if self.running else 0.0
        if busy_s > LONG_S:
            return f'{self.name}: busy with one frame for {busy_s:.0f} s'
        if self.hangs():
            return f'{self.name}: stopped or given up, but a frame still hangs and keeps its memory'
        return ''

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._thread is not None

    def _begin(self, first: Callable[[], None] | None = None) -> None:
        """Start a thread; called with the lock held."""
        self._hand = None
        self._thread = threading.Thread(
            target=self._run, args=(first,), name=self.name, daemon=True
        )
        self._thread.start()

    def _run(self, first: Callable[[], None] | None) -> None:
        this = threading.current_thread()
        if first is not None:
            self._try(first)
        while self._thread is this and (item := self.mailbox.take()) is not None:
            hand = Hand(item)
            self._own.hand = hand
            with self._lock:
                if self._thread is this:
                    self._hand = hand
            drop: str | None = 'error'
            try:
                drop = self._work(item)
            except Exception as exc:  # noqa: BLE001  (one bad frame must not end the thread)
                self._tell(exc)
            finally:
                with self._lock:
                    if self._hand is hand:
                        self._hand = None
                    if not hand.abandoned:
                        self.mailbox.finish(drop)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as exc:  # noqa: BLE001  (the thread has frames to work on)
            self._tell(exc)

    def _tell(self, exc: Exception) -> None:
        # Telling may fail too, while the node that logs is being torn down.
        with contextlib.suppress(Exception):
            self._on_error(exc)
