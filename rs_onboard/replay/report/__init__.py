# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One self-contained page about a run."""

from __future__ import annotations

from rs_onboard.replay.report.page import write_report

__all__ = ['write_report']
