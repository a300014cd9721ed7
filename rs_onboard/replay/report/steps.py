# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What every task did on every frame: variant, tiles, or why it did not run, as bands over time.

It is told from the results themselves, so that it holds whoever decided: the latency budget, a
fault, or the user.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rs_onboard.replay.report.chart import LEFT, RIGHT, WIDTH
from rs_onboard.replay.report.frames import frame_link, tasks_of
from rs_onboard.replay.report.markup import Html, element, join, nice_step, section, swatch, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.report.markup import Child
    from rs_onboard.replay.summary import RunSummary

BAND, GAP, NAME, BOTTOM = 22.0, 10.0, 24.0, 26.0
# Full measure first; what is less is lighter, and no result is grey.
FULL = 'var(--infer)'
LESS = ('var(--cut)', 'var(--finish)', 'var(--other)')
NONE = 'var(--wait)'

# Changes listed; a planner that flaps has more.
LISTED = 40


def step_of(frame: FrameView, task: str) -> str:
    """Say in a few words what a task did on a frame."""
    record = frame.task(task)
    if not record:
        return 'no result'
    status = record.get('status')
    if status in {'skipped', 'failed'}:
        return str(status)
    model, tiles = record.get('model') or {}, record.get('tiles') or {}
    parts = [str(model['variant'])] if 'variant' in model else []
    if 'count' in tiles:
        count = tiles['count']
        parts.append(f'{count} tile' if count == 1 else f'{count} tiles')
    return ', '.join(parts) or str(status)


def steps_section(frames: Sequence[FrameView], run: RunSummary) -> Html | None:
    """Draw the steps of all tasks and list their changes; nothing where nothing changed."""
    tasks = tasks_of(run)
    steps: dict[str, list[str]] = {
        task: [step_of(frame, task) for frame in frames] for task in tasks
    }
    if all(len(set(found)) < 2 for found in steps.values()):
        return None
    colours = {task: _colours(found) for task, found in steps.items()}
    legends = [
        element(
            'ul',
            element('li', element('b', task)),
            [element('li', swatch(colour), step) for step, colour in colours[task].items()],
            class_='legend',
        )
        for task in tasks
    ]
    return section(
        'steps',
        'Steps',
        element('figure', _bands(frames, steps, colours)),
        legends,
        element(
            'p',
            'What each task did on each frame, as its results say: variant of the model and number '
            'of tiles, or that it was skipped or failed.',
            class_='quiet',
        ),
        _changes(frames, steps),
    )


def _colours(found: Sequence[str]) -> dict[str, str]:
    """Give the first step that has a result the full colour; a flight begins with the best."""
    names = dict.fromkeys(found)
    with_result = [name for name in names if name not in {'no result', 'skipped', 'failed'}]
    colours = {}
    for index, name in enumerate(with_result):
        colours[name] = FULL if index == 0 else LESS[(index - 1) % len(LESS)]
    for name in names:
        colours.setdefault(name, 'var(--bad)' if name == 'failed' else NONE)
    return colours


def _bands(
    frames: Sequence[FrameView],
    steps: dict[str, list[str]],
    colours: dict[str, dict[str, str]],
) -> Html:
    pitch = (WIDTH - LEFT - RIGHT) / max(1, len(frames))
    shapes: list[Child] = []
    y = 0.0
    for task, found in steps.items():
        # Above the band: on a phone, where letters are larger, it has no room beside it.
        shapes.append(element('text', task, x=float(LEFT), y=y + NAME - 6.0))
        y += NAME
        index = 0
        for step, run in groupby(found):
            count = len(list(run))
            first, last = frames[index].number, frames[index + count - 1].number
            where = f'frame {first}' if count == 1 else f'frames {first} to {last}'
            shapes.append(
                element(
                    'a',
                    element('title', f'{task}: {step}, {where}'),
                    element(
                        'rect',
                        x=LEFT + index * pitch,
                        y=y,
                        width=count * pitch,
                        height=BAND,
                        style=f'fill:{colours[task][step]}',
                    ),
                    href=f'#frame-{first}',
                )
            )
            index += count
        y += BAND + GAP
    every = max(1, round(nice_step(max(1.0, 34.0 / pitch))))
    for index in range(0, len(frames), every):
        x = LEFT + (index + 0.5) * pitch
        text = frames[index].number
        minor = 'minor' if index // every % 2 else None
        shapes.append(element('text', text, x=x, y=y + 12.0, text_anchor='middle', class_=minor))
    height = y + BOTTOM - GAP
    return element(
        'svg',
        shapes,
        viewBox=f'0 0 {WIDTH} {height:g}',
        role='img',
        aria_label='What every task did on every frame',
        class_='chart bands',
    )


def _changes(frames: Sequence[FrameView], steps: dict[str, list[str]]) -> Html | None:
    """List where a task began to do something else, and why where its result says so."""
    rows: list[tuple[int, list[Child]]] = []
    for task, found in steps.items():
        for index in range(1, len(found)):
            if found[index] != found[index - 1]:
                frame = frames[index]
                reason = str(frame.task(task).get('reason') or '')
                row: list[Child] = [
                    frame_link(frame, f'frame {frame.number}'),
                    task,
                    join(found[index - 1], ' \u2192 ', found[index]),
                    reason,
                ]
                rows.append((index, row))
    rows.sort(key=lambda item: item[0])
    shown = [row for _, row in rows[:LISTED]]
    more = len(rows) - len(shown)
    note = element('p', f'{more} further changes are not listed.', class_='quiet') if more else None
    return join(table(['at', 'task', 'step', 'reason'], shown, class_='text'), note)
