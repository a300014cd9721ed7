# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tell systemd that the process lives: sd_notify(3) without its library."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Sent this many times within the time that systemd allows.
PINGS = 3


class Notifier:
    """Speaks to the service manager, where there is one (`NOTIFY_SOCKET` is set).

    The socket is a file or an abstract name on this machine; nothing leaves it.

    Args:
        environment: The environment of the process.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get('NOTIFY_SOCKET', '')
        self.period_s = 0.0
        self._last_s: float | None = None
        self._status = ''
        allowed_us = environment.get('WATCHDOG_USEC', '')
        for_whom = environment.get('WATCHDOG_PID', str(os.getpid()))
        if self._address and allowed_us.isdecimal() and for_whom == str(os.getpid()):
            self.period_s = int(allowed_us) / 1e6 / PINGS

    @property
    def listening(self) -> bool:
        """Whether there is a service manager to tell."""
        return self._address[:1] in {'/', '@'}

    def ready(self) -> None:
        """Say that the start is over."""
        self._send('READY=1')

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send('STOPPING=1')

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`; the same line is sent once."""
        if text != self._status:
            self._status = text
            self._send(f'STATUS={" ".join(text.split())}')

    def ping(self, now_s: float) -> bool:
        """Say that the process lives, as often as systemd asks; returns whether it was said.

        Args:
            now_s: Time on a steady clock [s].
        """
        if not self.period_s or (self._last_s is not None and now_s - self._last_s < self.period_s):
            return False
        self._last_s = now_s
        return self._send('WATCHDOG=1')

    def _send(self, text: str) -> bool:
        if not self.listening:
            return False
        address = self._address
        if address.startswith('@'):
            address = '\0' + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(text.encode(), address)
        except OSError:
            # A manager that went away or is busy is no reason to disturb a flight.
            return False
        return True
