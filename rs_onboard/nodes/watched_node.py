# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes whose state is watched and published, whatever their executor does."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType

from rs_onboard.health.limits import Rate
from rs_onboard.health.machine_watch import MachineLimits
from rs_onboard.health.states import Finding, State
from rs_onboard.nodes import names
from rs_onboard.nodes.component import Component
from rs_onboard.nodes.exchange import Exchange
from rs_onboard.nodes.parameter_node import ParameterNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rs_onboard.nodes.node_settings import NodeSettings
    from rs_onboard.perception.worker import Counts, Worker

# What a callback complains about is logged at most this often, counted always.
LOG_PERIOD_S = 5.0

# Matters of complaint that are remembered.
MAX_MATTERS = 64

# The executor shows that it serves callbacks this often; if not for so long, it hangs in one.
BEAT_S = 0.5
BLOCKED_S = 5.0

# Time in which somebody may begin to publish /clock.
CLOCK_GRACE_S = 5.0

# To configure a node takes seconds, unless it has engines to build.
SLOW_START_S = 60.0

# A stage that is at one frame for longer than this is dead.
DEAD_S = 30.0

# After so long only a new process can help.
STUCK_S = 30.0


class WatchedNode(ParameterNode):
    """A node that the watchdog of its process looks at.

    Args:
        name: Node name.
        exchange: What the nodes of this process share; a node alone in its process gets its own.
        arguments: Passed to rclpy's Node (namespace, parameter_overrides, ...).

    Attributes:
        component: The state of the node.
        fault: Why it could not be configured or activated, empty if it could.
        fault_cause: The name of that.
        steady_clock: For timers: durations must not stand still or jump with the time of a bag.
    """

    def __init__(self, name: str, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(name, **arguments)
        self.exchange = exchange or Exchange()
        self.fault = ''
        self.fault_cause = ''
        # While a transition is under way, what a node is made of is not looked at.
        self._transition_lock = threading.RLock()
        self._transition_since: tuple[str, float] | None = None
        self._progress = ''
        self._since_s = time.monotonic()
        self._last_beat_s: float | None = None
        self._next_diagnostics_s = 0.0
        self._stuck = ''
        self._rate = Rate()
        self._complained: dict[str, float] = {}
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.component = Component(
            f'{self.get_fully_qualified_name().lstrip("/")}: perception',
            self.get_logger(),
            self.exchange.watchdog.news,
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, names.DIAGNOSTICS, 10)
        self._timer = self.create_timer(BEAT_S, self._beat, clock=self.steady_clock)
        self.exchange.watchdog.add(self, _machine_limits(self.settings))

    # What subclasses fill.

    def counts(self) -> Counts | None:
        """Return the counters of the node's mailbox."""
        return None

    def values(self) -> dict[str, str]:
        """Return values for the diagnostics."""
        return {}

    def findings(self) -> list[Finding]:
        """Return what is wrong now, each with its name and its state."""
        return []

    def workers(self) -> list[Worker[Any]]:
        """Return the workers whose threads the watchdog looks after."""
        return []

    def watch(self, now_s: float, awake_since_s: float) -> None:
        """Look after what may hang; called by the watchdog, see `Watched.look`."""

    def entries(self) -> list[DiagnosticStatus]:
        """Return further entries for /diagnostics."""
        return []

    def must_restart(self) -> str:
        """See `Watched.must_restart`."""
        return self._stuck

    # Callbacks.

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback so that what it raises is logged and nothing reaches the executor."""

        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as exc:  # noqa: BLE001  (a raised callback would end the executor)
                self.complain(f'{type(exc).__name__}: {exc}')

        return call

    def complain(self, reason: str) -> None:
        """Log a warning; on one matter, named before the colon, one every few seconds."""
        # The throttle of rclpy goes by the line that logs, so that all matters would share one.
        matter, now = reason.partition(':')[0], time.monotonic()
        if now - self._complained.get(matter, -LOG_PERIOD_S) < LOG_PERIOD_S:
            return
        if len(self._complained) >= MAX_MATTERS:
            self._complained.clear()
        self._complained[matter] = now
        self.get_logger().warning(reason)

    def incident(self, cause: str, text: str, state: State = State.DEGRADED) -> None:
        """Take an event that makes the node less than fine for a while.

        Args:
            cause: Its name, as in the table of docs/diagnostics.md.
            text: One line: what was found and what to do.
            state: How bad it is.
        """
        self.component.incident(Finding(cause, text, state))

    def lost(self, exc: Exception) -> None:
        """Take note of an item that was lost to an error that should not happen."""
        self.incident('unexpected_error', f'a frame was lost: {exc!r}; please report it')

    def progress(self, text: str) -> None:
        """Say what takes long, in the log and in the diagnostics until the transition is over."""
        self._progress = text
        self.get_logger().info(text)

    def destroy_node(self) -> None:
        """Leave the watchdog, then end."""
        self.exchange.watchdog.remove(self)
        super().destroy_node()

    @contextlib.contextmanager
    def in_transition(self, name: str) -> Iterator[None]:
        """Change the state of the lifecycle, and say so while it lasts."""
        with self.exchange.watchdog.transition(), self._transition_lock:
            self._progress, self._transition_since = '', (name, time.monotonic())
            try:
                yield
            finally:
                self._transition_since, self._since_s = None, time.monotonic()

    # What the watchdog does.

    def look(self, now_s: float, awake_since_s: float) -> None:
        """Look after the workers and publish what is due; see `Watched.look`."""
        self.guarded(self._look)(now_s, awake_since_s)

    def _look(self, now_s: float, awake_since_s: float) -> None:
        if not self._transition_lock.acquire(blocking=False):
            self._publish_progress(now_s)
            return
        try:
            if self._last_beat_s is None:
                # Not served yet, perhaps not even made: there is nothing to look after.
                return
            if self.state == 'active':
                self._revive()
                self.watch(now_s, awake_since_s)
            self._look_at_executor(now_s, self._last_beat_s)
            if now_s >= self._next_diagnostics_s:
                self._next_diagnostics_s = now_s + self.settings.diagnostics_period_s
                self.publish_diagnostics()
            else:
                self._judge()
        finally:
            self._transition_lock.release()

    def _publish_progress(self, now_s: float) -> None:
        """Publish what takes the node so long; what it is made of is not there yet, or changes."""
        under_way = self._transition_since
        if under_way is None or now_s < self._next_diagnostics_s:
            return
        self._next_diagnostics_s = now_s + self.settings.diagnostics_period_s
        name, since_s = under_way
        text = f'{name} for {now_s - since_s:.0f} s'
        values = {'state': self.state, 'progress': self._progress}
        if now_s - since_s > SLOW_START_S:
            slow = f'{text}: {self._progress or "it hangs"}'
            self.component.judge([Finding('slow_start', slow)], self.settings.health_hold_s)
        self._send([self.component.message(f'{text}: {self._progress}'.rstrip(': '), values)])

    def _look_at_executor(self, now_s: float, beat_s: float) -> None:
        blocked_s = self.exchange.watchdog.blocked_s(beat_s, now_s)
        text = f'no callback served for {blocked_s:.0f} s: one hangs. Restart the process'
        self._stuck = text if blocked_s > STUCK_S else ''
        if blocked_s > BLOCKED_S:
            self.incident('executor_blocked', text, State.FAILED)

    def _beat(self) -> None:
        self._last_beat_s = time.monotonic()

    def _revive(self) -> None:
        for worker in self.workers():
            if worker.revive():
                text = f'{worker.name}: its thread ended and was started again'
                self.incident('worker_died', text, State.FAILED)

    def publish_diagnostics(self) -> None:
        """Publish the state of the node and its further entries."""
        try:
            further = self.entries()
        except Exception as exc:  # noqa: BLE001  (what is left must be told all the same)
            further = []
            self.incident('unexpected_error', f'entries: {exc!r}; please report it')
        self._send([self.diagnostic(), *further])

    def _send(self, entries: list[DiagnosticStatus]) -> None:
        array = DiagnosticArray(status=entries)
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _judge(self) -> dict[str, str]:
        """Take what is wrong now into account; returns the values for the diagnostics."""
        found: list[Finding] = []
        values: dict[str, str] = {}
        if self.fault:
            found.append(Finding(self.fault_cause, self.fault, State.FAILED))
        if self._waits_for_clock():
            text = 'use_sim_time is set and nobody publishes /clock yet'
            found.append(Finding('no_clock', text))
        try:
            values = self.values()
            found += self.findings()
        except Exception as exc:  # noqa: BLE001  (silence would be worse)
            found.append(Finding('unexpected_error', f'values: {exc!r}; please report it'))
        found += [item for worker in self.workers() if (item := _trouble(worker)) is not None]
        self.component.judge(found, self.settings.health_hold_s)
        return values

    def diagnostic(self) -> DiagnosticStatus:
        """Return the state, values and counters of the node."""
        values = {'state': self.state, **self._judge()}
        if counts := self.counts():
            values['received'] = str(counts.received)
            values['done'] = str(counts.done)
            values['waiting'] = str(counts.waiting)
            for name, number in sorted(counts.dropped.items()):
                values[f'dropped.{name}'] = str(number)
            rate = self._rate.update(counts.done, time.monotonic())
            values['rate_hz'] = '' if rate is None else f'{rate:.2f}'
        rss_mb = self.exchange.watchdog.readings.process.rss_mb
        values['rss_mb'] = '' if rss_mb is None else f'{rss_mb:.0f}'
        return self.component.message(self.state, values)

    def _waits_for_clock(self) -> bool:
        clock = self.get_clock()
        if not clock.ros_time_is_active or time.monotonic() - self._since_s < CLOCK_GRACE_S:
            return False
        return bool(clock.now().nanoseconds == 0)


def _trouble(worker: Worker[Any]) -> Finding | None:
    """Return what is wrong with a worker, None if nothing is."""
    text = worker.trouble()
    if not text:
        return None
    busy_s = worker.busy_s() if worker.running else 0.0
    if not busy_s:
        return Finding('left_behind', text)
    return Finding('worker_hangs', text, State.FAILED if busy_s > DEAD_S else State.STALE)


def _machine_limits(settings: NodeSettings) -> MachineLimits:
    return MachineLimits(
        warm_c=settings.temperature_warm_c,
        hot_c=settings.temperature_hot_c,
        critical_c=settings.temperature_critical_c,
        disk_mb=settings.disk_low_mb,
        memory_mb=settings.memory_low_mb,
    )
