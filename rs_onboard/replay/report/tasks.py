# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What each task found over the flight."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rs_onboard.replay.report.changes import changes_of
from rs_onboard.replay.report.chart import Axis, Column, Part, column_chart, groups
from rs_onboard.replay.report.frames import (
    UNKNOWN_COLOUR,
    colours_of,
    frame_link,
    percent,
    share_link,
    tasks_of,
)
from rs_onboard.replay.report.markup import Html, element, join, section, swatch, table
from rs_onboard.replay.report.objects import objects_of
from rs_onboard.replay.summary import status_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.report.markup import Child
    from rs_onboard.replay.summary import RunSummary


# Frames named for a reason.
LISTED = 8


def task_sections(frames: Sequence[FrameView], run: RunSummary) -> Html:
    """Build a section for each task: status, classes over the flight, tiles."""
    return join([_task(frames, run, task) for task in tasks_of(run)])


def status_mark(status: str, count: int | None = None) -> Html:
    """Write a status so that it is told by word and colour."""
    text = status if count is None else f'{count} {status}'
    return element('span', text, class_=f'status {status}' if status.isalpha() else 'status')


def scale_remarks(frames: Sequence[FrameView], run: RunSummary) -> dict[TaskName, str]:
    """Say for which tasks the tiles were not at the scale that the model was measured at."""
    remarks: dict[TaskName, str] = {}
    for task, card in run.cards.items():
        used = [
            frame.task(task)['tiles'].get('gsd_m')
            for frame in frames
            if 'tiles' in frame.task(task)
        ]
        unknown = sum(gsd is None for gsd in used)
        known = [gsd for gsd in used if gsd is not None]
        low, high = card.gsd.low_m, card.gsd.high_m
        outside = sum(not low * 0.999 <= gsd <= high * 1.001 for gsd in known)
        if outside:
            remarks[task] = (
                f'{outside} of {len(used)} frames were seen at {min(known):.2f} to '
                f'{max(known):.2f} m/px; the model was measured from {low:g} to {high:g} m/px'
            )
        elif unknown:
            remarks[task] = f'the scale of {unknown} of {len(used)} frames is not known'
    return remarks


def _task(frames: Sequence[FrameView], run: RunSummary, task: TaskName) -> Html:
    counts = status_counts(run.records, task)
    silent = len(frames) - sum(counts.values())
    marks = [join(status_mark(status, count), ' ') for status, count in counts.items()]
    marks += [element('span', f'{silent} without a result', class_='status')] if silent else []
    seen = [frame for frame in frames if frame.findings(task)]
    parts = objects_of(frames, task, colours_of(run, task))
    if task == 'change':
        parts = changes_of(frames, run.comparisons)
    if seen and any('shares' in frame.task(task) for frame in seen):
        parts = _land_cover(frames, seen, task, colours_of(run, task))
    elif seen:
        parts = _scenes(frames, seen, task, colours_of(run, task))
    remark = scale_remarks(frames, run).get(task)
    return section(
        f'task-{task}',
        task.capitalize(),
        element('p', marks),
        element('p', _origin(frames, run, task), class_='quiet'),
        element('p', f'Scale: {remark}.', class_='note') if remark else None,
        _reasons(frames, task),
        parts,
    )


def _reasons(frames: Sequence[FrameView], task: TaskName) -> Html | None:
    """List why results are not ok, and on which frames."""
    reasons: dict[str, list[FrameView]] = {}
    for frame in frames:
        if why := frame.task(task).get('reason'):
            reasons.setdefault(why, []).append(frame)
    rows: list[list[Child]] = [
        [
            len(members),
            [[frame_link(frame, str(frame.number)), ' '] for frame in members[:LISTED]],
            why,
        ]
        for why, members in reasons.items()
    ]
    return table(['frames', 'the first', 'reason'], rows, class_='last') if rows else None


