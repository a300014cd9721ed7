# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The package's descriptions agree with each other and with the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import rs_onboard

ROOT = Path(__file__).resolve().parents[1]


def described_by_setup() -> dict[str, object]:
    """Return the literal arguments and module-level constants of setup.py."""
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            found[node.arg] = node.value.value
        elif isinstance(node, ast.Assign) and isinstance(node.value, (ast.Dict, ast.Constant)):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


@pytest.mark.parametrize('path', ['package.xml', 'msgs/vision_msgs/package.xml'])
def test_package_xml_is_a_well_formed_format_3_manifest(path):
    manifest = ET.parse(ROOT / path).getroot()
    assert manifest.tag == 'package'
    assert manifest.get('format') == '3'
    required = ('name', 'version', 'description', 'maintainer', 'license', 'export/build_type')
    assert [tag for tag in required if manifest.find(tag) is None] == []
    assert manifest.find('maintainer').get('email')
    assert manifest.find('license').text == 'Apache-2.0'


def test_version_is_the_same_everywhere():
    manifest = ET.parse(ROOT / 'package.xml').getroot()
    assert manifest.findtext('version') == rs_onboard.__version__
    assert described_by_setup()['version'] == rs_onboard.__version__


def test_every_executable_names_a_module_with_a_main():
    missing = []
    for name, module in described_by_setup()['EXECUTABLES'].items():
        path = ROOT.joinpath(*module.split('.')).with_suffix('.py')
        tree = ast.parse(path.read_text(encoding='utf-8')) if path.exists() else ast.Module([])
        if not any(isinstance(node, ast.FunctionDef) and node.name == 'main' for node in tree.body):
            missing.append(f'{name} = {module}:main')
    assert not missing


def test_every_message_package_of_the_nodes_is_declared():
    manifest = ET.parse(ROOT / 'package.xml').getroot()
    declared = {element.text for element in manifest.iter('exec_depend')}
    used = set()
    for path in [*ROOT.glob('rs_onboard/**/*.py'), *ROOT.glob('launch/*.py')]:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                used.add(node.module.partition('.')[0])
            elif isinstance(node, ast.Import):
                used |= {alias.name.partition('.')[0] for alias in node.names}
    ros = {name for name in used if name.endswith(('_msgs', '_srvs', '_interfaces'))}
    ros |= used & {'ament_index_python', 'launch', 'launch_ros', 'rclpy'}
    # builtin_interfaces comes with every message package; depending on it directly adds nothing.
    assert ros - declared - {'builtin_interfaces'} == set()


def test_a_workspace_build_passes_over_our_vision_msgs():
    assert (ROOT / 'msgs' / 'COLCON_IGNORE').is_file()


def test_setup_py_installs_every_module_and_every_shared_file(tmp_path):
    pytest.importorskip('setuptools')
    done = subprocess.run(
        [sys.executable, 'setup.py', '--quiet', 'egg_info', '--egg-base', str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    described = next(tmp_path.glob('*.egg-info'))
    assert f'Version: {rs_onboard.__version__}' in (described / 'PKG-INFO').read_text()
    listed = set((described / 'SOURCES.txt').read_text(encoding='utf-8').splitlines())
    folders = ('rs_onboard', 'resource', 'launch', 'params', 'systemd', 'models', 'flights')
    folders += ('visualisation',)
    wanted = {
        path
        for folder in folders
        for path in ROOT.glob(f'{folder}/**/*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    assert {path.relative_to(ROOT).as_posix() for path in wanted} - listed == set()
