# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What became of every message that was to be recorded."""

from __future__ import annotations

import threading
from collections import Counter
from typing import NamedTuple


class Account(NamedTuple):
    """Messages: received = done + dropped + waiting.

    `done` are those that are in a file, and those nobody asked for in time.
    """

    received: int
    done: int
    dropped: dict[str, int]
    waiting: int


class Ledger:
    """Counts from several threads, consistent at every moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._done = 0
        self._dropped: Counter[str] = Counter()

    def receive(self) -> None:
        """Count a message that arrived."""
        with self._lock:
            self._received += 1

    def done(self, count: int) -> None:
        """Count messages that are settled."""
        with self._lock:
            self._done += count

    def drop(self, name: str, count: int = 1) -> None:
        """Count messages that are lost, by the name of the loss."""
        with self._lock:
            self._dropped[name] += count

    def account(self) -> Account:
        """Return the counts."""
        with self._lock:
            dropped = dict(self._dropped)
            waiting = self._received - self._done - sum(dropped.values())
            return Account(self._received, self._done, dropped, waiting)
