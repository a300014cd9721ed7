# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The objects of a flight: each once where it was tracked, by class, frame and place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from rs_onboard.replay.report.chart import Axis, Column, Part, column_chart, groups
from rs_onboard.replay.report.frames import UNKNOWN_COLOUR, share_link
from rs_onboard.replay.report.markup import element, join, swatch, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.report.markup import Child, Html


@dataclass(frozen=True)
class Sighting:
    """The best view of an object.

    Attributes:
        frame: The frame that shows it best.
        item: The object as recorded there.
        count: Frames that show it.
    """

    frame: FrameView
    item: Mapping[str, Any]
    count: int

    @property
    def name(self) -> str:
        """Class of the object."""
        return str(self.item['class'])


def sightings(frames: Sequence[FrameView], task: str) -> list[Sighting]:
    """Return every object once, the surest first; without numbers every detection is one."""
    best: dict[object, tuple[FrameView, Mapping[str, Any]]] = {}
    counts: Counter[object] = Counter()
    for frame in frames:
        for index, item in enumerate(frame.task(task).get('objects') or ()):
            key = item.get('number', (frame.number, index))
            counts[key] += 1
            if key not in best or item['score'] > best[key][1]['score']:
                best[key] = (frame, item)
    found = [Sighting(*place, counts[key]) for key, place in best.items()]
    return sorted(found, key=lambda one: (-one.item['score'], one.frame.number))


def objects_of(frames: Sequence[FrameView], task: str, colours: Mapping[str, str]) -> list[Html]:
    """Draw how many objects each frame shows, and count every object once."""
    found = sightings(frames, task)
    if not found:
        return []
    rows: list[list[Child]] = []
    names = Counter(one.name for one in found)
    for name, number in names.most_common():
        members = [one for one in found if one.name == name]
        lengths = [one.item['length_m'] for one in members if 'length_m' in one.item]
        surest = members[0]
        rows.append(
            [
                join(swatch(colours.get(name, UNKNOWN_COLOUR)), name),
                number,
                sum(one.count for one in members),
                f'{median(lengths):.1f} m' if lengths else '',
                share_link(surest.frame, surest.item['score']),
            ]
        )
    tracked = any('number' in one.item for one in found)
    heads = ['class', 'objects' if tracked else 'detections', 'seen', 'median length', 'surest']
    return [_chart(frames, task, colours), table(heads, rows)]


def _chart(frames: Sequence[FrameView], task: str, colours: Mapping[str, str]) -> Html:
    columns, most = [], 1
    grouped = groups(frames)
    for group in grouped:
        frame = group[0]
        counts = Counter(item['class'] for item in frame.task(task).get('objects') or ())
        most = max(most, counts.total())
        text = ', '.join(f'{number} {name}' for name, number in counts.most_common()) or 'nothing'
        parts = [
            Part(counts[name], colours.get(name, UNKNOWN_COLOUR))
            for name in colours
            if counts[name]
        ]
        columns.append(Column(frame.number, f'Frame {frame.number}, {task}: {text}', parts))
    every = len(grouped[0])
    caption = 'Objects in view' if every == 1 else f'Objects in view, every {every}th frame'
    chart = column_chart(columns, Axis(float(most)), label=f'Objects of {task}', height=90.0)
    return element('figure', element('figcaption', caption), chart)
