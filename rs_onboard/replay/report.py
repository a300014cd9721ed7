# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One self-contained page about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rs_onboard.replay.summary import RunSummary


def write_report(path: Path, run: RunSummary) -> Path:
    """Write the page; returns its path."""
    path.write_text(run.title, encoding='utf-8')
    return path
