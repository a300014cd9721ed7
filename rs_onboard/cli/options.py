# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Options that the commands which start nodes share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def add_parameter_options(parser: argparse.ArgumentParser) -> None:
    """Add `--params` and `--set`."""
    parser.add_argument('--params', type=Path, metavar='FILE', help='parameter file')
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='a parameter, such as scene.variant=int8; may be repeated',
    )


def parameter_overrides(path: Path | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Read parameters from a file and from NAME=VALUE texts, which win.

    Raises:
        FieldError: A name or value is not allowed.
    """
    # Imported late: the settings bring ONNX Runtime along, which `--help` can do without.
    from rs_onboard.nodes.parameter_file import (  # noqa: PLC0415
        check_parameter_file,
        parse_assignments,
    )

    values: dict[str, Any] = {}
    if path is not None:
        for section in check_parameter_file(path).values():
            values |= section
    return values | parse_assignments(assignments)
