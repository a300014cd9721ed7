# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The watchdog of a process: a thread of its own that looks at all nodes and at the machine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from rs_onboard.health.machine import MachineReader
from rs_onboard.health.machine_watch import MachineLimits, MachineVerdict, MachineWatch
from rs_onboard.health.readings import MachineReadings
from rs_onboard.health.systemd import Notifier
from rs_onboard.inference.budget.machine_state import MachineState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rs_onboard.health.states import Change

# How often the nodes are looked at, and how often the machine is read.
PERIOD_S = 0.2
MACHINE_PERIOD_S = 1.0

# A look that comes so late found the whole process held up (stopped, or out of memory): what seems
# to hang then only had no time, and gets it anew.
HELD_UP_S = 2.0

# Changes that are kept until somebody tells them.
MAX_NEWS = 32

# Longest that a node waits, at its end, for a look that is under way.
END_S = 2.0


class Watched(Protocol):
    """What the watchdog looks at. It raises nothing and does not wait."""

    def look(self, now_s: float, awake_since_s: float) -> None:
        """Look after the workers and publish what is due.

        Args:
            now_s: Time on the steady clock [s].
            awake_since_s: Since when the process was not held up; what hangs, hangs since then.
        """

    def must_restart(self) -> str:
        """Say why only a new process can help, empty if nothing of the kind is wrong."""


class Watchdog:
    """Looks at the nodes of a process, whether their executor runs or hangs.

    Args:
        reader: Reads the machine.
        notifier: Tells the service manager that the process lives.

    Attributes:
        readings: The last readings of the machine.
        verdict: What they mean.
        held_up: How often the process was held up.
        stuck: Why only a new process can help; empty while that is not so.
        on_stuck: Told the same, once, in the thread of the watchdog.
        news: The last changes of states in this process, by entry; whoever tells them takes them.
    """

    def __init__(
        self, reader: MachineReader | None = None, notifier: Notifier | None = None
    ) -> None:
        self._reader = reader or MachineReader()
        self.notifier = notifier or Notifier()
        self._machine: MachineWatch | None = None
        self.readings = MachineReadings()
        self.verdict = MachineVerdict()
        self.held_up = 0
        self.stuck = ''
        self.on_stuck: Callable[[str], None] | None = None
        self.news: deque[tuple[str, Change]] = deque(maxlen=MAX_NEWS)
        self._lock = threading.Lock()
        self._looking = threading.RLock()
        self._nodes: list[Watched] = []
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._last_s: float | None = None
        self._awake_since_s = 0.0
        self._next_reading_s = 0.0
        self._transitions = 0
        self._served_since_s = 0.0

    def add(self, node: Watched, limits: MachineLimits) -> None:
        """Look at a node from now on.

        Args:
            node: The node.
            limits: Limits of the machine; those of the first node of a process hold.
        """
        with self._lock:
            self._machine = self._machine or MachineWatch(limits)
            self._nodes = [*self._nodes, node]
            if self._thread is None:
                self._end = threading.Event()
                self._last_s = None
                self._thread = threading.Thread(
                    target=self._run, args=(self._end,), name='watchdog', daemon=True
                )
                self._thread.start()

    def remove(self, node: Watched) -> None:
        """Look at a node no more; returns once no look at it is under way."""
        with self._lock:
            self._nodes = [other for other in self._nodes if other is not node]
            if not self._nodes:
                self._end.set()
                self._thread = None
        if self._looking.acquire(timeout=END_S):
            self._looking.release()

    def watch_disk(self, path: Path) -> None:
        """Watch the room on the file system of a path that is written to."""
        if path not in self._reader.disks:
            self._reader.disks = (*self._reader.disks, path)

    @contextlib.contextmanager
    def transition(self) -> Iterator[None]:
        """Tell that a node changes its state: until it has, the executor serves nobody else."""
        with self._lock:
            self._transitions += 1
        try:
            yield
        finally:
            with self._lock:
                self._transitions -= 1
                self._served_since_s = time.monotonic()

    def blocked_s(self, beat_s: float, now_s: float) -> float:
        """Return for how long the executor has served nobody without a reason for it [s].

        Args:
            beat_s: When it last served a timer.
            now_s: The time now.
        """
        if self._transitions:
            return 0.0
        return now_s - max(beat_s, self._served_since_s, self._awake_since_s)

    def scan(self, now_s: float) -> None:
        """Look at everything once.

        Args:
            now_s: Time on the steady clock [s].
        """
        with self._looking:
            if self._last_s is None or now_s - self._last_s > HELD_UP_S:
                self.held_up += self._last_s is not None
                self._awake_since_s = now_s
            self._last_s = now_s
            if now_s >= self._next_reading_s:
                self._next_reading_s = now_s + MACHINE_PERIOD_S
                self._read_machine()
            nodes = self._nodes
            for node in nodes:
                node.look(now_s, self._awake_since_s)
            stuck = next(filter(None, (node.must_restart() for node in nodes)), '')
            if not stuck:
                self.notifier.ping(now_s)
            elif not self.stuck:
                self.notifier.status(stuck)
                if self.on_stuck is not None:
                    self.on_stuck(stuck)
            self.stuck = stuck

    def machine_state(self) -> MachineState:
        """Return what the planner of the latency budget is told of heat and power."""
        verdict = self.verdict
        return MachineState(heat=verdict.heat, throttled=verdict.throttled)

    def _read_machine(self) -> None:
        readings = self._reader.read()
        self.readings = readings
        if self._machine is not None:
            self.verdict = self._machine.update(readings)

    def _run(self, end: threading.Event) -> None:
        while not end.wait(PERIOD_S):
            self.scan(time.monotonic())
