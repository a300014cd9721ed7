# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The records of a run, a frame each, and the durations of its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def by_stamp(records: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return records by stamp; changes, which come alone, join the other results of their frame.

    Stamps are in the order of their first records. What several have, such as the pose, is that of
    the first.
    """
    frames: dict[int, dict[str, Any]] = {}
    for record in records:
        frame = frames.setdefault(record['stamp_ns'], dict(record))
        for name, value in record.items():
            frame.setdefault(name, value)
    return frames


def stage_durations(timings: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the durations of every stage of every task, and `frame` from arrival to result [ms].

    Args:
        timings: Durations of the frames, see `rs_onboard.perception.records.timing_of`.
    """
    spent: dict[str, list[float]] = {}
    for timing in timings:
        for name, value in timing.items():
            if isinstance(value, dict):
                for stage, ms in value.items():
                    spent.setdefault(f'{name} {stage}', []).append(ms)
        if timing.get('latency_ms') is not None:
            spent.setdefault('frame', []).append(timing['latency_ms'])
    return spent
