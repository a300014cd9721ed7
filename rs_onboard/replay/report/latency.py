# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where the time went: latencies over the flight, by stage, and the slowest frames."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.replay.report.chart import Axis, Column, Part, column_chart, groups, key
from rs_onboard.replay.report.frames import frame_link, tasks_of
from rs_onboard.replay.report.markup import Html, element, section, table
from rs_onboard.replay.summary import stage_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.report.markup import Child
    from rs_onboard.replay.summary import RunSummary

# Stages that the style sheet has a colour for; others take the last one.
STAGE_COLOURS = {
    'wait': 'var(--wait)',
    'cut': 'var(--cut)',
    'infer': 'var(--infer)',
    'combine': 'var(--finish)',
    'stitch': 'var(--finish)',
}
OTHER_COLOUR = 'var(--other)'
FRAME_COLOUR = 'var(--accent)'

# A few frames may be so slow (the first one warms up) that the others would be flat: columns are
# cut at CUT times the 95th percentile where the largest is more than OUTLIER times as high.
OUTLIER = 3.0
CUT = 1.5

WORST = 5

# A stage that makes up less of a frame's delay than this did not cause it.
CAUSE = 0.2


def latency_section(frames: Sequence[FrameView], run: RunSummary) -> Html:
    """Draw the latencies of the frames and of each task's stages, on one scale."""
    timed = [frame for frame in frames if frame.latency_ms is not None]
    tasks = [task for task in tasks_of(run) if any(frame.stages(task) for frame in frames)]
    if not timed and not tasks:
        return section('latency', 'Latency', element('p', 'No durations were recorded.'))
    axis = _axis(frames, tasks, run.budget_ms)
    charts = [_frame_chart(frames, axis, run.budget_ms)] if timed else []
    charts += [_task_chart(frames, task, axis) for task in tasks]
    stages = dict.fromkeys(name for f in frames for task in tasks for name in f.stages(task))
    return section(
        'latency',
        'Latency',
        charts,
        key({name: STAGE_COLOURS.get(name, OTHER_COLOUR) for name in stages}),
        element('p', _explanation(frames), class_='quiet'),
        element('h3', 'By stage'),
        _statistics(run),
        [element('h3', 'Slowest frames'), _slowest(timed, tasks)] if timed else None,
    )


def _axis(frames: Sequence[FrameView], tasks: Sequence[str], budget_ms: float) -> Axis:
    values = [frame.latency_ms or 0.0 for frame in frames]
    values += [sum(frame.stages(task).values()) for frame in frames for task in tasks]
    largest, usual = max(values), float(np.percentile(values, 95))
    top = CUT * usual if usual and largest > OUTLIER * usual else largest * 1.05
    return Axis(max(top, 1.05 * budget_ms, 1e-3))


def _frame_chart(frames: Sequence[FrameView], axis: Axis, budget_ms: float) -> Html:
    values = [frame.latency_ms for frame in frames if frame.latency_ms is not None]
    lines = {f'{name} {q:.0f}': q for name, q in _quantiles(values).items()}
    if budget_ms:
        lines[f'budget {budget_ms:g}'] = budget_ms
    columns = []
    for group in groups(frames):
        slowest = max(group, key=lambda frame: frame.latency_ms or 0.0)
        title = f'Frame {slowest.number}: {slowest.latency_ms or 0.0:.1f} ms'
        if len(group) > 1:
            title += f', slowest of frames {group[0].number} to {group[-1].number}'
        part = Part(slowest.latency_ms or 0.0, FRAME_COLOUR)
        columns.append(Column(slowest.number, title, [part]))
    return _figure(
        'Frame, from arrival to publication [ms]',
        column_chart(columns, axis, label='Latency of the frames', lines=lines),
    )


def _task_chart(frames: Sequence[FrameView], task: str, axis: Axis) -> Html:
    sums = [sum(frame.stages(task).values()) for frame in frames if frame.stages(task)]
    lines = {f'{name} {q:.0f}': q for name, q in _quantiles(sums).items()}
    columns = []
    for group in groups(frames):
        slowest = max(group, key=lambda frame: sum(frame.stages(task).values()))
        stages = slowest.stages(task)
        spent = ', '.join(f'{name} {ms:.1f}' for name, ms in stages.items()) or 'not run'
        title = f'Frame {slowest.number}, {task}: {sum(stages.values()):.1f} ms ({spent})'
        parts = [Part(ms, STAGE_COLOURS.get(name, OTHER_COLOUR)) for name, ms in stages.items()]
        columns.append(Column(slowest.number, title, parts))
    return _figure(
        f'{task} [ms]', column_chart(columns, axis, label=f'Stages of {task}', lines=lines)
    )


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    return {f'p{q}': float(np.percentile(values, q)) for q in (50, 95)}


def _figure(title: str, chart: Html) -> Html:
    return element('figure', element('figcaption', title), chart)


def _explanation(frames: Sequence[FrameView]) -> str:
    text = (
        'All charts have the same scale. Tasks run at the same time, so their times do not add up '
        'to that of the frame. Columns lead to their frames; a triangle marks one that goes on '
        'beyond the chart.'
    )
    size = max(len(group) for group in groups(frames))
    return f'{text} Each column is the slowest of {size} frames.' if size > 1 else text


def _statistics(run: RunSummary) -> Html:
    statistics = stage_statistics(run.records)
    largest = max(stage.largest for stage in statistics) or 1.0
    rows: list[list[Child]] = [
        [
            stage.name,
            stage.count,
            f'{stage.p50:.1f}',
            f'{stage.p95:.1f}',
            f'{stage.largest:.1f}',
            element(
                'span',
                class_='range',
                style=f'--a:{100 * stage.p50 / largest:.1f}%;'
                f'--b:{100 * stage.p95 / largest:.1f}%;--c:{100 * stage.largest / largest:.1f}%',
            ),
        ]
        for stage in statistics
    ]
    head = ['stage', 'frames', 'p50 ms', 'p95 ms', 'max ms', 'p50, p95, max']
    return table(head, rows, class_='stages')


def _slowest(timed: Sequence[FrameView], tasks: Sequence[str]) -> Html:
    usual = median(frame.latency_ms or 0.0 for frame in timed)
    typical = {
        (task, stage): median(f.stages(task)[stage] for f in timed if stage in f.stages(task))
        for task in tasks
        for stage in dict.fromkeys(name for f in timed for name in f.stages(task))
    }
    rows: list[list[Child]] = []
    for frame in sorted(timed, key=lambda f: -(f.latency_ms or 0.0))[:WORST]:
        excess = {
            (task, stage): ms - typical[task, stage]
            for task in tasks
            for stage, ms in frame.stages(task).items()
        }
        latency = frame.latency_ms or 0.0
        rows.append(
            [
                frame_link(frame, f'frame {frame.number}'),
                f'{latency:.1f}',
                f'{latency / usual:.1f}' if usual else '',
                _cause(frame, excess, latency - usual),
            ]
        )
    return table(['frame', 'ms', 'times the median', 'most unusual stage'], rows, class_='last')


def _cause(frame: FrameView, excess: Mapping[tuple[str, str], float], late_ms: float) -> str:
    """Name the stage that took the most over its median, if that matters for the frame."""
    task, stage = max(excess, key=lambda name: excess[name], default=('', ''))
    if not task or excess[task, stage] <= CAUSE * late_ms or late_ms <= 0.0:
        return 'none stands out'
    ms = frame.stages(task)[stage]
    return f'{task} {stage} {ms:.1f} ms, usually {ms - excess[task, stage]:.1f}'
