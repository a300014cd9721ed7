# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands that start ROS nodes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_onboard.nodes.parameter_file import check_parameter_file, parse_assignments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def parameter_overrides(path: Path | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Read parameters from a file and from NAME=VALUE texts, which win.

    Raises:
        FieldError: A name or value is not allowed.
    """
    values: dict[str, Any] = {}
    if path is not None:
        for section in check_parameter_file(path).values():
            values |= section
    return values | parse_assignments(assignments)
