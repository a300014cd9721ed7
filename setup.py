# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Package description for colcon (ament_python)."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'rs_onboard'
SHARE = f'share/{PACKAGE}'

# `ros2 run rs_onboard <name>`; every node is a module with a main().
EXECUTABLES = {
    'rs_onboard': 'rs_onboard.cli.main',
    'perception': 'rs_onboard.nodes.process',
    'camera': 'rs_onboard.nodes.camera',
    'tiler': 'rs_onboard.nodes.tiler',
    'scene': 'rs_onboard.nodes.scene',
    'detection': 'rs_onboard.nodes.detection',
    'segmentation': 'rs_onboard.nodes.segmentation',
    'change': 'rs_onboard.nodes.change',
    'publisher': 'rs_onboard.nodes.publisher',
    'recorder': 'rs_onboard.nodes.recorder',
}


def shared(folder: str, pattern: str) -> list[tuple[str, list[str]]]:
    """List the files below a folder for data_files, keeping their places in it.

    Args:
        folder: Path from the repository root; it need not exist.
        pattern: Glob below the folder.

    Returns:
        One (target folder, files) pair for every source folder.
    """
    places: dict[str, list[str]] = {}
    for path in sorted(Path(folder).glob(pattern)):
        if path.is_file():
            places.setdefault(f'{SHARE}/{path.parent.as_posix()}', []).append(path.as_posix())
    return list(places.items())


setup(
    name=PACKAGE,
    version='0.1.0',
    description='Onboard perception for aerial images.',
    author='The rs_onboard authors',
    license='Apache-2.0',
    python_requires='>=3.10',
    install_requires=['setuptools'],
    extras_require={'cluster': ['distributed>=2022.1'], 'signed': ['cryptography>=3.4']},
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed', 'replay/report/*.css', 'training/recipes/*.yaml']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (SHARE, ['package.xml', 'LICENSE']),
        *shared('launch', '*.launch.py'),
        *shared('params', '*.yaml'),
        *shared('systemd', '*.service'),
        *shared('visualisation', '*'),
        *shared('models', '**/*'),
        *shared('flights', '**/*'),
    ],
    zip_safe=False,
    entry_points={
        'console_scripts': [f'{name} = {module}:main' for name, module in EXECUTABLES.items()],
        # `pytest --flight BAG`: recorded flights as regression tests.
        'pytest11': ['rs_onboard = rs_onboard.pytest_plugin'],
    },
)
