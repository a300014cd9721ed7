# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Build vision_msgs and rs_onboard with colcon, into the environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from .errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from .venv import Environment

COLCON = 'import sys; from colcon_core.command import main; sys.exit(main())'
INCLUDES_OF = (
    'import numpy, sysconfig; print(sysconfig.get_path("include"), numpy.get_include(), sep=";")'
)
BAKED_INCLUDES = re.compile(r'(INTERFACE_INCLUDE_DIRECTORIES ")[^"]*(")')


def repair_targets(environment: Environment) -> None:
    """Replace the wheel builder's include paths in the exported CMake targets.

    The Python bindings of every message package export the folders of Python.h and numpy as they
    were where the wheel was built; CMake refuses targets whose folders do not exist.
    """
    command = [str(environment.python), '-c', INCLUDES_OF]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    share = environment.prefix / 'share'
    for path in share.glob('*/cmake/export_*__rosidl_generator_pyExport.cmake'):
        text = path.read_text(encoding='utf-8')
        path.write_text(BAKED_INCLUDES.sub(rf'\g<1>{told.strip()}\g<2>', text), encoding='utf-8')


def build(environment: Environment, package: Path, build_base: Path, *, linked: bool) -> None:
    """Build one package and install it into the environment.

    Args:
        environment: Where to; it is the ament prefix as well.
        package: Folder of the package's package.xml.
        build_base: Folder for intermediate files.
        linked: Install links to the sources, so that edits count at once.

    Raises:
        SetupError: The build failed.
    """
    arguments = [
        *('--log-base', str(build_base / 'log')),
        'build',
        '--merge-install',
        *('--install-base', str(environment.prefix)),
        *('--build-base', str(build_base)),
        *('--paths', str(package)),
        *(['--symlink-install'] if linked else []),
        *('--cmake-args', '-DBUILD_TESTING=OFF', '-DCMAKE_BUILD_TYPE=Release'),
        f'-DPython3_EXECUTABLE={environment.python}',
    ]
    variables = {
        name: os.pathsep.join([str(environment.prefix), *_others(name, environment.prefix)])
        for name in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH')
    }
    if environment.run('-c', COLCON, *arguments, variables=variables):
        msg = f'colcon could not build {package}; see {environment.log}'
        raise SetupError(msg)


def forget(environment: Environment, build_base: Path, name: str) -> None:
    """Remove an earlier build, which may be of another Python or hold deleted files."""
    shutil.rmtree(environment.prefix / 'share' / name, ignore_errors=True)
    shutil.rmtree(build_base / name, ignore_errors=True)


def _others(variable: str, prefix: Path) -> list[str]:
    places = os.environ.get(variable, '').split(os.pathsep)
    return [place for place in places if place not in ('', str(prefix))]
