# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""States of a component: up at once, down after a hold time, every change told once."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# Causes a component remembers; there are about twenty names, so that more is a fault of ours.
MAX_CAUSES = 64


class State(enum.IntEnum):
    """State of a component, worst last.

    Attributes:
        OK: Nothing is wrong.
        DEGRADED: It works, with a reason to doubt or to act.
        STALE: It works, but nothing arrives at it: what it gave last is old.
        FAILED: It does not work.
    """

    OK = 0
    DEGRADED = 1
    STALE = 2
    FAILED = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        cause: Its name, the same each time (`no_image`).
        text: One line for people: what was found and what to do.
        state: How bad it is.
    """

    cause: str
    text: str
    state: State = State.DEGRADED


class Change(NamedTuple):
    """A cause that appeared, became worse or less bad, or ended.

    Attributes:
        before: State of the component before.
        after: State of the component after.
        finding: The cause; with state OK where it ended.
        lasted_s: How long it had lasted when it ended [s], else 0.
    """

    before: State
    after: State
    finding: Finding
    lasted_s: float

    def __str__(self) -> str:
        """Say it in one line for the log."""
        was = f' (was {self.before.name})' if self.before is not self.after else ''
        cause, text = self.finding.cause, self.finding.text
        if self.finding.state is State.OK:
            return f'{self.after.name}{was}: {cause} is over after {self.lasted_s:.0f} s'
        return f'{self.after.name}{was}: {cause}: {text}'


@dataclass
class _Active:
    """A cause that holds: as it is counted, and when it was last seen that bad."""

    finding: Finding
    since_s: float
    seen_s: float
    # The worst lesser finding since then, which takes its place after the hold time.
    lesser: Finding | None = None


class HealthMonitor:
    """The state of one component, from what is found wrong with it.

    Causes raise the state at once and let it fall only when they were not seen for the hold time.
    A cause so raises at most once in a hold time, whatever the findings do. Safe to be called from
    several threads.

    Args:
        hold_s: How long a cause must be gone before it is over [s].
    """

    def __init__(self, hold_s: float = 5.0) -> None:
        self.hold_s = hold_s
        self._lock = threading.Lock()
        self._active: dict[str, _Active] = {}

    def note(self, finding: Finding, now_s: float) -> list[Change]:
        """Take an event, which lasts no time itself; returns what changed.

        Args:
            finding: What happened.
            now_s: Time on a steady clock [s].
        """
        with self._lock:
            return self._see(finding, now_s)

    def update(self, findings: Iterable[Finding], now_s: float) -> list[Change]:
        """Take all that is wrong now; returns what changed.

        Args:
            findings: Everything that is found at this look; nothing for a component that is fine.
            now_s: Time on a steady clock [s].
        """
        with self._lock:
            seen: dict[str, Finding] = {}
            for finding in findings:
                if finding.cause not in seen or finding.state > seen[finding.cause].state:
                    seen[finding.cause] = finding
            changes = [change for item in seen.values() for change in self._see(item, now_s)]
            for cause, active in list(self._active.items()):
                found = seen.get(cause)
                if found is not None and found.state >= active.finding.state:
                    continue
                if now_s - active.seen_s >= self.hold_s:
                    changes.append(self._lessen(cause, active, found, now_s))
            return changes

    def forget(self) -> None:
        """Forget all causes, as when the component is stopped on purpose."""
        with self._lock:
            self._active.clear()

    @property
    def state(self) -> State:
        """The worst state of the causes that hold."""
        with self._lock:
            return self._state()

    def causes(self) -> list[Finding]:
        """Return the causes that hold, worst first, then oldest first."""
        with self._lock:
            ordered = sorted(self._active.values(), key=lambda a: (-a.finding.state, a.since_s))
            return [active.finding for active in ordered]

    def _state(self) -> State:
        return max((a.finding.state for a in self._active.values()), default=State.OK)

    def _see(self, finding: Finding, now_s: float) -> list[Change]:
        if finding.state is State.OK:
            return []
        before = self._state()
        active = self._active.get(finding.cause)
        if active is None:
            if len(self._active) >= MAX_CAUSES:
                return []
            self._active[finding.cause] = _Active(finding, now_s, now_s)
        elif finding.state > active.finding.state:
            self._active[finding.cause] = _Active(finding, active.since_s, now_s)
        elif finding.state < active.finding.state:
            if active.lesser is None or finding.state >= active.lesser.state:
                active.lesser = finding
            return []
        else:
            # The same again, perhaps with a newer number in its text.
            active.finding, active.seen_s, active.lesser = finding, now_s, None
            return []
        return [Change(before, self._state(), finding, 0.0)]

    def _lessen(self, cause: str, active: _Active, found: Finding | None, now_s: float) -> Change:
        before = self._state()
        lesser = found or active.lesser
        if lesser is not None:
            self._active[cause] = _Active(lesser, active.since_s, now_s)
            return Change(before, self._state(), lesser, 0.0)
        del self._active[cause]
        over = Finding(cause, active.finding.text, State.OK)
        return Change(before, self._state(), over, now_s - active.since_s)
