# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Names of flights."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def flight_name(bag: Path) -> str:
    """Return a name for a flight and the folder of its results: that of its bag."""
    path = bag.resolve()
    return path.stem if path.is_file() else path.name
