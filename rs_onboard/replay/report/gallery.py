# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The frames one by one, with their pictures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rs_onboard.replay.report.changes import CANDIDATE_COLOUR, CONFIRMED_COLOUR
from rs_onboard.replay.report.frames import (
    UNKNOWN,
    UNKNOWN_COLOUR,
    colours_of,
    percent,
    tasks_of,
)
from rs_onboard.replay.report.markup import Html, element, join, section, swatch
from rs_onboard.replay.report.pictures import embed_pictures
from rs_onboard.replay.report.standouts import Standout, standouts
from rs_onboard.replay.report.tasks import status_mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.report.pictures import Picture
    from rs_onboard.replay.summary import RunSummary

# Findings of a task listed for a frame.
TOP = 3


def gallery_section(frames: Sequence[FrameView], run: RunSummary) -> Html:
    """Show every frame; a picture fills the window when it is selected, without any script."""
    pictures = embed_pictures(run.pictures, [frame.stamp_ns for frame in frames])
    shown = [frame.number for frame in frames if frame.stamp_ns in pictures]
    beside = {
        number: (before, after)
        for before, number, after in zip([None, *shown], shown, [*shown[1:], None], strict=False)
    }
    colours = {task: colours_of(run, task) for task in tasks_of(run)}
    choices = standouts(frames, tasks_of(run))
    cards = [
        element(
            'article',
            _shot(frame, pictures.get(frame.stamp_ns), beside.get(frame.number)),
            _facts(frame, colours),
            class_=' '.join(['frame', *(c.word for c in choices if frame.number in c.numbers)]),
            id=f'frame-{frame.number}',
        )
        for frame in frames
    ]
    return section(
        'frames',
        'Frames',
        element('p', _coverage(len(frames), len(shown)), class_='quiet'),
        _switches(len(frames), choices),
        element('div', cards, class_='gallery'),
    )


def _switches(frames: int, choices: Sequence[Standout]) -> list[Html]:
    """Let readers see all frames, or those that stand out; the style sheet does it."""
    if not choices:
        return []
    every = Standout('all', 'all', frozenset(range(frames)))
    buttons = [element('span', 'Show', class_='quiet')]
    for one in [every, *choices]:
        name = f'show-{one.word}'
        checked = one is every
        buttons.append(
            element('input', type='radio', name='show', id=name, class_='show', checked=checked)
        )
        buttons.append(element('label', f'{one.title} ({len(one.numbers)})', for_=name))
    return buttons


def _coverage(frames: int, shown: int) -> str:
    text = 'Select a picture to enlarge it.' if shown else ''
    if shown < frames:
        text += f' {shown} of {frames} frames have a picture here.'
    return text.strip()


def _shot(
    frame: FrameView, picture: Picture | None, beside: tuple[int | None, int | None] | None
) -> Html:
    if picture is None or beside is None:
        return element('div', 'no picture', class_='shot none')
    number = frame.number
    image = element(
        'img',
        src=picture.uri,
        width=picture.width,
        height=picture.height,
        alt=f'Results drawn on frame {number}',
    )
    before, after = beside
    return element(
        'div',
        element('a', image, class_='view', id=f'view-{number}', href=f'#view-{number}'),
        element('a', class_='close', href=f'#frame-{number}', aria_label='Back to the page'),
        _step('before', '\u2039', before),
        _step('after', '\u203a', after),
        class_='shot',
        style=f'aspect-ratio:{picture.width}/{picture.height}',
    )


def _step(side: str, sign: str, number: int | None) -> Html | None:
    if number is None:
        return None
    return element(
        'a', sign, class_=f'step {side}', href=f'#view-{number}', aria_label=f'Frame {number}'
    )


def _facts(frame: FrameView, colours: Mapping[TaskName, Mapping[str, str]]) -> Html:
    latency = frame.latency_ms
    heading = element(
        'h3',
        f'Frame {frame.number}',
        element('span', f'{latency:.0f} ms', class_='quiet') if latency is not None else None,
    )
    return element(
        'div',
        heading,
        element('p', frame.time, class_='quiet'),
        element('p', _place(frame), class_='quiet'),
        [_task(frame, task, names) for task, names in colours.items()],
        class_='facts',
    )


def _place(frame: FrameView) -> str:
    pose = frame.pose
    if UNKNOWN in pose:
        return f'no pose: {pose[UNKNOWN]}'
    parts = [f'{pose["latitude_deg"]:.6f}, {pose["longitude_deg"]:.6f}']
    if pose.get('height_m') is not None:
        parts.append(f'height {pose["height_m"]:.1f} m')
    if pose.get('gsd_m') is not None:
        parts.append(f'{100.0 * pose["gsd_m"]:.1f} cm/px')
    return ' \u00b7 '.join(parts)


def _task(frame: FrameView, task: TaskName, colours: Mapping[str, str]) -> Html | None:
    record = frame.task(task)
    if not record:
        return element('p', f'{task}: no result', class_='quiet')
    found = [
        element(
            'span',
            swatch(colours.get(finding.name, UNKNOWN_COLOUR)),
            f'{finding.name} ',
            element('b', percent(finding.share)),
            class_='finding',
        )
        for finding in frame.findings(task)[:TOP]
    ]
    found += [
        element('span', swatch(colour), f'{name} ', element('b', count), class_='finding')
        for name, colour, count in _counted(record, colours)
    ]
    status = record.get('status', UNKNOWN)
    doubt = None
    if status != 'ok':
        doubt = element('p', status_mark(status), f' {task}: {record.get("reason", "")}')
    return join(element('p', found) if found else None, doubt)


def _counted(
    record: Mapping[str, Any], colours: Mapping[str, str]
) -> Iterator[tuple[str, str, int]]:
    """Yield name, colour and number of the objects of each class, most first, and of changes."""
    names = Counter(item['class'] for item in record.get('objects') or ())
    for name, count in names.most_common():
        yield name, colours.get(name, UNKNOWN_COLOUR), count
    regions = record.get('regions') or ()
    confirmed = sum(bool(region.get('confirmed')) for region in regions)
    if confirmed:
        yield 'confirmed changes', CONFIRMED_COLOUR, confirmed
    if len(regions) > confirmed:
        yield 'changes not confirmed', CANDIDATE_COLOUR, len(regions) - confirmed
