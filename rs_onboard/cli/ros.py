# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands that start ROS nodes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.parameter_file import all_specs, check_parameter_file
from rs_onboard.nodes.parameters import unknown_parameter

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
    known = all_specs()
    for text in assignments:
        name, equals, value = text.partition('=')
        if not equals:
            raise FieldError(f'--set: found {text!r}; expected NAME=VALUE, as in scene.batch=4.')
        if name not in known:
            raise unknown_parameter(name, known)
        spec = known[name]
        plain = value if spec.kind is str else yaml.safe_load(value)
        values[name] = spec.check(plain)
    return values