def _origin(frames: Sequence[FrameView], run: RunSummary, task: TaskName) -> str:
    """Say which model ran on which tiles."""
    models = Counter(
        f'{model["name"]} {model["variant"]} on {model["provider"]}'
        for frame in frames
        if (model := frame.task(task).get('model'))
    )
    tiles = Counter(
        f'{plan["count"]} of {plan["width"]} x {plan["height"]} px'
        + (f' at {plan["gsd_m"]:.2f} m/px' if plan.get('gsd_m') else '')
        for frame in frames
        if (plan := frame.task(task).get('tiles'))
    )
    card = run.cards.get(task)
    text = ', '.join(models) or (f'{card.name}, never run' if card else 'no model')
    if tiles:
        text += '; tiles a frame: ' + ', '.join(name for name, _ in tiles.most_common(3))
    return text + '.'


def _scenes(
    frames: Sequence[FrameView],
    seen: Sequence[FrameView],
    task: str,
    colours: Mapping[str, str],
) -> list[Html]:
    """Draw the first scene of every frame and count them."""
    scenes: dict[str, list[FrameView]] = {}
    for frame in seen:
        scenes.setdefault(frame.findings(task)[0].name, []).append(frame)
    rows: list[list[Child]] = []
    for name, members in sorted(scenes.items(), key=lambda item: -len(item[1])):
        sure = max(members, key=lambda frame: frame.findings(task)[0].share)
        rows.append(
            [
                join(swatch(colours.get(name, UNKNOWN_COLOUR)), name),
                len(members),
                _bar(len(members) / len(seen), colours.get(name, UNKNOWN_COLOUR)),
                percent(sum(f.findings(task)[0].share for f in members) / len(members)),
                share_link(sure, sure.findings(task)[0].share),
            ]
        )
    return [
        _chart(frames, task, colours, label='Scene and its probability', first=1),
        table(['scene', 'frames', '', 'mean probability', 'surest'], rows),
    ]


def _land_cover(
    frames: Sequence[FrameView],
    seen: Sequence[FrameView],
    task: str,
    colours: Mapping[str, str],
) -> list[Html]:
    """Draw the shares of every frame and their means."""
    shares = {frame.number: dict(frame.findings(task)) for frame in seen}
    names = {name for found in shares.values() for name in found}
    means = {name: sum(s.get(name, 0.0) for s in shares.values()) / len(seen) for name in names}
    rows: list[list[Child]] = []
    for name in sorted(names, key=lambda n: -means[n]):
        most = max(seen, key=lambda frame: shares[frame.number].get(name, 0.0))
        rows.append(
            [
                join(swatch(colours.get(name, UNKNOWN_COLOUR)), name),
                percent(means[name]),
                _bar(means[name], colours.get(name, UNKNOWN_COLOUR)),
                sum(name in found for found in shares.values()),
                share_link(most, shares[most.number][name]),
            ]
        )
    return [
        _chart(frames, task, colours, label='Shares of the classes', first=None),
        table(['class', 'mean share', '', 'frames with it', 'most'], rows),
    ]


def _chart(
    frames: Sequence[FrameView],
    task: str,
    colours: Mapping[str, str],
    *,
    label: str,
    first: int | None,
) -> Html:
    """Draw the findings of every frame; the classes keep their order from column to column."""
    order = {name: place for place, name in enumerate(colours)}
    columns = []
    for group in groups(frames):
        frame = group[0]
        found = frame.findings(task)[:first]
        text = ', '.join(f'{name} {percent(share)}' for name, share in found) or 'no result'
        parts = [
            Part(share, colours.get(name, UNKNOWN_COLOUR))
            for name, share in sorted(found, key=lambda f: order.get(f.name, 0), reverse=True)
        ]
        columns.append(Column(frame.number, f'Frame {frame.number}, {task}: {text}', parts))
    every = len(groups(frames)[0]) if frames else 1
    caption = label if every == 1 else f'{label}, every {every}th frame'
    chart = column_chart(columns, Axis(1.0, '%', 100.0), label=f'{label} of {task}', height=90.0)
    return element('figure', element('figcaption', caption), chart)


def _bar(share: float, colour: str) -> Html:
    return element('span', class_='bar', style=f'--a:{100 * share:.1f}%;--colour:{colour}')
