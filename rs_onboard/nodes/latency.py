# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Latencies from capture to publication and by stage, watched from outside the stages."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from rs_onboard.health.limits import LimitWatch, Window
from rs_onboard.health.states import Finding, State
from rs_onboard.nodes.component import Component

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from diagnostic_msgs.msg import DiagnosticStatus

    from rs_onboard.health.limits import Spread
    from rs_onboard.nodes.component import News
    from rs_onboard.nodes.settings import PublisherSettings
    from rs_onboard.perception.frame_results import FrameResults

# A task without any result for so long, while frames arrive, is dead.
SILENT_S = 10.0

# The latency of a frame says nothing any more about one so much later.
RECENT_S = 10.0

# A stamp that lies further back is of a bag, or of a camera with a clock of its own.
LONGEST_AGE_S = 60.0


class LatencyMonitor:
    """The entry `latency` of /diagnostics.

    It is looked at by the watchdog, so that a stage that gives nothing any more is told too.

    Args:
        name: Name of the node.
        logger: Its logger.
        news: See `Component`.
    """

    def __init__(self, name: str, logger: Any, news: deque[News] | None = None) -> None:
        self.component = Component(f'{name}: latency', logger, news)
        self._limit = LimitWatch(0.0, 0.0)
        self._lock = threading.Lock()
        self._windows: dict[str, Window] = {}
        self._missing_since_s: dict[str, float] = {}
        self._last: tuple[float, float] | None = None

    def take(self, results: FrameResults, missing: Iterable[str], now_ns: int) -> None:
        """Take the results of a frame that are about to be published.

        Args:
            results: The results.
            missing: Tasks of which none came.
            now_ns: The time of the node [ns], to compare with the stamp.
        """
        now_s, missing = time.monotonic(), set(missing)
        with self._lock:
            if results.latency_ms is not None:
                self._last = (now_s, results.latency_ms)
                self._add('capture_to_publish', results.latency_ms)
            age_ms = (now_ns - results.header.stamp_ns) / 1e6
            if 0 <= age_ms < LONGEST_AGE_S * 1e3:
                self._add('stamp_to_publish', age_ms)
            for task, result in results.results.items():
                for stage, spent_ms in (result.report.latency_ms or {}).items():
                    self._add(f'{task}.{stage}', spent_ms)
                if task in missing:
                    self._missing_since_s.setdefault(task, now_s)
                else:
                    self._missing_since_s.pop(task, None)

    def clear(self) -> None:
        """Forget everything, as when the node is stopped."""
        with self._lock:
            self._windows, self._missing_since_s, self._last = {}, {}, None
        self.component.forget()

    def judge(self, settings: PublisherSettings, waiting_s: float) -> None:
        """Judge the latency now.

        Args:
            settings: The limits.
            waiting_s: For how long the oldest frame that is not published yet has waited [s].
        """
        now_s = time.monotonic()
        with self._lock:
            self._limit.limit = settings.latency_limit_ms
            self._limit.allowed_s = settings.latency_allowed_s
            latency_ms = 1e3 * waiting_s
            if self._last is not None and now_s - self._last[0] < RECENT_S:
                latency_ms = max(latency_ms, self._last[1])
            state = self._limit.update(latency_ms, now_s)
            silent = {task: now_s - since for task, since in self._missing_since_s.items()}
        found = []
        if state is not State.OK:
            text = f'{latency_ms:.0f} ms from capture to publication, limit {self._limit.limit:g}'
            if state is State.FAILED:
                text += f'; for longer than {self._limit.allowed_s:g} s. Let tasks or tiles go'
            found.append(Finding('over_latency', text, state))
        for task, silent_s in silent.items():
            if silent_s > SILENT_S:
                text = (
                    f'no result of {task} for {silent_s:.0f} s while frames arrive; its node hangs '
                    'or does not run'
                )
                found.append(Finding(f'stage_silent.{task}', text, State.FAILED))
        self.component.judge(found, settings.health_hold_s)

    def entry(self) -> DiagnosticStatus:
        """Return the entry."""
        values: dict[str, str] = {}
        with self._lock:
            for name, window in self._windows.items():
                if spread := window.spread():
                    values |= _values(name, spread)
        return self.component.message('within its limit', values)

    def _add(self, name: str, value_ms: float) -> None:
        self._windows.setdefault(name, Window()).add(value_ms)


def _values(name: str, spread: Spread) -> dict[str, str]:
    return {f'{name}_ms.{key}': f'{value:.1f}' for key, value in spread._asdict().items()}
