# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The records of a run as frames: what the parts of the page ask about one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rs_onboard.inference.card import TASKS
from rs_onboard.perception.panel import format_stamp
from rs_onboard.replay.report.markup import Html, css_colour, element, join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.replay.summary import RunSummary

UNKNOWN = 'unknown'
UNKNOWN_COLOUR = '#8a8f94'

T = TypeVar('T')


class Finding(NamedTuple):
    """A class and how much of it: probability of a scene, share of the frame of a land cover."""

    name: str
    share: float


@dataclass(frozen=True)
class FrameView:
    """A frame of the run.

    Attributes:
        number: Position in the run, from 0, as on the overlays of a run without drops.
        record: Its record.
    """

    number: int
    record: Mapping[str, Any]

    @property
    def stamp_ns(self) -> int:
        """Capture time [ns]."""
        return int(self.record['stamp_ns'])

    @property
    def time(self) -> str:
        """Capture time for readers, UTC."""
        return format_stamp(self.stamp_ns)

    @property
    def latency_ms(self) -> float | None:
        """Arrival to publication [ms], None where unknown."""
        return self.record.get('latency_ms')

    @property
    def pose(self) -> Mapping[str, Any]:
        """The pose; only `unknown` with the reason where there is none."""
        return self.record.get('pose') or {UNKNOWN: 'not recorded'}

    @property
    def position(self) -> tuple[float, float] | None:
        """Longitude and latitude [deg], None where unknown."""
        pose = self.pose
        return None if UNKNOWN in pose else (pose['longitude_deg'], pose['latitude_deg'])

    @property
    def footprint(self) -> Mapping[str, Any]:
        """`corners`, four longitudes and latitudes [deg], or `unknown` with the reason."""
        return self.record.get('footprint') or {UNKNOWN: 'not recorded'}

    def task(self, name: str) -> Mapping[str, Any]:
        """Return what a task left, empty where it left nothing."""
        return self.record.get(name) or {}

    def stages(self, name: str) -> Mapping[str, float]:
        """Return the milliseconds of a task by stage."""
        return self.task(name).get('latency_ms') or {}

    def findings(self, name: str) -> list[Finding]:
        """Return what a task found, most first; pixels without a label last."""
        task = self.task(name)
        found = [Finding(c['name'], c['probability']) for c in task.get('classes') or ()]
        found += [Finding(*item) for item in (task.get('shares') or {}).items()]
        return sorted(found, key=lambda f: (f.name == UNKNOWN, -f.share))

    def headline(self, name: str) -> Finding | None:
        """Return the main finding of a task."""
        found = self.findings(name)
        return found[0] if found else None


def frames_of(run: RunSummary) -> list[FrameView]:
    """Return the frames of a run in their order."""
    return [FrameView(number, record) for number, record in enumerate(run.records)]


def tasks_of(run: RunSummary) -> list[TaskName]:
    """Return the tasks that a run had, in their usual order."""
    return [
        task for task in TASKS if task in run.cards or any(task in record for record in run.records)
    ]


def colours_of(run: RunSummary, task: TaskName) -> dict[str, str]:
    """Return the colours of a task's classes by name."""
    card = run.cards.get(task)
    colours = {info.name: css_colour(info.color) for info in card.classes} if card else {}
    return {UNKNOWN: UNKNOWN_COLOUR, **colours}


def frame_link(frame: FrameView, text: str) -> Html:
    """Lead to a frame."""
    return element('a', text, href=f'#frame-{frame.number}')


def share_link(frame: FrameView, share: float) -> Html:
    """Lead to a frame that is named for a share or a probability."""
    return join(frame_link(frame, f'frame {frame.number}'), f' {percent(share)}')


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, spread over all, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    if most < 2:
        return list(items[:most])
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]


def percent(share: float) -> str:
    """Write a share; what is there but rounds to nothing is not called 0."""
    return '< 1 %' if 0.0 < share < 0.005 else f'{100.0 * share:.0f} %'
