# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The head of the page: what was flown, whether it went well, what to look at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.replay.report.frames import tasks_of
from rs_onboard.replay.report.markup import Html, element, join
from rs_onboard.replay.report.models import model_lines
from rs_onboard.replay.report.tasks import scale_remarks
from rs_onboard.replay.report.track_map import track_length_m
from rs_onboard.replay.summary import status_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.summary import RunSummary


# Statuses with a result.
USABLE = ('ok', 'degraded')

# Drops that are faults of the software; the others are what a busy machine does.
FAULTS = ('error',)


class Remark(NamedTuple):
    """Something to look at: the section about it, the text, and whether it is a fault."""

    place: str
    text: str
    fault: bool = False


def header(frames: Sequence[FrameView], run: RunSummary) -> Html:
    """Build the head of the page."""
    remarks = list(remarks_on(frames, run))
    faults = sum(remark.fault for remark in remarks)
    if faults:
        verdict, mark = 'Something failed', 'failed'
    elif remarks:
        verdict, mark = 'Worth a look', 'degraded'
    else:
        verdict, mark = 'Run in order', 'ok'
    items = [
        element(
            'li',
            element('a', remark.text, href=f'#{remark.place}'),
            class_='fault' if remark.fault else None,
        )
        for remark in sorted(remarks, key=lambda remark: not remark.fault)
    ]
    return element(
        'header',
        element('h1', run.title, ' ', element('span', verdict, class_=f'status {mark}')),
        element('p', _when(frames), class_='quiet'),
        element('p', ' \u00b7 '.join(run.notes), class_='quiet') if run.notes else None,
        element('ul', items, class_='remarks') if items else None,
        element('dl', [_fact(*fact) for fact in _facts(frames, run)], class_='numbers'),
        model_lines(run) if run.cards else None,
    )


def remarks_on(frames: Sequence[FrameView], run: RunSummary) -> Iterator[Remark]:
    """Find what deserves attention."""
    if not frames:
        yield Remark('counts', 'No frame has results', fault=True)
    elif len(frames) < run.sent:
        yield Remark('counts', f'{run.sent - len(frames)} of {run.sent} images have no result')
    yield from _counted(run)
    yield from _statuses(frames, run)
    late = sum((frame.latency_ms or 0.0) > run.budget_ms for frame in frames)
    if run.budget_ms and late:
        text = f'{late} of {len(frames)} frames took longer than the budget of {run.budget_ms:g} ms'
        yield Remark('latency', text)
    for task, card in run.cards.items():
        if not card.trained:
            yield Remark('models', f'{task}: {card.name} is untrained, its results mean nothing')
    for task, text in scale_remarks(frames, run).items():
        yield Remark(f'task-{task}', f'{task}: {text}')
    lost = sum(frame.position is None for frame in frames)
    if lost:
        yield Remark('map', f'{lost} of {len(frames)} frames have no position')


def _counted(run: RunSummary) -> Iterator[Remark]:
    for node in run.nodes:
        if node.unaccounted:
            text = f'{node.node} cannot account for {abs(node.unaccounted)} of {node.received}'
            yield Remark('counts', text, fault=True)
        for name in FAULTS:
            if faults := node.dropped.get(name):
                text = f'{node.node} lost {faults} of {node.received} by an {name}'
                yield Remark('counts', text, fault=True)
        if drops := sum(count for name, count in node.dropped.items() if name not in FAULTS):
            yield Remark('counts', f'{node.node} dropped {drops} of {node.received}')


def _statuses(frames: Sequence[FrameView], run: RunSummary) -> Iterator[Remark]:
    for task in tasks_of(run):
        counts = status_counts(run.records, task)
        if frames and not any(status in counts for status in USABLE):
            yield Remark(f'task-{task}', f'{task} has no result on any frame', fault=True)
            continue
        for status in ('failed', 'degraded', 'skipped'):
            if status in counts:
                text = f'{task} {status} on {counts[status]} of {len(frames)} frames'
                yield Remark(f'task-{task}', text, fault=status == 'failed')


def _when(frames: Sequence[FrameView]) -> str:
    if not frames:
        return 'no frames'
    stamps = [frame.stamp_ns for frame in frames]
    first = min(frames, key=lambda frame: frame.stamp_ns)
    last = max(frames, key=lambda frame: frame.stamp_ns)
    seconds = (max(stamps) - min(stamps)) / 1e9
    return f'{first.time} to {last.time}, {_duration(seconds)}'


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest:02d} s' if minutes else f'{seconds:.1f} s'


def _facts(frames: Sequence[FrameView], run: RunSummary) -> Iterator[tuple[str, str, str]]:
    """Yield (name, value, unit) of what describes the run."""
    yield 'images in', str(run.sent), ''
    yield 'results out', str(len(frames)), ''
    yield 'dropped', str(sum(sum(node.dropped.values()) for node in run.nodes)), ''
    latencies = [frame.latency_ms for frame in frames if frame.latency_ms is not None]
    if latencies:
        p50, p95 = np.percentile(latencies, [50, 95]).tolist()
        yield 'latency p50', f'{p50:.0f}', 'ms'
        yield 'latency p95', f'{p95:.0f}', 'ms'
    yield 'rate', f'{len(frames) / run.wall_s if run.wall_s else 0.0:.3g}', '/s'
    yield 'wall time', f'{run.wall_s:.1f}', 's'
    length = track_length_m(frames)
    if length is not None:
        yield (
            'track',
            f'{length:.0f}' if length < 1e4 else f'{length / 1e3:.1f}',
            'm' if length < 1e4 else 'km',
        )


def _fact(name: str, value: str, unit: str) -> Html:
    return element(
        'div', element('dt', name), element('dd', join(value, element('small', f' {unit}')))
    )
