# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Charts over the frames of a run: one column a frame, parts stacked, drawn as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.replay.report.markup import Html, element, nice_step, number, swatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.replay.report.frames import FrameView

# Size of the drawing and room for its letters.
WIDTH = 760
LEFT, RIGHT, TOP, BOTTOM = 70, 86, 12, 28

# More columns than this are thinner than a gap between them; frames are then put together.
MAX_COLUMNS = 160
WIDEST_COLUMN = 44.0

# Shares are rounded, so that they may add up to a little more than all.
ROUNDING = 1.01

# Least distance of two names beside a chart.
NAME_GAP = 19.0


class Part(NamedTuple):
    """A part of a column: its value and its colour as CSS."""

    value: float
    colour: str


@dataclass(frozen=True)
class Column:
    """A column of a chart.

    Attributes:
        frame: Number of the frame that it leads to.
        title: What it says on hover.
        parts: From bottom to top.
    """

    frame: int
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Axis:
    """The vertical axis of a chart.

    Attributes:
        top: Value at the upper edge; columns beyond are cut and marked.
        unit: Unit that stands behind the labels.
        factor: What values are multiplied with for the labels.
    """

    top: float
    unit: str = ''
    factor: float = 1.0


def groups(frames: Sequence[FrameView]) -> list[list[FrameView]]:
    """Put neighbours together so that there are not too many columns."""
    size = -(-len(frames) // MAX_COLUMNS) or 1
    return [list(frames[k : k + size]) for k in range(0, len(frames), size)]


def column_chart(
    columns: Sequence[Column],
    axis: Axis,
    *,
    label: str,
    height: float = 130.0,
    lines: Mapping[str, float] | None = None,
) -> Html:
    """Draw columns.

    Args:
        columns: The columns.
        axis: The vertical axis.
        label: What the chart shows, for those who do not see it.
        height: Height of the columns at the top of the axis.
        lines: Values marked across the chart, by name.
    """
    base = TOP + height
    pitch = (WIDTH - LEFT - RIGHT) / max(1, len(columns))
    width = min(WIDEST_COLUMN, pitch * 0.82 if pitch > 4.0 else pitch)
    bars = []
    for index, column in enumerate(columns):
        middle = LEFT + (index + 0.5) * pitch
        hover = element(
            'rect', x=middle - pitch / 2, y=TOP, width=pitch, height=height, class_='hit'
        )
        bars.append(
            element(
                'a',
                element('title', column.title),
                hover,
                _stack(column, middle - width / 2, width, base, height / axis.top),
                _cut(middle) if sum(p.value for p in column.parts) > axis.top * ROUNDING else None,
                href=f'#frame-{column.frame}',
            )
        )
    return element(
        'svg',
        _ticks(axis, base, height),
        bars,
        _frame_numbers(columns, pitch, base),
        _lines({name: base - value / axis.top * height for name, value in (lines or {}).items()}),
        viewBox=f'0 0 {WIDTH} {number(base + BOTTOM)}',
        role='img',
        aria_label=label,
        class_='chart',
    )


def key(entries: Mapping[str, str]) -> Html:
    """List names with their colours."""
    return element(
        'ul',
        [element('li', swatch(colour), name) for name, colour in entries.items()],
        class_='legend',
    )


def _stack(column: Column, x: float, width: float, base: float, scale: float) -> list[Html]:
    rectangles = []
    y, room = base, base - TOP
    for part in column.parts:
        height = min(part.value * scale, room)
        y, room = y - height, room - height
        if height > 0.0:
            rectangles.append(
                element('rect', x=x, y=y, width=width, height=height, style=f'fill:{part.colour}')
            )
    return rectangles


def _cut(x: float) -> Html:
    return element('path', d=f'M{number(x - 5)} {TOP + 3}l5 -9l5 9z', class_='cut')


def _ticks(axis: Axis, base: float, height: float) -> list[Html]:
    step = nice_step(axis.top / 5.0 if height > 100.0 else axis.top / 2.5)
    marks = []
    for k in range(int(axis.top / step * 1.001) + 1):
        y = base - k * step / axis.top * height
        text = f'{k * step * axis.factor:g} {axis.unit}'.strip()
        marks.append(element('path', d=f'M{LEFT} {number(y)}H{WIDTH - RIGHT}', class_='grid'))
        marks.append(element('text', text, x=LEFT - 8.0, y=y + 4.0, text_anchor='end'))
    return marks


def _frame_numbers(columns: Sequence[Column], pitch: float, base: float) -> list[Html]:
    """Write frame numbers below the columns, one where there is room for one."""
    every = max(1, round(nice_step(max(1.0, 34.0 / pitch))))
    return [
        element(
            'text',
            column.frame,
            x=LEFT + (index + 0.5) * pitch,
            y=base + 20.0,
            text_anchor='middle',
            class_='minor' if index // every % 2 else None,
        )
        for index, column in enumerate(columns)
        if index % every == 0
    ]


def _lines(heights: Mapping[str, float]) -> list[Html]:
    """Draw marked values; names that would meet move apart, up or, at the upper edge, down."""
    shown = sorted(((max(y, float(TOP)), name) for name, y in heights.items()), key=_from_below)
    places: list[float] = []
    for y, _ in shown:
        places.append(min(y + 4.0, places[-1] - NAME_GAP) if places else y + 4.0)
    down = max(0.0, TOP - places[-1]) if places else 0.0
    return [
        element(
            'g',
            element('path', d=f'M{LEFT} {number(y)}H{WIDTH - RIGHT}'),
            element('text', name, x=WIDTH - RIGHT + 6.0, y=place + down),
            class_='mark',
        )
        for (y, name), place in zip(shown, places, strict=True)
    ]


def _from_below(mark: tuple[float, str]) -> tuple[float, str]:
    return -mark[0], mark[1]
