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
    """A cause that holds.

    Attributes:
        state: As bad as it counts.
        since_s: When it appeared.
        seen: When it was last seen as bad as each state, and what was found then.
    """

    state: State
    since_s: float
    seen: dict[State, tuple[float, Finding]]

    @property
    def finding(self) -> Finding:
        """What was found when it was last seen as bad as it counts."""
        return self.seen[self.state][1]


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
                if change := self._settle(cause, active, now_s, seen.get(cause)):
                    changes.append(change)
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
            ordered = sorted(self._active.values(), key=lambda a: (-a.state, a.since_s))
            return [active.finding for active in ordered]

    def _state(self) -> State:
        return max((active.state for active in self._active.values()), default=State.OK)

    def _see(self, finding: Finding, now_s: float) -> list[Change]:
        if finding.state is State.OK:
            return []
        before = self._state()
        active = self._active.get(finding.cause)
        if active is None:
            if len(self._active) >= MAX_CAUSES:
                return []
            active = self._active[finding.cause] = _Active(finding.state, now_s, {})
        elif finding.state <= active.state:
            # The same again, perhaps with a newer number in its text, or less bad.
            active.seen[finding.state] = (now_s, finding)
            return []
        active.state = finding.state
        active.seen[finding.state] = (now_s, finding)
        return [Change(before, self._state(), finding, 0.0)]

    def _settle(
        self, cause: str, active: _Active, now_s: float, found: Finding | None
    ) -> Change | None:
        """Let a cause become as bad as it was seen within the hold time, and end if it was not."""
        now = found.state if found is not None else State.OK
        recent = [s for s, (seen_s, _) in active.seen.items() if now_s - seen_s < self.hold_s]
        state = max([now, *recent])
        if state >= active.state:
            return None
        before, over = self._state(), active.finding
        if state is State.OK:
            del self._active[cause]
            ended = Finding(cause, over.text, State.OK)
            return Change(before, self._state(), ended, now_s - active.since_s)
        active.state = state
        active.seen = {s: seen for s, seen in active.seen.items() if s <= state}
        return Change(before, self._state(), active.finding, 0.0)
