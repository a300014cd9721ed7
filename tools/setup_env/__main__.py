# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Bring .venv up to date: `python -m tools.setup_env` in the repository's root."""

from __future__ import annotations

import argparse
import fcntl
import platform
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import machine, packages, workspace
from .errors import SetupError
from .stages import Stages, digest_of
from .venv import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / 'build'
REQUIREMENTS = ROOT / 'requirements'
MESSAGES = ROOT / 'msgs' / 'vision_msgs'
SHARED_FOLDERS = ('launch', 'params', 'models', 'flights')
DESCRIPTION = (
    ROOT / 'package.xml',
    ROOT / 'setup.cfg',
    ROOT / 'setup.py',
    Path(__file__).with_name('ament_environment.py'),
)


@dataclass(frozen=True)
class Stage:
    """One step of the set-up.

    Attributes:
        name: What it is recorded under.
        saying: What the user is told while it runs.
        work: Does it.
        product: What exists once it is done.
        files: Files whose contents it depends on.
        names: Other strings it depends on.
    """

    name: str
    saying: str
    work: Callable[[], None]
    product: Path
    files: Sequence[Path] = ()
    names: Sequence[str] = ()


class Setup:
    """The stages that lead from a bare Python to a working environment, each done once."""

    def __init__(self, ros: str | None) -> None:
        self.ros = ros
        self.environment = Environment(ROOT / '.venv', BUILD / 'setup.log')
        self.finished = Stages(self.environment.prefix / 'setup.json')
        self.facts = [sys.version, platform.machine(), str(ROOT), ros or 'wheels']

    def run(self, *, ground: bool) -> None:
        """Do the stages whose inputs changed or whose product is gone.

        Args:
            ground: Install the ground side's packages, torch among them, too.

        Raises:
            SetupError: A stage failed.
        """
        for stage in self._stages(ground=ground):
            digest = digest_of([*self.facts, *stage.names], stage.files)
            if stage.product.exists() and self.finished.is_done(stage.name, digest):
                continue
            print(f'setup: {stage.saying} ...', end=' ', flush=True)
            start = time.monotonic()
            try:
                stage.work()
            except SetupError:
                print('failed', flush=True)
                raise
            print(f'{time.monotonic() - start:.0f} s', flush=True)
            self.finished.record(stage.name, digest)

    def _stages(self, *, ground: bool) -> Iterator[Stage]:
        environment = self.environment
        yield Stage('environment', 'making .venv', self._create, environment.python)
        names = ('ros_machine',) if self.ros else ('flight', 'ros', 'test')
        yield self._installing('packages', 'installing packages', *names)
        if not self.ros:
            yield Stage(
                'vision_msgs',
                'building vision_msgs',
                self._build_messages,
                environment.prefix / 'share' / 'vision_msgs',
                [*files_below(MESSAGES), *(REQUIREMENTS / f'{name}.txt' for name in names)],
            )
        yield Stage(
            'rs_onboard',
            'building rs_onboard',
            self._build_package,
            BUILD / 'rs_onboard' / 'rs_onboard',
            DESCRIPTION,
            shared(),
        )
        if ground:
            yield self._installing('ground', 'installing torch', 'ground')

    def _installing(self, name: str, saying: str, *requirements: str) -> Stage:
        files = [REQUIREMENTS / f'{requirement}.txt' for requirement in requirements]
        return Stage(
            name, saying, lambda: self._install(files), self.environment.site_packages, files
        )

    def _create(self) -> None:
        machine.check_venv()
        if not self.ros:
            machine.check_wheel_machine()
        self.environment.create(system_packages=self.ros is not None)

    def _install(self, files: list[Path]) -> None:
        packages.install(self.environment, files, numpy_of_ros=self.ros is not None)

    def _build_messages(self) -> None:
        machine.check_wheel_machine()
        workspace.repair_targets(self.environment)
        workspace.forget(self.environment, BUILD, 'vision_msgs')
        workspace.build(self.environment, MESSAGES, BUILD, linked=False)

    def _build_package(self) -> None:
        workspace.forget(self.environment, BUILD, 'rs_onboard')
        workspace.build(self.environment, ROOT, BUILD, linked=True)
        self.environment.enter_at_start(BUILD / 'rs_onboard')
        target = self.environment.prefix / 'lib' / 'rs_onboard' / 'rs_onboard'
        self.environment.link_command('rs_onboard', target)


def files_below(folder: Path) -> list[Path]:
    """List a folder's files; interpreters' caches do not count."""
    return [
        path
        for path in sorted(folder.rglob('*'))
        if path.is_file() and '__pycache__' not in path.parts
    ]


def shared() -> list[str]:
    """List the names of the files that setup.py installs as links."""
    return [str(path) for name in SHARED_FOLDERS for path in files_below(ROOT / name)]


@contextmanager
def alone() -> Iterator[None]:
    """Let one set-up run at a time in this working tree."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / 'setup.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Run the set-up; a failure is one line on stderr.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog='setup_env', description=__doc__)
    parser.add_argument('--ground', action='store_true', help='install torch and ONNX tools too')
    options = parser.parse_args()
    try:
        ros = machine.sourced_ros()
        with alone():
            Setup(ros).run(ground=options.ground)
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nsetup: interrupted; run the command again to go on', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
