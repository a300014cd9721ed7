# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Timings with what it takes to read them: as JSON, for the terminal, for a README."""

from __future__ import annotations

import contextlib
import json
import platform
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime as ort

from rs_onboard import __version__
from rs_onboard.inference.gpu import tensorrt_version
from rs_onboard.inference.machine import describe_machine
from rs_onboard.inference.tables import markdown_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.bench import Timing

COLUMNS = (
    'model or network',
    'variant',
    'provider',
    'threads',
    'tiles',
    'p50 [ms]',
    'p95',
    'p99',
    'CPU [ms]',
    'GMAC',
    'GMAC/s',
    'of plain',
)


@dataclass(frozen=True)
class Report:
    """A measurement with what it takes to read it.

    Attributes:
        made: Time of it, ISO 8601, UTC.
        machine: See `describe_machine`; taken before the first call.
        versions: Versions of what decides on the timings.
        rows: The timings.
    """

    made: str
    machine: Mapping[str, str | int | float]
    versions: Mapping[str, str]
    rows: tuple[Timing, ...]


def make_report(
    rows: Sequence[Timing],
    machine: Mapping[str, str | int | float] | None = None,
) -> Report:
    """Gather timings.

    Args:
        rows: The timings.
        machine: The machine as it was before them; default: as it is now.
    """
    return Report(
        made=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        machine=machine or describe_machine(),
        versions={
            'rs_onboard': __version__,
            'python': platform.python_version(),
            'onnxruntime': ort.__version__,
            'numpy': np.__version__,
            'opencv': cv2.__version__,
            **({'tensorrt': version} if (version := tensorrt_version()) else {}),
            **_installed('onnx', 'torch'),
        },
        rows=tuple(rows),
    )


def _installed(*packages: str) -> dict[str, str]:
    """Give the versions of packages that are installed; nothing is imported."""
    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def to_json(report: Report) -> str:
    """Write a report with all its figures."""
    rows = [
        {**asdict(row), 'gmac_per_s': row.gmac_per_s and round(row.gmac_per_s, 3)}
        for row in report.rows
    ]
    return json.dumps({**asdict(report), 'rows': rows}, indent=1) + '\n'


def cells(row: Timing) -> tuple[str, ...]:
    """Format a row of the table."""
    speed = row.gmac_per_s
    times = (
        f'{value:.3g}' if value < 100 else f'{value:.0f}'
        for value in (row.p50_ms, row.p95_ms, row.p99_ms, row.cpu_ms)
    )
    return (
        row.name,
        row.variant,
        row.provider,
        str(row.threads),
        f'{row.batch} x {row.height} x {row.width}',
        *times,
        '-' if row.macs is None else f'{row.macs / 1e9:.3g}',
        '-' if speed is None else f'{speed:.3g}',
        '-' if row.of_plain is None else f'{row.of_plain:.2f}',
    )


def to_text(rows: Sequence[Timing]) -> str:
    """Lay out a table for the terminal."""
    table = [COLUMNS, *(cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (
        '  '.join(
            cell.ljust(width) if index < 3 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )
    return '\n'.join(lines) + '\n'


def to_markdown(report: Report) -> str:
    """Write the table for a README, with what it takes to read it."""
    table = markdown_table(COLUMNS, [cells(row) for row in report.rows], left=3)
    machine, runs = report.machine, sorted({row.runs for row in report.rows})
    legend = (
        f'{machine["name"]}, {machine["cores"]} cores'
        + (f', load {machine["load"]} before' if 'load' in machine else '')
        + f'; ONNX Runtime {report.versions["onnxruntime"]}, Python {report.versions["python"]}; '
        f'{report.made[:10]}. Of {" or ".join(map(str, runs))} interleaved calls each, after '
        'warm-up. GMAC: multiply-accumulates of a call in 1e9. Of plain: median of the time by '
        'that of a plain export of the same network, called in the same round. CPU: processor time '
        'of all threads, which tells less of what else the machine did.'
    )
    return f'{table}\n{legend}\n'
