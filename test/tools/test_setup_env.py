# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The set-up says in one line what is missing, and does nothing twice."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which('bash')
TOOLS = ('bash', 'cmake', 'dirname', 'make', 'sed', 'uname')


def load(name: str):
    """Import tools.setup_env from the repository, whatever the search path."""
    if 'tools.setup_env' not in sys.modules:
        place = ROOT / 'tools' / 'setup_env'
        spec = spec_from_file_location(
            'tools.setup_env', place / '__init__.py', submodule_search_locations=[str(place)]
        )
        sys.modules['tools.setup_env'] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules['tools.setup_env'])
    return __import__(f'tools.setup_env.{name}', fromlist=['_'])


@pytest.fixture
def clone(tmp_path):
    """Return a tree with the set-up's own files, and a folder of chosen tools for PATH."""
    tree = tmp_path / 'clone'
    for name in ('tools', 'requirements', 'msgs'):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('Makefile', 'package.xml', 'setup.cfg', 'setup.py'):
        shutil.copy(ROOT / name, tree / name)
    offered = tmp_path / 'bin'
    offered.mkdir()
    for name in TOOLS:
        if path := shutil.which(name):
            (offered / name).symlink_to(path)
    return tree


def offer(clone: Path, name: str, script: str) -> None:
    """Put a shell script on the clone's PATH."""
    path = clone.parent / 'bin' / name
    path.unlink(missing_ok=True)
    path.write_text(f'#!{BASH}\n{script}\n', encoding='utf-8')
    path.chmod(0o755)


def run(clone: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees the offered tools and nothing else."""
    environment = {'PATH': str(clone.parent / 'bin'), 'HOME': str(clone), **variables}
    return subprocess.run(
        command, cwd=clone, env=environment, capture_output=True, text=True, check=False
    )


def set_up(clone: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up with the Python below this environment."""
    base = Path(sys.base_prefix, 'bin', 'python{}.{}'.format(*sys.version_info[:2]))
    return run(clone, str(base), '-B', '-m', 'tools.setup_env', **variables)


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line on stderr of a command that failed."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.skipif(not BASH, reason='needs bash')
class TestFindPython:
    def test_no_python_tells_what_to_install(self, clone):
        told = failure(run(clone, str(BASH), 'tools/find_python.sh'))
        assert 'no Python 3.10 to 3.13 found' in told
        assert 'sudo apt install python3' in told

    def test_a_named_python_that_is_too_old_is_refused_with_its_version(self, clone):
        offer(clone, 'python3.8', 'echo 3.8')
        told = failure(run(clone, str(BASH), 'tools/find_python.sh', PYTHON='python3.8'))
        assert 'PYTHON=python3.8 is Python 3.8' in told

    def test_a_named_python_that_does_not_run_is_refused(self, clone):
        told = failure(run(clone, str(BASH), 'tools/find_python.sh', PYTHON='/nowhere/python'))
        assert 'PYTHON=/nowhere/python does not run' in told

    def test_an_old_python3_is_passed_over_for_a_newer_one(self, clone):
        offer(clone, 'python3', 'echo 3.9')
        offer(clone, 'python3.13', 'echo 3.13')
        done = run(clone, str(BASH), 'tools/find_python.sh')
        assert done.stdout.strip() == str(clone.parent / 'bin' / 'python3.13')

    def test_the_python_of_an_existing_environment_is_kept(self, clone):
        offer(clone, 'python3', 'echo 3.13')
        offer(clone, 'python3.10', 'echo 3.10')
        (clone / '.venv').mkdir()
        home = clone.parent / 'bin'
        (clone / '.venv' / 'pyvenv.cfg').write_text(f'home = {home}\nversion = 3.10.13\n')
        done = run(clone, str(BASH), 'tools/find_python.sh')
        assert done.stdout.strip() == str(home / 'python3.10')


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ('Linux', 'x86_64') or sys.version_info >= (3, 14),
    reason='needs a machine and a Python with ROS wheels',
)
class TestMissingTools:
    def test_no_compiler_tells_what_to_install(self, clone):
        assert 'sudo apt install g++' in failure(set_up(clone))

    def test_no_cmake_tells_what_to_install(self, clone):
        offer(clone, 'c++', '')
        offer(clone, 'cc', '')
        (clone.parent / 'bin' / 'cmake').unlink(missing_ok=True)
        assert 'sudo apt install cmake' in failure(set_up(clone))

    def test_an_old_cmake_is_refused_with_its_version(self, clone):
        offer(clone, 'c++', '')
        offer(clone, 'cc', '')
        offer(clone, 'cmake', 'echo cmake version 3.5.1')
        told = failure(set_up(clone))
        assert 'cmake is 3.5' in told
        assert '3.16 or newer' in told

    def test_a_sourced_ros_of_another_python_is_named(self, clone):
        told = failure(set_up(clone, ROS_DISTRO='jazzy', PYTHONPATH='/nowhere'))
        assert 'ROS jazzy is sourced' in told
        assert 'PYTHON=/usr/bin/python3' in told

    def test_a_machine_without_ros_wheels_is_told_to_install_ros(self, monkeypatch):
        machine = load('machine')
        monkeypatch.setattr(machine.platform, 'machine', lambda: 'aarch64')
        with pytest.raises(load('errors').SetupError, match='no ROS wheels for Linux on aarch64'):
            machine.check_wheel_machine()

    def test_missing_python_headers_name_the_package(self, monkeypatch, tmp_path):
        machine = load('machine')
        monkeypatch.setattr(machine.sysconfig, 'get_path', lambda _: str(tmp_path))
        with pytest.raises(load('errors').SetupError, match=r'sudo apt install python3\.\d+-dev'):
            machine.check_wheel_machine()


