# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The map: track and footprints in metres, north up, drawn without any map service."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.geo.wgs84 import wgs84_to_offset
from rs_onboard.replay.report.changes import (
    CANDIDATE_COLOUR,
    CONFIRMED_COLOUR,
    changed_places,
)
from rs_onboard.replay.report.frames import (
    UNKNOWN,
    UNKNOWN_COLOUR,
    colours_of,
    evenly,
    percent,
    tasks_of,
)
from rs_onboard.replay.report.markup import (
    Html,
    element,
    join,
    nice_step,
    number,
    section,
    swatch,
)
from rs_onboard.replay.report.objects import sightings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.summary import RunSummary

# Size of the drawing.
WIDTH = 760
LOWEST, HIGHEST = 300, 540
MARGIN = 36

# What is drawn of long flights; more cannot be told apart.
MAX_FOOTPRINTS = 1200

# Objects drawn on the map, the surest ones.
MAX_OBJECTS = 2000

# Up to so many frames have large dots.
FEW = 80

# Least ground shown [m], so that a hovering drone does not fill the map with its GNSS noise.
LEAST_EXTENT_M = 20.0

# Distance between frame numbers on a laptop, and on a phone, where the drawing is half as wide.
LABEL_GAP = 24.0
PHONE_LABEL_GAP = 56.0


class Sheet(NamedTuple):
    """The mapping from metres to the drawing.

    Attributes:
        scale: Units of the drawing per metre.
        west: Easting of the left edge [m].
        north: Northing of the upper edge [m].
        height: Height of the drawing.
    """

    scale: float
    west: float
    north: float
    height: float

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N, 2) places on the drawing of (N, 2) east and north [m]."""
        return np.asarray((points - (self.west, self.north)) * (self.scale, -self.scale))


def map_section(frames: Sequence[FrameView], run: RunSummary) -> Html:
    """Draw the map and say what it cannot show."""
    placed = [frame for frame in frames if frame.position]
    if not placed:
        return section(
            'map',
            'Map',
            element('p', 'No frame has a position, so there is no map.'),
            _gaps(frames),
        )
    colours: dict[str, dict[str, str]] = {
        task: colours_of(run, task)
        for task in tasks_of(run)
        if any(frame.headline(task) for frame in placed)
    }
    switches = [
        [
            element('input', type='radio', name='by', id=f'by-{k}', class_=f'by{k}', checked=not k),
            element('label', task, for_=f'by-{k}'),
        ]
        for k, task in enumerate(colours)
    ]
    legends = [_legend(k, placed, task, names) for k, (task, names) in enumerate(colours.items())]
    return section(
        'map',
        'Map',
        element(
            'div',
            element('span', 'Footprints by', class_='quiet') if switches else None,
            switches,
            element('figure', _drawing(placed, colours, colours_of(run, 'detection')), legends),
            class_='map',
        ),
        _change_key(placed),
        _gaps(frames),
    )


def _change_key(placed: Sequence[FrameView]) -> Html | None:
    """Explain the colours of changes where there are any on the map."""
    found = [one for one in changed_places(placed) if 'ground' in one.region]
    sure = sum(one.confirmed for one in found)
    counts = {'confirmed changes': sure, 'changes not confirmed': len(found) - sure}
    colours = (CONFIRMED_COLOUR, CANDIDATE_COLOUR)
    entries = [
        element('li', swatch(colour), f'{name} ', element('b', count))
        for (name, count), colour in zip(counts.items(), colours, strict=True)
        if count
    ]
    return element('ul', entries, class_='legend') if entries else None


def local_metres(frames: Sequence[FrameView]) -> NDArray[np.float64]:
    """Return (N, 2) float64 east and north [m] of frames with a position, from the first one."""
    points = np.array([frame.position for frame in frames], np.float64)
    return wgs84_to_offset(points, points[0, 1], points[0, 0])


def track_length_m(frames: Sequence[FrameView]) -> float | None:
    """Return the length of the way over the frames' positions [m], None with fewer than two."""
    placed = [frame for frame in frames if frame.position]
    if len(placed) < 2:
        return None
    return float(np.hypot(*np.diff(local_metres(placed), axis=0).T).sum())


