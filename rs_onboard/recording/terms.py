# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a recorder is told, why it records, and how it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.recording.disk_budget import MB

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class RecordOptions:
    """How much is recorded.

    Attributes:
        always: Everything, in files of `segment_bytes`; else the seconds around triggers.
        before_s: Seconds before a trigger [s].
        after_s: Seconds after the last trigger [s].
        longest_s: Longest recording of triggers that follow one another [s].
        ring_bytes: Largest size of what waits in memory.
        segment_bytes: Size at which a file is followed by the next.
    """

    always: bool = False
    before_s: float = 10.0
    after_s: float = 10.0
    longest_s: float = 120.0
    ring_bytes: int = 64 * MB
    segment_bytes: int = 256 * MB


class Trigger(NamedTuple):
    """A reason to record: its kind, what exactly, and whether the recording is protected."""

    kind: str
    reason: str
    keep: bool = False


class RecorderStatus(NamedTuple):
    """How recording is doing.

    Attributes:
        state: `armed` (waits for a trigger), `recording` or `paused`.
        trouble: Why it is paused, or would be; empty if nothing is wrong.
        path: File being written, None without one.
        ring_s: Span of what waits in memory [s].
        ring_bytes: Size of it.
        triggers: Triggers so far.
        files: Files so far.
        written_bytes: Bytes written so far.
        removed: Old recordings removed so far.
    """

    state: str
    trouble: str = ''
    path: Path | None = None
    ring_s: float = 0.0
    ring_bytes: int = 0
    triggers: int = 0
    files: int = 0
    written_bytes: int = 0
    removed: int = 0
