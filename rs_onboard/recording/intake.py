# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The way into the recorder: a bounded queue that callbacks fill, and a thread that empties it.

A disk may take seconds for a write. Callbacks never wait for it: what does not fit the queue is a
named drop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.recording.ledger import Ledger
    from rs_onboard.recording.recorder import Recorder
    from rs_onboard.recording.terms import Trigger

# Five raw images of 1080p.
QUEUE_BYTES = 32 << 20
# Beside the bytes, so that messages without content cannot fill the memory.
QUEUE_ITEMS = 20_000
IDLE_S = 0.5


class _Item(NamedTuple):
    channel: int
    time_ns: int
    cdr: bytes
    trigger: Trigger | None = None


class Intake:
    """Feeds a recorder from a thread of its own.

    Args:
        recorder: The recorder, used by the thread alone.
        ledger: Accounts for every message.
        watches: Says whether a message of a channel is a trigger; called from the thread.
        on_error: Told what went wrong.
    """

    def __init__(
        self,
        recorder: Recorder,
        ledger: Ledger,
        *,
        watches: Mapping[int, Callable[[bytes], Trigger | None]],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._recorder = recorder
        self._ledger = ledger
        self._watches = watches
        self._on_error = on_error
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._ready = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self.busy_since_s = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name='recorder', daemon=True)
        self._thread.start()

    def put(self, channel: int, time_ns: int, cdr: bytes) -> None:
        """Leave a message; never waits."""
        with self._ready:
            self._ledger.receive()
            if self._closed:
                self._ledger.drop('inactive')
            elif self._bytes + len(cdr) > QUEUE_BYTES or len(self._items) >= QUEUE_ITEMS:
                self._ledger.drop('queue_full')
            else:
                self._bytes += len(cdr)
                self._items.append(_Item(channel, time_ns, cdr))
                self._ready.notify()

    def trigger(self, trigger: Trigger, time_ns: int) -> bool:
        """Leave a trigger; never waits. Returns False where the queue is full or closed."""
        with self._ready:
            if self._closed or len(self._items) >= QUEUE_ITEMS:
                return False
            self._items.append(_Item(0, time_ns, b'', trigger))
            self._ready.notify()
            return True

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Take nothing more and let the recorder end; returns False where the disk hangs."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def busy_s(self) -> float:
        """Return for how long the item in hand has been worked on [s], 0 when idle."""
        since = self.busy_since_s
        return time.monotonic() - since if since else 0.0

    def _run(self) -> None:
        while True:
            with self._ready:
                if not self._items and not self._closed:
                    self._ready.wait(IDLE_S)
                item = self._items.popleft() if self._items else None
                if item is not None:
                    self._bytes -= len(item.cdr)
                ended = item is None and self._closed
            self.busy_since_s = time.monotonic()
            try:
                if item is not None:
                    self._serve(item)
                self._recorder.tick(time.monotonic())
                if ended:
                    self._recorder.close(time.monotonic())
            except Exception as exc:  # noqa: BLE001  (nothing may end the thread in flight)
                self._lose(exc)
            self.busy_since_s = 0.0
            if ended:
                return

    def _serve(self, item: _Item) -> None:
        now_s = time.monotonic()
        trigger = item.trigger
        if item.channel:
            self._recorder.take(item.channel, item.time_ns, item.cdr, now_s)
            trigger = self._look(item)
        if trigger is not None:
            self._recorder.trigger(trigger, item.time_ns, now_s)

    def _look(self, item: _Item) -> Trigger | None:
        watch = self._watches.get(item.channel)
        if watch is None:
            return None
        try:
            return watch(item.cdr)
        except Exception as exc:  # noqa: BLE001  (a message that cannot be read is no trigger)
            self._tell(exc)
            return None

    def _lose(self, exc: Exception) -> None:
        """Give up what the recorder holds, so that the next message finds it in order."""
        self._tell(exc)
        try:
            self._recorder.abandon()
        except Exception as again:  # noqa: BLE001
            self._tell(again)
        with self._ready:
            queued = sum(1 for item in self._items if item.channel)
            self._ledger.drop('error', self._ledger.account().waiting - queued)

    def _tell(self, exc: Exception) -> None:
        # Telling may fail too, while the node that logs is being torn down.
        with contextlib.suppress(Exception):
            self._on_error(exc)
