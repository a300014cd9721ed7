# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the machine offers: ROS, compiler, CMake, Python."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from .errors import SetupError

TESTED_ROS = ('humble', 'jazzy', 'lyrical')
WHEEL_PYTHONS = ('3.10', '3.11', '3.12', '3.13')
CMAKE_FLOOR = (3, 16)


def python_version() -> str:
    """Return the running interpreter's version as major.minor."""
    return '{}.{}'.format(*sys.version_info[:2])


def sourced_ros() -> str | None:
    """Return the name of the ROS distribution that is sourced, or None.

    Raises:
        SetupError: ROS is sourced, but cannot be used from this Python.
    """
    if not (distro := os.environ.get('ROS_DISTRO')):
        return None
    if _can_import('rclpy, vision_msgs.msg, numpy, cv2, yaml, colcon_core'):
        return distro
    if not _can_import('rclpy'):
        msg = (
            f'ROS {distro} is sourced, but {sys.executable} cannot import its rclpy; set '
            'PYTHON=/usr/bin/python3, or unset ROS_DISTRO to do without ROS'
        )
        raise SetupError(msg)
    if not _can_import('vision_msgs.msg'):
        msg = f'ROS {distro} has no vision_msgs; run: sudo apt install ros-{distro}-vision-msgs'
        raise SetupError(msg)
    if missing := [name for name in ('numpy', 'cv2', 'yaml') if not _can_import(name)]:
        msg = (
            f'{sys.executable} cannot import {", ".join(missing)}; run: '
            'rosdep install --from-paths . --ignore-src --skip-keys python3-onnxruntime-pip'
        )
        raise SetupError(msg)
    msg = 'colcon is missing; run: sudo apt install python3-colcon-common-extensions'
    raise SetupError(msg)


def check_venv() -> None:
    """Raise SetupError where this Python cannot make virtual environments."""
    if importlib.util.find_spec('ensurepip') is None:
        msg = (
            f'{sys.executable} has no ensurepip, which virtual environments need; run: '
            f'sudo apt install python{python_version()}-venv'
        )
        raise SetupError(msg)


def check_wheel_machine() -> None:
    """Raise SetupError where the ROS wheels do not run or vision_msgs cannot be compiled."""
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ('Linux', 'x86_64'):
        msg = (
            f'there are no ROS wheels for {system} on {machine}; install ROS 2 '
            f'({", ".join(TESTED_ROS)}), source it and run this again'
        )
        raise SetupError(msg)
    if python_version() not in WHEEL_PYTHONS:
        msg = (
            f'{sys.executable} is Python {python_version()}, the ROS wheels are for '
            f'{WHEEL_PYTHONS[0]} to {WHEEL_PYTHONS[-1]}; set PYTHON=/path/to/one of them'
        )
        raise SetupError(msg)
    _check_compiler()
    _check_cmake()
    _check_headers()


def _check_compiler() -> None:
    wanted = os.environ.get('CXX', '').split()[:1] or ['c++', 'g++', 'clang++']
    if not any(map(shutil.which, wanted)):
        msg = f'no C++ compiler ({", ".join(wanted)}) on PATH; run: sudo apt install g++'
        raise SetupError(msg)
    wanted = os.environ.get('CC', '').split()[:1] or ['cc', 'gcc', 'clang']
    if not any(map(shutil.which, wanted)):
        msg = f'no C compiler ({", ".join(wanted)}) on PATH; run: sudo apt install gcc'
        raise SetupError(msg)


def _check_cmake() -> None:
    floor = '.'.join(map(str, CMAKE_FLOOR))
    if not (cmake := shutil.which('cmake')):
        msg = f'no cmake on PATH; run: sudo apt install cmake (version {floor} or newer)'
        raise SetupError(msg)
    told = subprocess.run([cmake, '--version'], capture_output=True, text=True, check=False).stdout
    found = re.search(r'(\d+)\.(\d+)', told)
    if not found or (int(found[1]), int(found[2])) < CMAKE_FLOOR:
        version = found[0] if found else 'of an unknown version'
        msg = f'{cmake} is {version}; install CMake {floor} or newer'
        raise SetupError(msg)


def _check_headers() -> None:
    header = Path(sysconfig.get_path('include'), 'Python.h')
    if not header.is_file():
        msg = (
            f'{header} is missing, vision_msgs compiles against it; run: '
            f'sudo apt install python{python_version()}-dev'
        )
        raise SetupError(msg)


def _can_import(module: str) -> bool:
    command = [sys.executable, '-c', f'import {module}']
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
