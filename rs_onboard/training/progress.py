# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A line that shows how far a run is, on terminals alone."""

from __future__ import annotations

import sys
import time
from typing import TextIO

WIDTH = 30
INTERVAL_S = 0.5


class ProgressLine:
    """Rewrites one line of a terminal; writes nothing to files and pipes.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self.stream = stream
        self.live = stream.isatty()
        self.start: tuple[float, float] | None = None
        self.last = float('-inf')

    def show(self, share: float, text: str) -> None:
        """Show the share done (0 to 1), the time left by the pace so far, and a text."""
        now = time.monotonic()
        if self.start is None:
            self.start = (now, share)
        if not self.live or (now - self.last < INTERVAL_S and share < 1):
            return
        self.last = now
        since, first = self.start
        left = (now - since) / (share - first) * (1 - share) if share > first else 0.0
        bar = '#' * int(WIDTH * share)
        minutes, seconds = divmod(int(left), 60)
        self.stream.write(
            f'\r\x1b[K[{bar:<{WIDTH}}] {share:4.0%}  {minutes}:{seconds:02d} left  {text}'
        )
        self.stream.flush()

    def report(self, text: str) -> None:
        """Print a text to stdout in place of the line."""
        if self.live:
            self.stream.write('\r\x1b[K')
            self.stream.flush()
        sys.stdout.write(f'{text}\n')
        sys.stdout.flush()