def _drawing(
    placed: Sequence[FrameView],
    colours: Mapping[str, Mapping[str, str]],
    names: Mapping[str, str],
) -> Html:
    longitude, latitude = placed[0].position or (0.0, 0.0)
    seen = evenly([frame for frame in placed if UNKNOWN not in frame.footprint], MAX_FOOTPRINTS)
    shapes = [
        wgs84_to_offset(np.array(frame.footprint['corners'], np.float64), latitude, longitude)
        for frame in seen
    ]
    track = local_metres(placed)
    sheet = _sheet(np.concatenate([track, *shapes]))
    path = sheet.place(track)
    step = nice_step(100.0 / sheet.scale)
    footprints = [
        _link(frame, colours, element('polygon', points=_points(sheet.place(shape))))
        for frame, shape in zip(seen, shapes, strict=True)
    ]
    return element(
        'svg',
        _grid(sheet, step),
        element('g', footprints, class_='footprints' if colours else 'footprints plain'),
        element('polyline', points=_points(path), class_='track'),
        _changes(placed, sheet, (longitude, latitude)),
        _objects(placed, sheet, (longitude, latitude), names),
        _dots(placed, path, colours),
        _scale_bar(sheet, step),
        _north_arrow(),
        viewBox=f'0 0 {WIDTH} {number(sheet.height)}',
        role='img',
        aria_label=f'Map of {len(placed)} frames, north up',
    )


def _changes(placed: Sequence[FrameView], sheet: Sheet, origin: tuple[float, float]) -> Html:
    """Draw every changed place once, confirmed ones over the others."""
    found = [one for one in changed_places(placed) if 'ground' in one.region]
    shapes = []
    for one in reversed(found[:MAX_OBJECTS]):
        doubt = '' if one.confirmed else ', not confirmed'
        text = f'{one.name} {percent(one.region["score"])}{doubt}'
        style = f'stroke:{one.colour};fill:{one.colour}'
        points = _ground_points(one.region['ground'], sheet, origin)
        shapes.append(_outline(one.frame, text, points, style))
    return element('g', shapes, class_='changes')


def _objects(
    placed: Sequence[FrameView],
    sheet: Sheet,
    origin: tuple[float, float],
    colours: Mapping[str, str],
) -> Html:
    """Draw every located object once, as its outline."""
    located = [one for one in sightings(placed, 'detection') if 'ground' in one.item]
    shapes = []
    for one in reversed(located[:MAX_OBJECTS]):
        text = f'{one.name} {percent(one.item["score"])}'
        style = f'stroke:{colours.get(one.name, UNKNOWN_COLOUR)}'
        points = _ground_points(one.item['ground'], sheet, origin)
        shapes.append(_outline(one.frame, text, points, style))
    return element('g', shapes, class_='objects')


def _ground_points(
    ground: Sequence[Sequence[float]], sheet: Sheet, origin: tuple[float, float]
) -> str:
    offsets = wgs84_to_offset(np.array(ground, np.float64), origin[1], origin[0])
    return _points(sheet.place(offsets))


def _outline(frame: FrameView, text: str, points: str, style: str) -> Html:
    """Draw an outline that says what it is and leads to the frame that shows it."""
    title = element('title', f'{text}, frame {frame.number}')
    shape = element('polygon', points=points, style=style)
    return element('a', title, shape, href=f'#frame-{frame.number}')


def _sheet(points: NDArray[np.float64]) -> Sheet:
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, LEAST_EXTENT_M)
    scale = float(np.min((np.array([WIDTH, HIGHEST]) - 2.0 * MARGIN) / extent))
    height = max(LOWEST, float(extent[1]) * scale + 2.0 * MARGIN)
    east, north = ((low + high) / 2.0).tolist()
    return Sheet(scale, east - WIDTH / 2.0 / scale, north + height / 2.0 / scale, height)


def _link(frame: FrameView, colours: Mapping[str, Mapping[str, str]], shape: Html) -> Html:
    """Build a link to a frame that says on hover what was found there."""
    findings = {task: frame.headline(task) for task in colours}
    paints = [
        f'--c{k}:{colours[task].get(found.name, UNKNOWN_COLOUR) if found else UNKNOWN_COLOUR}'
        for k, (task, found) in enumerate(findings.items())
    ]
    lines = [f'Frame {frame.number}, {frame.time}']
    lines += [f'{task}: {f.name} {percent(f.share)}' for task, f in findings.items() if f]
    if frame.latency_ms is not None:
        lines.append(f'{frame.latency_ms:.0f} ms from arrival to result')
    return element(
        'a',
        element('title', '\n'.join(lines)),
        shape,
        href=f'#frame-{frame.number}',
        style=';'.join(paints) or None,
    )


def _dots(
    placed: Sequence[FrameView],
    path: NDArray[np.float64],
    colours: Mapping[str, Mapping[str, str]],
) -> Html:
    """Draw the frames on the track, the first and the last with a ring."""
    shown = evenly(range(len(placed)), MAX_FOOTPRINTS)
    few = len(shown) <= FEW
    places: list[list[float]] = path.tolist()
    dots = [
        _link(
            placed[index],
            colours,
            element('circle', cx=places[index][0], cy=places[index][1], r=5.0 if few else 3.0),
        )
        for index in shown
    ]
    ends = [
        element('circle', cx=places[k][0], cy=places[k][1], r=10.0, class_=name)
        for k, name in ((0, 'start'), (-1, 'finish'))
    ]
    kind = 'dots' if few else 'dots many'
    return element('g', ends, dots, _numbers(placed, places), class_=kind)


