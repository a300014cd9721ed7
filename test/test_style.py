# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The linters, the type checker and the rules that they do not know."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINTED = ['rs_onboard', 'test', 'tools', 'launch', 'benchmarks', 'setup.py']
HEADER = [
    '# Copyright 2026 The rs_onboard authors',
    '# SPDX-License-Identifier: Apache-2.0',
]
LONGEST_MODULE = 400


def linted() -> list[str]:
    return [name for name in LINTED if (ROOT / name).exists()]


def sources() -> list[Path]:
    files = [ROOT / name for name in linted() if name.endswith('.py')]
    for name in linted():
        files += sorted((ROOT / name).rglob('*.py'))
    return files


def run(*command: str) -> None:
    """Run a tool of this environment; skip where it is not installed, fail with its output."""
    if find_spec(command[0]) is None:
        pytest.skip(f'{command[0]} is not installed')
    done = subprocess.run(
        [sys.executable, '-m', *command], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def test_ruff_finds_nothing():
    run('ruff', 'check', '--quiet', *linted())


def test_ruff_would_not_reformat_anything():
    run('ruff', 'format', '--quiet', '--diff', *linted())


def test_mypy_in_strict_mode_finds_nothing():
    run('mypy')


def test_every_module_starts_with_copyright_and_licence():
    wrong = []
    for path in sources():
        lines = path.read_text(encoding='utf-8').splitlines()
        if lines and lines[0].startswith('#!'):
            del lines[0]
        if lines[:2] != HEADER:
            wrong.append(str(path.relative_to(ROOT)))
    assert not wrong


def test_no_module_is_longer_than_a_reader_bears():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding='utf-8').splitlines())
        for path in sources()
        if ROOT / 'test' not in path.parents
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}
