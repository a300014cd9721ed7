# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual environment itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError

ENTRY_MODULE = 'ament_environment'


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the log of what is done to it.

    Attributes:
        prefix: Its root folder.
        log: File that the commands' output is appended to.
    """

    prefix: Path
    log: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.prefix / 'bin' / 'python'

    @property
    def site_packages(self) -> Path:
        """Its folder of packages."""
        return self.prefix / 'lib' / 'python{}.{}'.format(*sys.version_info[:2]) / 'site-packages'

    def create(self, *, system_packages: bool) -> None:
        """Make it anew with the running Python.

        Args:
            system_packages: See the packages of the Python it is made from, as ROS needs it.

        Raises:
            SetupError: The Python cannot do it.
        """
        shutil.rmtree(self.prefix, ignore_errors=True)
        options = ['--system-site-packages'] if system_packages else []
        if self._log([sys.executable, '-m', 'venv', *options, str(self.prefix)], dict(os.environ)):
            msg = f'{sys.executable} could not make {self.prefix}; see {self.log}'
            raise SetupError(msg)

    def enter_at_start(self, source: Path) -> None:
        """Let its interpreter find the ament index without sourcing, and rs_onboard's sources.

        Args:
            source: Folder that holds the package rs_onboard.
        """
        entry = Path(__file__).with_name(f'{ENTRY_MODULE}.py')
        shutil.copyfile(entry, self.site_packages / entry.name)
        self._write_pth(ENTRY_MODULE, f'import {ENTRY_MODULE}')
        self._write_pth('rs_onboard', str(source))

    def link_command(self, name: str, target: Path) -> None:
        """Put an executable on its PATH."""
        link = self.prefix / 'bin' / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))

    def run(self, *arguments: str, variables: dict[str, str] | None = None) -> int:
        """Run its interpreter, output going to the log.

        Args:
            arguments: The interpreter's arguments.
            variables: Environment variables to set on top.

        Returns:
            The exit status.
        """
        surroundings = {
            **os.environ,
            'VIRTUAL_ENV': str(self.prefix),
            'PATH': os.pathsep.join([str(self.prefix / 'bin'), os.environ.get('PATH', '')]),
            **(variables or {}),
        }
        return self._log([str(self.python), *arguments], surroundings)

    def _write_pth(self, name: str, line: str) -> None:
        (self.site_packages / f'{name}.pth').write_text(f'{line}\n', encoding='utf-8')

    def _log(self, command: list[str], variables: dict[str, str]) -> int:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open('a', encoding='utf-8') as log:
            log.write(f'$ {" ".join(command)}\n')
            log.flush()
            done = subprocess.run(
                command, env=variables, stdout=log, stderr=subprocess.STDOUT, check=False
            )
        return done.returncode
