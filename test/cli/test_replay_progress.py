# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A bar on a terminal, lines in a log, nothing where nobody looks."""

from __future__ import annotations

import io

import pytest

from rs_onboard.cli.replay import progress
from rs_onboard.cli.replay.progress import Progress


class Screen(io.StringIO):
    def __init__(self, *, live):
        super().__init__()
        self._live = live

    def isatty(self):
        return self._live


@pytest.fixture
def clock(monkeypatch):
    """Let every look at the clock be a second later."""
    ticks = iter(range(1000))
    monkeypatch.setattr(progress.time, 'monotonic', lambda: float(next(ticks)))


def shown(monkeypatch, live, **options):
    screen = Screen(live=live)
    monkeypatch.setattr(progress.sys, 'stderr', screen)
    bar = Progress(options.pop('total', 20), **options)
    for done in range(5, 21, 5):
        bar.show(done)
    bar.end()
    return screen.getvalue()


def test_a_terminal_shows_one_bar_that_goes_away(monkeypatch, clock):
    text = shown(monkeypatch, live=True)
    lines = text.split('\r\x1b[K')
    assert lines[1] == '[########......................] 5/20 images, 5.00 a second, 3 s left'
    assert lines[4].startswith('[##############################] 20/20')
    assert lines[-1] == ''
    assert '\n' not in text


def test_a_log_gets_a_line_now_and_then(monkeypatch, clock):
    monkeypatch.setattr(progress, 'LOG_S', 3.0)
    lines = shown(monkeypatch, live=False).splitlines()
    assert len(lines) == 1
    assert '15/20 images' in lines[0]


def test_without_a_total_there_is_no_bar_and_quiet_is_quiet(monkeypatch, clock):
    assert '5 images, 5.00 a second' in shown(monkeypatch, live=True, total=0)
    assert shown(monkeypatch, live=True, quiet=True) == ''
