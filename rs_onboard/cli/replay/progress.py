# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A bar that says how far a replay is."""

from __future__ import annotations

import sys
import time

BAR = 30
# A terminal is written to a few times a second, a log file now and then.
LIVE_S, LOG_S = 0.2, 10.0


class Progress:
    """Writes to stderr: a bar on a terminal, lines elsewhere.

    Args:
        total: Images to come; 0 where nobody knows.
        quiet: Whether to write nothing.
    """

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self._total = total
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._started = time.monotonic()
        self._shown = self._started
        self._open = False

    def say(self, text: str) -> None:
        """Write a line about what takes long."""
        if not self._quiet:
            print(text, file=sys.stderr)

    def show(self, done: int) -> None:
        """Show how many images are done, not more often than somebody can read."""
        now = time.monotonic()
        if self._quiet or now - self._shown < (LIVE_S if self._live else LOG_S):
            return
        self._shown = now
        text = self._text(done, now - self._started)
        print(
            f'\r\x1b[K{text}' if self._live else text,
            end='' if self._live else '\n',
            file=sys.stderr,
            flush=True,
        )
        self._open = self._live

    def end(self) -> None:
        """Take the bar away."""
        if self._open:
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)
            self._open = False

    def _text(self, done: int, spent_s: float) -> str:
        rate = done / spent_s if spent_s else 0.0
        if not self._total:
            return f'{done} images, {rate:.2f} a second'
        filled = round(BAR * min(1.0, done / self._total))
        left = (self._total - done) / rate if rate else 0.0
        bar = '#' * filled + '.' * (BAR - filled)
        return f'[{bar}] {done}/{self._total} images, {rate:.2f} a second, {left:.0f} s left'
