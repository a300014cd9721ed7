# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The changes of a flight: each place once, and how well frames lay on the map."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from rs_onboard.replay.report.chart import Axis, Column, Part, column_chart, groups
from rs_onboard.replay.report.frames import frame_link, percent
from rs_onboard.replay.report.markup import element, join, swatch, table
from rs_onboard.replay.report.pictures import embed_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.replay.report.frames import FrameView
    from rs_onboard.replay.report.markup import Child, Html

CONFIRMED_COLOUR = '#ec4054'
CANDIDATE_COLOUR = '#f5b33c'

# Places listed, the largest.
LISTED = 20

# Frames shown beside the map, and the bytes of their pictures together.
COMPARED = 6
COMPARED_LIMIT = 3_000_000


@dataclass(frozen=True)
class ChangedPlace:
    """A place that changed, as the frame tells that shows most of it.

    Attributes:
        frame: The frame with the largest view of it; a confirmed view goes before others, the last
            of equals before the rest.
        region: The region as recorded there.
        count: Frames that show it.
    """

    frame: FrameView
    region: Mapping[str, Any]
    count: int

    @property
    def confirmed(self) -> bool:
        """Whether enough looks agree; a region without a place on the ground never has them."""
        return bool(self.region.get('confirmed', False))

    @property
    def colour(self) -> str:
        """Its colour on overlays."""
        return CONFIRMED_COLOUR if self.confirmed else CANDIDATE_COLOUR

    @property
    def name(self) -> str:
        """What it is called."""
        number = self.region.get('number')
        return 'a region without a place' if number is None else f'change {number}'


def changed_places(frames: Sequence[FrameView]) -> list[ChangedPlace]:
    """Return every place once, confirmed ones first, then by area."""
    best: dict[object, ChangedPlace] = {}
    counts: Counter[object] = Counter()
    for frame in frames:
        for index, region in enumerate(frame.task('change').get('regions') or ()):
            key = region.get('number', (frame.number, index))
            counts[key] += 1
            view = ChangedPlace(frame, region, 0)
            # Where a frame ends it cuts a region, and its area.
            if key not in best or _worth(view) >= _worth(best[key]):
                best[key] = view
    found = [replace(view, count=counts[key]) for key, view in best.items()]
    return sorted(found, key=lambda one: (not one.confirmed, -_area(one), one.frame.number))


def changes_of(
    frames: Sequence[FrameView], comparisons: Mapping[int, bytes] | None = None
) -> list[Html]:
    """Draw how many regions each frame shows, list the places, tell of the registration.

    Args:
        frames: The frames.
        comparisons: JPEGs of frames beside their map, by stamp; those of the largest places are
            shown.
    """
    compared = [frame for frame in frames if 'registration' in frame.task('change')]
    found = changed_places(frames)
    parts = [_registration(compared)] if compared else []
    if not found:
        return parts
    rows: list[list[Child]] = [
        [
            join(swatch(one.colour), one.name),
            'confirmed' if one.confirmed else 'not confirmed',
            area_text(one.region['area_m2']) if 'area_m2' in one.region else '',
            percent(one.region['score']),
            f'{one.region["finds"]} of {one.region["looks"]}' if 'looks' in one.region else '',
            one.frame.task('change').get('map_date') or '',
            frame_link(one.frame, f'frame {one.frame.number}'),
        ]
        for one in found[:LISTED]
    ]
    head = ['place', '', 'area', 'score', 'found on looks', 'map of', 'best seen']
    parts += [_chart(frames), table(head, rows)]
    if len(found) > LISTED:
        text = f'{len(found) - LISTED} smaller ones are not listed; all are in results.geojson.'
        parts.append(element('p', text, class_='quiet'))
    return [*parts, *_comparisons(found, comparisons or {})]


def _comparisons(found: Sequence[ChangedPlace], comparisons: Mapping[int, bytes]) -> list[Html]:
    """Show the frames of the largest places beside the map, each frame once."""
    frames = list({one.frame.stamp_ns: one.frame for one in found}.values())[:COMPARED]
    pictures = embed_pictures(comparisons, [one.stamp_ns for one in frames], limit=COMPARED_LIMIT)
    return [
        element(
            'figure',
            element(
                'img',
                src=pictures[one.stamp_ns].uri,
                width=pictures[one.stamp_ns].width,
                height=pictures[one.stamp_ns].height,
                alt=f'Frame {one.number} beside the map, with what changed',
                style='width:100%;height:auto',
            ),
            element('figcaption', f'Frame {one.number}, and the map as it would show it'),
        )
        for one in frames
        if one.stamp_ns in pictures
    ]


def area_text(area_m2: float) -> str:
    """Write an area, in hectares where it has many."""
    return f'{area_m2:.0f} m\u00b2' if area_m2 < 10_000.0 else f'{area_m2 / 10_000.0:.1f} ha'


def _worth(one: ChangedPlace) -> tuple[bool, float]:
    return one.confirmed, _area(one)


def _area(one: ChangedPlace) -> float:
    return float(one.region.get('area_m2', 0.0))


def _registration(compared: Sequence[FrameView]) -> Html:
    """Say how many frames lay on the map, and how well."""
    told = [frame.task('change')['registration'] for frame in compared]
    states = Counter(str(one.get('state', 'unknown')) for one in told)
    text = 'Registration: ' + ', '.join(f'{name} {n}' for name, n in states.most_common())
    residuals = [one['residual_px'] for one in told if 'residual_px' in one]
    if residuals:
        text += f'; median residual {median(residuals):.2f} px'
    shifts = [one['shift_m'] for one in told if 'shift_m' in one]
    if shifts:
        text += f', median correction of the position {median(shifts):.1f} m'
    return element('p', f'{text}.', class_='quiet')


def _chart(frames: Sequence[FrameView]) -> Html:
    columns, most = [], 1
    grouped = groups(frames)
    for group in grouped:
        frame = group[0]
        regions = frame.task('change').get('regions') or ()
        confirmed = sum(bool(region.get('confirmed')) for region in regions)
        most = max(most, len(regions))
        text = f'{len(regions)} regions, {confirmed} of them confirmed'
        parts = [
            Part(confirmed, CONFIRMED_COLOUR),
            Part(len(regions) - confirmed, CANDIDATE_COLOUR),
        ]
        columns.append(Column(frame.number, f'Frame {frame.number}, change: {text}', parts))
    every = len(grouped[0])
    caption = 'Regions in view' if every == 1 else f'Regions in view, every {every}th frame'
    chart = column_chart(columns, Axis(float(most)), label='Changed regions', height=90.0)
    return element('figure', element('figcaption', caption), chart)
