# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where the package keeps its models, parameters and flights, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

from rs_onboard.inference.errors import CardError


def share_directory() -> Path:
    """Return the folder that holds `models`, `params`, `launch` and `flights`."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / 'package.xml').is_file():
        return checkout
    from ament_index_python.packages import get_package_share_directory  # noqa: PLC0415  (ROS only)

    return Path(get_package_share_directory('rs_onboard'))


def model_folder(name: str) -> Path:
    """Return the folder of a model given by path or by the name of a shipped one.

    Raises:
        CardError: There is no such folder; lists the shipped models.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    models = share_directory() / 'models'
    if not path.is_absolute() and (models / name).is_dir():
        return models / name
    shipped = sorted(folder.name for folder in models.glob('*') if folder.is_dir())
    raise CardError(
        f'model {name!r}: no such folder; expected a path to a model folder or one of '
        f'{", ".join(shipped) or "(none shipped)"}. Check the parameter.'
    )


def map_file(name: str) -> Path:
    """Return the file of a map given by path, or by its place in the package's share folder.

    A path that leads nowhere comes back as it is: whoever opens it says so.
    """
    path = Path(name).expanduser()
    if not path.is_absolute() and not path.exists() and (share_directory() / name).is_file():
        return share_directory() / name
    return path