def _numbers(placed: Sequence[FrameView], places: Sequence[Sequence[float]]) -> list[Html]:
    """Write frame numbers where there is room: the first, the last, then round ones."""
    way = sum(math.dist(a, b) for a, b in pairwise(places))
    every = round(nice_step(max(1.0, LABEL_GAP * len(places) / max(way, 1.0))))
    ends = dict.fromkeys((0, len(placed) - 1))
    round_ones = [k for k, frame in enumerate(placed) if frame.number % every == 0]
    taken: list[Sequence[float]] = []
    on_phone: list[Sequence[float]] = []
    texts = []
    for index in dict.fromkeys([*ends, *round_ones]):
        place = places[index]
        if not _free(place, taken, LABEL_GAP):
            continue
        taken.append(place)
        minor = not _free(place, on_phone, PHONE_LABEL_GAP)
        if not minor:
            on_phone.append(place)
        texts.append(
            element(
                'text',
                placed[index].number,
                x=place[0] + 7.0,
                y=place[1] - 6.0,
                class_='minor' if minor else None,
            )
        )
    return texts


def _free(place: Sequence[float], taken: Sequence[Sequence[float]], gap: float) -> bool:
    return all(math.dist(place, other) >= gap for other in taken)


def _points(places: NDArray[np.float64]) -> str:
    return ' '.join(f'{number(x)},{number(y)}' for x, y in places.tolist())


def _grid(sheet: Sheet, step: float) -> Html:
    """Draw lines of whole steps east and north of the first frame."""
    east = WIDTH / sheet.scale
    south = sheet.north - sheet.height / sheet.scale
    columns = range(math.ceil(sheet.west / step), math.floor((sheet.west + east) / step) + 1)
    rows = range(math.ceil(south / step), math.floor(sheet.north / step) + 1)
    path = [
        f'M{number((k * step - sheet.west) * sheet.scale)} 0V{number(sheet.height)}'
        for k in columns
    ]
    path += [f'M0 {number((sheet.north - k * step) * sheet.scale)}H{WIDTH}' for k in rows]
    return element('path', d=''.join(path), class_='grid')


def _scale_bar(sheet: Sheet, step: float) -> Html:
    length = step * sheet.scale
    x, y = 16.0, sheet.height - 16.0
    text = f'{step:g} m' if step < 1000.0 else f'{step / 1000.0:g} km'
    return element(
        'g',
        element('rect', x=x - 8.0, y=y - 28.0, width=length + 16.0, height=36.0, rx=4.0),
        element('path', d=f'M{number(x)} {number(y - 7)}v7h{number(length)}v-7'),
        element('text', text, x=x + length / 2.0, y=y - 10.0, text_anchor='middle'),
        class_='scale',
    )


def _north_arrow() -> Html:
    x = WIDTH - 30.0
    return element(
        'g',
        element('rect', x=x - 17.0, y=10.0, width=34.0, height=62.0, rx=4.0),
        element('path', d=f'M{number(x)} 34l9 30l-9 -7l-9 7z'),
        element('text', 'N', x=x, y=29.0, text_anchor='middle'),
        class_='north',
    )


def _legend(index: int, placed: Sequence[FrameView], task: str, colours: Mapping[str, str]) -> Html:
    counts = Counter(found.name for frame in placed if (found := frame.headline(task)))
    entries = [
        element('li', swatch(colours.get(name, UNKNOWN_COLOUR)), f'{name} ', element('b', count))
        for name, count in counts.most_common()
    ]
    return element('ul', entries, class_=f'legend l{index}')


def _gaps(frames: Sequence[FrameView]) -> Html:
    """Say what the map is and list what is missing on it, with the reasons."""
    poses = Counter(str(f.pose[UNKNOWN]) for f in frames if UNKNOWN in f.pose)
    shapes = Counter(
        str(f.footprint[UNKNOWN]) for f in frames if UNKNOWN in f.footprint and f.position
    )
    missing = [f'{_frames(n)} without a position: {why}' for why, n in poses.most_common()]
    missing += [f'{_frames(n)} without a footprint: {why}' for why, n in shapes.most_common()]
    return join(
        element(
            'p',
            'North is up; the grid is as wide as the scale bar. Dots are camera positions; the '
            'green ring is the first, the red one the last. Colours are those of the class with '
            'the largest share. Footprints assume flat ground. Select a frame to go to it.',
            class_='quiet',
        )
        if any(frame.position for frame in frames)
        else None,
        element('ul', [element('li', line) for line in missing], class_='missing')
        if missing
        else None,
    )


def _frames(count: int) -> str:
    return f'{count} frame' if count == 1 else f'{count} frames'
