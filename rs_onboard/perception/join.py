# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Join what belongs to one stamp and arrives in pieces."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

P = TypeVar('P')

# Frames whose pieces are awaited at once; more means that a piece never comes. As many that were
# given up are remembered, so that a piece that does come is not taken for a new frame.
MAX_PENDING = 32

# Stamps that lie further apart than frames can wait for each other are of different rounds of a
# recording, and their order says nothing.
NEW_ROUND_NS = 5_000_000_000


@dataclass(frozen=True)
class Joined(Generic[P]):
    """The pieces of a stamp.

    Attributes:
        stamp_ns: The stamp [ns].
        parts: What arrived, by name.
        missing: Names of what did not and will not.
    """

    stamp_ns: int
    parts: Mapping[str, P]
    missing: tuple[str, ...]


@dataclass(eq=False)
class _Pending(Generic[P]):
    stamp_ns: int
    since_s: float
    parts: dict[str, P] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


class StampJoin(Generic[P]):
    """Joins pieces by stamp.

    Every source sends its pieces in order, so a piece for one frame means that the same piece of
    earlier frames will not come any more: no time-out is needed while the sources are alive. A
    source whose stamps go back has begun a new round; what it sends then counts as later. A frame
    comes out once; a piece that comes after it was given up is left out. May be called from several
    threads.

    Args:
        parts: Names of the pieces of a frame.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._names = tuple(parts)
        self._pending: list[_Pending[P]] = []
        self._last: dict[str, int] = {}
        self._given_up: dict[int, set[str]] = {}
        self._lock = threading.Lock()

    def add(self, stamp_ns: int, name: str, part: P) -> list[Joined[P]]:
        """Add a piece; returns the frames that became complete or will not, oldest first."""
        with self._lock:
            entry = next((e for e in self._pending if e.stamp_ns == stamp_ns), None)
            if entry is None and not self._is_late(stamp_ns, name):
                entry = self._begin(stamp_ns, name)
            self._last[name] = stamp_ns
            if entry is None:
                return []
            for earlier in self._pending[: self._pending.index(entry)]:
                earlier.missing.add(name)
            entry.parts[name] = part
            if len(self._pending) > MAX_PENDING:
                self._pending[0].missing.update(self._names)
            return self._collect()

    def drop(self, stamp_ns: int) -> bool:
        """Forget a frame that waits, with the pieces that are still to come; whether it waited."""
        with self._lock:
            entry = next((e for e in self._pending if e.stamp_ns == stamp_ns), None)
            if entry is not None:
                self._pending.remove(entry)
                self._give_up(stamp_ns, [n for n in self._names if n not in entry.parts])
            return entry is not None

    def expire(self, timeout_s: float) -> list[Joined[P]]:
        """Give up on pieces that were awaited for longer than a time [s]."""
        with self._lock:
            limit = time.monotonic() - timeout_s
            for entry in self._pending:
                if entry.since_s <= limit:
                    entry.missing.update(self._names)
            return self._collect()

    def pending(self) -> int:
        """Return the number of frames that wait for a piece."""
        with self._lock:
            return len(self._pending)

    def waiting_s(self) -> float:
        """Return for how long the frame that waits longest has waited [s], 0 where none waits."""
        with self._lock:
            return max((time.monotonic() - entry.since_s for entry in self._pending), default=0.0)

    def _begin(self, stamp_ns: int, name: str) -> _Pending[P]:
        """Put a frame in its place among those that wait."""
        entry: _Pending[P] = _Pending(stamp_ns, time.monotonic())
        if self._last.get(name, stamp_ns) > stamp_ns:
            self._last.clear()
            self._pending.append(entry)
            return entry
        # Its first pieces were lost: those of later frames came before it.
        entry.missing.update(n for n, last in self._last.items() if _soon_after(last, stamp_ns))
        place = len(self._pending)
        while place and _soon_after(self._pending[place - 1].stamp_ns, stamp_ns):
            place -= 1
        self._pending.insert(place, entry)
        return entry

    def _is_late(self, stamp_ns: int, name: str) -> bool:
        """Whether a piece is one that was given up; any other starts the stamp anew (a loop)."""
        given_up = self._given_up.get(stamp_ns)
        if given_up is None:
            return False
        if name in given_up:
            given_up.remove(name)
            return True
        del self._given_up[stamp_ns]
        return False

    def _collect(self) -> list[Joined[P]]:
        done = [e for e in self._pending if {*e.parts, *e.missing}.issuperset(self._names)]
        joined = []
        for entry in done:
            self._pending.remove(entry)
            missing = tuple(name for name in self._names if name not in entry.parts)
            if missing:
                self._give_up(entry.stamp_ns, missing)
            joined.append(Joined(entry.stamp_ns, entry.parts, missing))
        return joined

    def _give_up(self, stamp_ns: int, missing: Sequence[str]) -> None:
        self._given_up[stamp_ns] = set(missing)
        if len(self._given_up) > MAX_PENDING:
            del self._given_up[next(iter(self._given_up))]


def _soon_after(other_ns: int, stamp_ns: int) -> bool:
    return 0 < other_ns - stamp_ns < NEW_ROUND_NS
