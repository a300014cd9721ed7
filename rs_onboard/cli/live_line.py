# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One line about a live graph on a terminal."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.perception.frame_results import FrameResults


class ProgressLine:
    """One line on a terminal that says how the run is doing."""

    def __init__(self) -> None:
        self.latest: FrameResults | None = None
        self._started = time.monotonic()
        self._shown = 0.0
        self._live = sys.stdout.isatty()
        self._open = False

    def show(self, sent: int, done: int, nodes: list[PerceptionNode]) -> None:
        """Write the line, a few times a second."""
        now = time.monotonic()
        if now - self._shown < (0.2 if self._live else 5.0):
            return
        self._shown = now
        drops: Counter[str] = Counter()
        for node in nodes:
            counts = node.counts()
            for name, number in (counts.dropped if counts else {}).items():
                drops[f'{node.get_name()} {name}'] += number
        parts = [f'{now - self._started:5.1f} s', f'{sent} in, {done} out']
        if self.latest is not None and self.latest.latency_ms is not None:
            parts.append(f'frame {self.latest.latency_ms:.0f} ms')
            for task, result in self.latest.results.items():
                infer = (result.report.latency_ms or {}).get('infer')
                parts.append(
                    f'{task} {infer:.0f} ms' if infer else f'{task} {result.report.status}'
                )
        parts.append(f'drops {dict(drops)}' if drops else 'no drops')
        text = ' | '.join(parts)
        print(f'\r\x1b[K{text}' if self._live else text, end='' if self._live else '\n', flush=True)
        self._open = self._live

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            print()
            self._open = False
