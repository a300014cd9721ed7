# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One entry of /diagnostics: its state over time, the log lines of its changes, its message."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from rs_onboard.health.states import Finding, HealthMonitor, State

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from rs_onboard.health.states import Change

    News: TypeAlias = tuple[str, Change]

LEVELS = {
    State.OK: DiagnosticStatus.OK,
    State.DEGRADED: DiagnosticStatus.WARN,
    State.STALE: DiagnosticStatus.STALE,
    State.FAILED: DiagnosticStatus.ERROR,
}


class Component:
    """A part of the graph whose state is published under a name.

    Args:
        name: Name of the entry (`front/scene: perception`).
        logger: Logger of the node that it belongs to.
        news: Takes (name, change) of every change of the state, for others to tell; None for none.
    """

    def __init__(self, name: str, logger: Any, news: deque[News] | None = None) -> None:
        self.name = name
        self._news = news
        self._logger = logger
        self._monitor = HealthMonitor()

    @property
    def state(self) -> State:
        """The state."""
        return self._monitor.state

    def causes(self) -> list[Finding]:
        """Return what is wrong, worst first."""
        return self._monitor.causes()

    def incident(self, finding: Finding) -> None:
        """Take an event, which is over in the moment it is told."""
        self._tell(self._monitor.note(finding, time.monotonic()))

    def judge(self, findings: Iterable[Finding], hold_s: float) -> None:
        """Take all that is wrong now.

        Args:
            findings: What was found.
            hold_s: How long a cause must be gone before it is over [s].
        """
        self._monitor.hold_s = hold_s
        self._tell(self._monitor.update(findings, time.monotonic()))

    def forget(self) -> None:
        """Forget what was wrong, as when a node was brought up anew."""
        self._monitor.forget()

    def message(self, fine: str, values: Mapping[str, str]) -> DiagnosticStatus:
        """Write the entry.

        Args:
            fine: Its message while nothing is wrong.
            values: Its values, besides the state and the causes.
        """
        causes = self._monitor.causes()
        state = causes[0].state if causes else State.OK
        told = {
            'health': state.name,
            'causes': ', '.join(finding.cause for finding in causes),
            **values,
        }
        return DiagnosticStatus(
            level=LEVELS[state],
            name=self.name,
            message=causes[0].text if causes else fine,
            hardware_id='rs_onboard',
            values=[KeyValue(key=key, value=value) for key, value in told.items()],
        )

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            line = str(change)
            if self._news is not None and change.before is not change.after:
                self._news.append((self.name, change))
            # rclpy keeps the severity of a line of code, so that each has one of its own.
            if change.finding.state is State.FAILED:
                self._logger.error(line)
            elif change.finding.state is State.OK:
                self._logger.info(line)
            else:
                self._logger.warning(line)
