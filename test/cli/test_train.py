# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard train` and `rs_onboard publish` as users type them."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from rs_onboard.cli.main import main
from rs_onboard.cli.train import seconds_left

WITHOUT_TORCH = """
import sys
sys.modules['torch'] = None
from rs_onboard.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    'words',
    [['train', 'x.yaml', '--out', 'run'], ['publish', 'x.yaml', '--run', 'r', '--out', 'm']],
)
def test_a_missing_recipe_is_named(words, tmp_path, capsys):
    pytest.importorskip('torch')
    assert main([*words, '--data', str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.startswith('rs_onboard: error: x.yaml: no such training recipe')


def test_publishing_without_torch_says_what_to_install(tmp_path):
    words = ['publish', 'x.yaml', '--run', 'r', '--out', 'm', '--data', str(tmp_path)]
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCH, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'needs torch' in done.stderr
    assert 'pip install torch' in done.stderr


def test_a_limit_of_time_is_minutes_or_a_time_of_day():
    assert seconds_left(None, None) is None
    assert seconds_left(1.5, None) == 90
    now = datetime.now().astimezone()
    for ahead in (timedelta(hours=2), timedelta(hours=-2)):
        wanted = now + ahead
        found = seconds_left(None, f'{wanted:%H:%M}')
        expected = (ahead.total_seconds() - wanted.second) % 86400
        assert found == pytest.approx(expected, abs=62)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--minutes', '0'], '--minutes: found 0.0; expected a number above 0'),
        (['--minutes', 'nan'], '--minutes: found nan'),
        (['--stop-at', '25:00'], "--stop-at: found '25:00'; expected HH:MM"),
    ],
)
def test_limits_that_mean_nothing_are_refused(words, message, tmp_path, capsys):
    assert main(['train', 'x.yaml', '--data', '.', '--out', str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err
