# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Imports point one way, and flight code stays free of ground code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'rs_onboard'

CORE = {'perception', 'inference', 'geo'}
# What each subject may import of the others. The command line starts everything, but reaches the
# ground side from inside its functions only.
ALLOWED = {
    'geo': set(),
    'health': set(),
    'inference': set(),
    'perception': {'inference', 'geo'},
    'recording': set(),
    'nodes': {*CORE, 'health', 'recording'},
    'replay': CORE,
    'cli': {*CORE, 'health', 'nodes', 'recording', 'replay'},
    'zoo': CORE,
    'training': {*CORE, 'zoo'},
}
FLIGHT = ('cli', 'geo', 'health', 'inference', 'nodes', 'perception', 'recording', 'replay')
GROUND = {'training', 'zoo'}

# Third-party packages that fly. rasterio is there only where a GeoTIFF is read, a module for zstd
# only where recordings are compressed, so they have to be imported where they are used.
FLYING = {'cv2', 'numpy', 'onnxruntime', 'rosbags', 'yaml'}
ON_DEMAND = {'distributed', 'backports', 'compression', 'rasterio', 'zstandard'}
ROS = {
    'ament_index_python',
    'builtin_interfaces',
    'diagnostic_msgs',
    'geometry_msgs',
    'lifecycle_msgs',
    'nav_msgs',
    'rcl_interfaces',
    'rclpy',
    'rosgraph_msgs',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'tf2_msgs',
    'vision_msgs',
    'visualization_msgs',
}


def imports_of(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yield (imported module, line, place), the place being typing, function or module."""
    tree = ast.parse(path.read_text(encoding='utf-8'), filename=str(path))
    yield from _walk(tree, 'module', path)


def _walk(node: ast.AST, place: str, path: Path) -> Iterator[tuple[str, int, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child.lineno, place) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, path)
            yield base, child.lineno, place
            if base == 'rs_onboard':
                yield from ((f'{base}.{alias.name}', child.lineno, place) for alias in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == 'TYPE_CHECKING':
            yield from _walk(child, 'typing', path)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _walk(child, 'function', path)
        else:
            yield from _walk(child, place, path)


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ''
    parts = path.relative_to(ROOT).with_suffix('').parts[: -node.level]
    return '.'.join([*parts, *([node.module] if node.module else [])])


def modules_of(subject: str) -> list[Path]:
    return sorted((PACKAGE / subject).rglob('*.py'))


def test_every_subject_has_its_place_in_the_import_order():
    subjects = {path.name for path in PACKAGE.iterdir() if any(path.glob('*.py'))}
    assert subjects - {'__pycache__'} <= set(ALLOWED)


@pytest.mark.parametrize('subject', ALLOWED)
def test_imports_between_subjects_point_one_way(subject):
    wrong = []
    for path in modules_of(subject):
        for module, line, place in imports_of(path):
            package, _, rest = module.partition('.')
            other = rest.partition('.')[0]
            if package != 'rs_onboard' or other in {'', '__version__', subject, *ALLOWED[subject]}:
                continue
            if subject == 'cli' and other in GROUND and place != 'module':
                continue
            wrong.append(f'{path.relative_to(ROOT)}:{line} imports {module}')
    assert not wrong


@pytest.mark.parametrize('subject', FLIGHT)
def test_flight_code_imports_only_what_flies(subject):
    allowed = FLYING | (ROS if subject in {'cli', 'nodes'} else set())
    wrong = []
    for path in modules_of(subject):
        for module, line, place in imports_of(path):
            package = module.partition('.')[0]
            if package in {'rs_onboard', *allowed, *sys.stdlib_module_names}:
                continue
            if place == 'typing' and package == 'typing_extensions':
                continue
            if place == 'function' and package in ON_DEMAND:
                continue
            wrong.append(f'{path.relative_to(ROOT)}:{line} imports {module}')
    assert not wrong


def loaded_by(names: list[str], roots: tuple[str, ...]) -> list[str]:
    """Import modules in a new interpreter; return what of some packages that loaded.

    Modules that need ROS are passed over where there is none.
    """
    script = f"""
import importlib, sys
for name in {names!r}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] not in {ROS!r}:
            raise
print(*(name for name in sys.modules if name in {roots!r}))
"""
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_all_flight_code_loads_neither_torch_nor_ground_code():
    names = [
        '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        for subject in FLIGHT
        for path in modules_of(subject)
        if path.stem != '__main__'
    ]
    assert loaded_by(names, ('torch', 'onnx', 'rs_onboard.zoo', 'rs_onboard.training')) == []


def test_the_command_line_starts_without_ros_and_without_the_numeric_packages():
    assert loaded_by(['rs_onboard.cli.main'], ('rclpy', 'torch', 'onnxruntime', 'cv2')) == []
