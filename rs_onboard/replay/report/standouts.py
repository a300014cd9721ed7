# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The frames worth looking at first: not in order, slow, unsure, or with something found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.replay.report.frames import FrameView

# How many frames are the slowest or the least sure: a tenth of them, within these.
FEWEST, MOST = 3, 12


class Standout(NamedTuple):
    """Frames that stand out: a word for the style sheet, what the page calls them, their numbers.

    The style sheet has a rule for each word.
    """

    word: str
    title: str
    numbers: frozenset[int]


def standouts(frames: Sequence[FrameView], tasks: Sequence[TaskName]) -> list[Standout]:
    """Return what tells some frames from the others; nothing that is true of all or of none."""
    few = min(MOST, max(FEWEST, len(frames) // 10))
    late = sorted((f for f in frames if f.latency_ms is not None), key=lambda f: -_late(f))
    rated = [(sure, frame.number) for frame in frames if (sure := _sureness(frame)) is not None]
    found = [
        Standout('poor', 'not in order', _numbers(f for f in frames if _poor(f, tasks))),
        Standout('slow', 'the slowest', _numbers(late[:few])),
        Standout('unsure', 'the least sure', frozenset(n for _, n in sorted(rated)[:few])),
        Standout('found', 'with objects or changes', _numbers(f for f in frames if _found(f))),
    ]
    return [one for one in found if 0 < len(one.numbers) < len(frames)]


def _numbers(frames: Iterable[FrameView]) -> frozenset[int]:
    return frozenset(frame.number for frame in frames)


def _late(frame: FrameView) -> float:
    return frame.latency_ms or 0.0


def _poor(frame: FrameView, tasks: Sequence[TaskName]) -> bool:
    """Whether a task has no result or a doubtful one."""
    return any(frame.task(task).get('status', 'ok') != 'ok' for task in tasks)


def _sureness(frame: FrameView) -> float | None:
    """Return how sure the least sure task is, None where none says."""
    told = [frame.task('segmentation').get('mean_confidence')]
    told += [found['probability'] for found in (frame.task('scene').get('classes') or ())[:1]]
    known = [float(value) for value in told if value is not None]
    return min(known, default=None)


def _found(frame: FrameView) -> bool:
    regions = frame.task('change').get('regions') or ()
    return bool(frame.task('detection').get('objects') or any(r.get('confirmed') for r in regions))
