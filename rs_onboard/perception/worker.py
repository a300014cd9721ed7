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
LONG_S = 10.0


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


class Worker(Generic[T]):
    """Works off a mailbox in a thread of its own.

    Args:
        name: Name of the thread.
        work: Handles an item; returns None when it is done, or the name of the drop. What it
            raises is counted as `error` and handed to `on_error`; the thread goes on.
        on_error: Told what `work` raised.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], str | None],
        *,
        on_error: Callable[[Exception], None],
    ) -> None:
        self.mailbox: Mailbox[T] = Mailbox()
        self._name = name
        self._work = work
        self._on_error = on_error
        self._thread: threading.Thread | None = None
        self._left_behind: threading.Thread | None = None
        self.busy_since_ns = 0

    def start(self) -> None:
        """Open the mailbox and start the thread, unless it runs."""
        if self._thread is not None:
            return
        self.mailbox.open()
        self.busy_since_ns = 0
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Close the mailbox and wait for the item in hand.

        Returns:
            False when the thread did not end in time; it is left behind as a daemon that takes no
            further item.
        """
        self.mailbox.close()
        thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        if thread.is_alive():
            self._left_behind = thread
            return False
        self.busy_since_ns = 0
        return True

    def hangs(self) -> bool:
        """Return whether a thread that did not end in time is still at its item."""
        return self._left_behind is not None and self._left_behind.is_alive()

    def busy_s(self) -> float:
        """Return for how long the item in hand has been worked on [s], 0 when idle."""
        since = self.busy_since_ns
        return (time.perf_counter_ns() - since) / 1e9 if since else 0.0

    def trouble(self) -> str:
        """Say what is wrong, empty if nothing is: an item that takes far too long."""
        if self.hangs():
            return f'{self._name}: stopped, but the frame it had in hand still hangs'
        busy_s = self.busy_s()
        return f'{self._name}: busy with one frame for {busy_s:.0f} s' if busy_s > LONG_S else ''

    def _run(self) -> None:
        this = threading.current_thread()
        while self._thread is this and (item := self.mailbox.take()) is not None:
            self.busy_since_ns = time.perf_counter_ns()
            drop: str | None = 'error'
            try:
                drop = self._work(item)
            except Exception as exc:  # noqa: BLE001  (one bad frame must not end the thread)
                # Telling may fail too, while the node that logs is being torn down.
                with contextlib.suppress(Exception):
                    self._on_error(exc)
            finally:
                if self._thread is this:
                    self.busy_since_ns = 0
                self.mailbox.finish(drop)
