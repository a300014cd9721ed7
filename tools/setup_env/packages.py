# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Install the pinned packages with pip."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from .errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from .venv import Environment

UNREACHABLE = re.compile(
    r'NewConnectionError|NameResolutionError|name resolution|Network is unreachable'
    r'|ConnectTimeout|ProxyError|Connection refused|Read timed out'
)
NO_WHEEL = re.compile(r'ERROR: No matching distribution found for (\S+)')


def install(environment: Environment, files: list[Path], *, numpy_of_ros: bool = False) -> None:
    """Install what requirement files list.

    Args:
        environment: Where to.
        files: The requirement files.
        numpy_of_ros: Stay binary compatible with the numpy that ROS was built with.

    Raises:
        SetupError: pip failed; the message tells why as far as its output does.
    """
    start = environment.log.stat().st_size if environment.log.exists() else 0
    arguments = [option for path in files for option in ('--requirement', str(path))]
    if numpy_of_ros:
        arguments.append(f'numpy<{_numpy_major(environment) + 1}')
    # Wheels only run where pip knows their platform tags, which the pip that Python 3.10 brings
    # does; --retries keeps a machine without network from waiting for minutes.
    if environment.run('-m', 'pip', 'install', '--retries', '2', *arguments) == 0:
        return
    with environment.log.open('rb') as log:
        log.seek(start)
        raise SetupError(_why(log.read().decode(errors='replace'), environment.log))


def _why(output: str, log: Path) -> str:
    if UNREACHABLE.search(output):
        return (
            'pip cannot reach its package index; connect to the network, or point PIP_INDEX_URL '
            f'or PIP_FIND_LINKS at a mirror (log: {log})'
        )
    if found := NO_WHEEL.search(output):
        return f'pip finds no {found[1]} for this Python and machine (log: {log})'
    if 'No space left on device' in output:
        return f'the disk is full; the environment takes about 1 GB (log: {log})'
    errors = [line for line in output.splitlines() if line.startswith('ERROR')]
    return f'pip failed: {errors[-1] if errors else "no reason given"} (log: {log})'


def _numpy_major(environment: Environment) -> int:
    command = [str(environment.python), '-c', 'import numpy; print(numpy.__version__)']
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(version.split('.')[0])
