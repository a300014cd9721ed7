# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The machine in /diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_onboard.health.values import machine_values
from rs_onboard.nodes.component import Component

if TYPE_CHECKING:
    from collections import deque

    from diagnostic_msgs.msg import DiagnosticStatus

    from rs_onboard.health.machine_watch import MachineVerdict
    from rs_onboard.health.readings import MachineReadings
    from rs_onboard.nodes.component import News


class MachineStatus:
    """The entry `machine` of /diagnostics.

    Args:
        name: Name of the node that publishes it.
        logger: Its logger.
        news: See `Component`.
    """

    def __init__(self, name: str, logger: Any, news: deque[News] | None = None) -> None:
        self.component = Component(f'{name}: machine', logger, news)

    def judge(self, verdict: MachineVerdict, hold_s: float) -> None:
        """Take what was found wrong with the machine."""
        self.component.judge(verdict.findings, hold_s)

    def entry(self, readings: MachineReadings, verdict: MachineVerdict) -> DiagnosticStatus:
        """Return the entry."""
        return self.component.message('fine', machine_values(readings, verdict))