class TestFailingPip:
    @pytest.mark.parametrize(
        ('output', 'told'),
        [
            ('WARNING: Retrying after NewConnectionError', 'connect to the network'),
            ('ERROR: No matching distribution found for torch==9', 'pip finds no torch==9'),
            ('ERROR: OSError: [Errno 28] No space left on device', 'the disk is full'),
            ('ERROR: something else', 'ERROR: something else'),
            ('', 'no reason given'),
        ],
    )
    def test_its_output_becomes_one_line_with_the_next_step(self, output, told, tmp_path):
        packages, venv = load('packages'), load('venv')

        class Failing(venv.Environment):
            def run(self, *arguments, variables=None):
                self.log.write_text(output)
                return 1

        with pytest.raises(load('errors').SetupError) as caught:
            packages.install(Failing(tmp_path, tmp_path / 'setup.log'), [tmp_path / 'all.txt'])
        assert told in str(caught.value)
        assert '\n' not in str(caught.value)


class TestStages:
    def test_a_stage_counts_as_done_for_its_own_inputs_only(self, tmp_path):
        stages = load('stages')
        file = tmp_path / 'pins.txt'
        file.write_text('numpy==1')
        before = stages.digest_of(['3.11'], [file])
        done = stages.Stages(tmp_path / 'setup.json')
        assert not done.is_done('packages', before)
        done.record('packages', before)
        assert done.is_done('packages', before)
        assert not done.is_done('packages', stages.digest_of(['3.12'], [file]))
        file.write_text('numpy==2')
        assert not done.is_done('packages', stages.digest_of(['3.11'], [file]))
        assert not done.is_done('environment', before)

    def test_a_damaged_record_counts_as_nothing_done(self, tmp_path):
        path = tmp_path / 'setup.json'
        path.write_text('{"packages":')
        assert not load('stages').Stages(path).is_done('packages', '')


class TestSetup:
    @pytest.fixture
    def setup(self, tmp_path, monkeypatch):
        """Return a set-up of one stage that makes a file, and the runs of its work."""
        main, stages = load('__main__'), load('stages')
        setup, runs = main.Setup(None), []
        setup.finished = stages.Stages(tmp_path / 'setup.json')
        setup.product = tmp_path / 'product'
        setup.pins = tmp_path / 'pins.txt'
        setup.pins.write_text('numpy==1')

        def work():
            runs.append('run')
            setup.product.touch()

        setup.work = work
        monkeypatch.setattr(
            setup,
            '_stages',
            lambda **_: [main.Stage('one', 'making it', setup.work, setup.product, [setup.pins])],
        )
        return setup, runs

    def test_a_second_run_does_nothing_and_says_nothing(self, setup, capsys):
        setup, runs = setup
        setup.run(ground=False)
        assert 'setup: making it ... 0 s' in capsys.readouterr().out
        setup.run(ground=False)
        assert capsys.readouterr().out == ''
        assert runs == ['run']

    def test_a_changed_input_or_a_lost_product_is_made_again(self, setup):
        setup, runs = setup
        setup.run(ground=False)
        setup.pins.write_text('numpy==2')
        setup.run(ground=False)
        setup.product.unlink()
        setup.run(ground=False)
        assert len(runs) == 3

    def test_a_failed_stage_is_tried_again(self, setup, capsys):
        setup, runs = setup
        work, error = setup.work, load('errors').SetupError

        def fail():
            setup.product.touch()
            raise error('no disk')

        setup.work = fail
        with pytest.raises(error, match='no disk'):
            setup.run(ground=False)
        assert 'failed' in capsys.readouterr().out
        setup.work = work
        setup.run(ground=False)
        assert runs == ['run']


class TestAmentEnvironment:
    def test_the_environment_comes_first_and_once(self):
        entry = load('ament_environment')
        variables = {'AMENT_PREFIX_PATH': os.pathsep.join(['/opt/other', '/v'])}
        entry.enter('/v', variables)
        entry.enter('/v', variables)
        assert variables['AMENT_PREFIX_PATH'] == os.pathsep.join(['/v', '/opt/other'])

    def test_a_restart_marker_of_another_environment_is_dropped(self):
        entry = load('ament_environment')
        variables = {entry.RESTARTED: '1', 'LD_LIBRARY_PATH': '/other/lib'}
        entry.enter('/v', variables)
        assert entry.RESTARTED not in variables
        own = {entry.RESTARTED: '1', 'LD_LIBRARY_PATH': '/v/lib'}
        entry.enter('/v', own)
        assert entry.RESTARTED in own


def test_wheel_builders_include_paths_are_replaced_by_this_pythons(tmp_path):
    workspace, venv = load('workspace'), load('venv')
    target = tmp_path / 'share/std_msgs/cmake/export_std_msgs__rosidl_generator_pyExport.cmake'
    target.parent.mkdir(parents=True)
    target.write_text('  INTERFACE_INCLUDE_DIRECTORIES "/builder/include;/builder/numpy"\n')
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').symlink_to(sys.executable)

    class Here(venv.Environment):
        @property
        def python(self):
            return Path(sys.executable)

    workspace.repair_targets(Here(tmp_path, tmp_path / 'setup.log'))
    folders = target.read_text().split('"')[1].split(';')
    assert [Path(folder).is_dir() for folder in folders] == [True, True]
    assert 'builder' not in target.read_text()
