# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The progress line."""

from __future__ import annotations

import io

from rs_onboard.training import progress
from rs_onboard.training.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_tells_share_and_time_left_and_rests_between(monkeypatch, capsys):
    clock = iter((100.0, 110.0, 110.2, 130.0))
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
    stream = Terminal()
    line = ProgressLine(stream)
    for share in (0.0, 0.1, 0.11, 1.0):
        line.show(share, f'at {share}')
    shown = stream.getvalue().split('\r\x1b[K')[1:]
    assert [text.rpartition('  ')[2] for text in shown] == ['at 0.0', 'at 0.1', 'at 1.0']
    assert shown[1].startswith('[###                           ]  10%  1:30 left')
    assert shown[-1].startswith(f'[{"#" * 30}] 100%  0:00 left')
    line.report('epoch done')
    assert stream.getvalue().endswith('\r\x1b[K')
    assert capsys.readouterr().out == 'epoch done\n'


def test_pipes_get_no_line():
    stream = io.StringIO()
    ProgressLine(stream).show(0.5, 'half')
    assert not stream.getvalue()
