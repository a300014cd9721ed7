# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a run leaves to look at: numbers for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.perception.records import timing_of
from rs_onboard.replay.run_records import by_stamp, stage_durations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.card import ModelCard, TaskName


@dataclass(frozen=True)
class NodeCounts:
    """What became of the items a node received: received = done + dropped + waiting."""

    node: str
    received: int
    done: int
    dropped: Mapping[str, int]
    waiting: int

    @property
    def unaccounted(self) -> int:
        """Items received of which nobody knows what became; anything but 0 is a fault."""
        return self.received - self.done - sum(self.dropped.values()) - self.waiting


@dataclass(frozen=True)
class RunSummary:
    """A finished run.

    Attributes:
        title: What was flown.
        records: One record a frame, see `rs_onboard.perception.records.frame_record`; changes,
            which are published alone and later, are joined with the rest of their frame.
        pictures: Overlay JPEGs by stamp [ns].
        nodes: Counters of every node in the order of the graph.
        cards: Cards of the models that ran, by task.
        wall_s: Length of the run [s].
        sent: Images sent into the graph.
        notes: What readers must know about the run.
        comparisons: JPEGs of frames beside their map, by stamp [ns].
        budget_ms: What a frame was allowed to take [ms]; 0 for no limit.
    """

    title: str
    records: Sequence[Mapping[str, Any]]
    pictures: Mapping[int, bytes]
    nodes: Sequence[NodeCounts]
    cards: Mapping[TaskName, ModelCard]
    wall_s: float
    sent: int
    notes: Sequence[str] = ()
    comparisons: Mapping[int, bytes] = field(default_factory=dict)
    budget_ms: float = 0.0

    def __post_init__(self) -> None:
        """Join the records of each frame."""
        object.__setattr__(self, 'records', list(by_stamp(self.records).values()))


@dataclass(frozen=True)
class StageStatistics:
    """Durations of a stage over a run [ms]."""

    name: str
    count: int
    p50: float
    p95: float
    largest: float


def stage_statistics(records: Sequence[Mapping[str, Any]]) -> list[StageStatistics]:
    """Sum up the durations of every stage; see `stage_durations`."""
    spent = stage_durations([timing_of(record) for record in records])
    return [
        StageStatistics(
            name=name,
            count=len(values),
            p50=float(np.percentile(values, 50)),
            p95=float(np.percentile(values, 95)),
            largest=max(values),
        )
        for name, values in spent.items()
    ]


def status_counts(records: Sequence[Mapping[str, Any]], task: str) -> dict[str, int]:
    """Return how often a task ended in each status."""
    counts: dict[str, int] = {}
    for record in records:
        status = record.get(task, {}).get('status')
        if status:
            counts[status] = counts.get(status, 0) + 1
    return counts


def reason_counts(records: Sequence[Mapping[str, Any]], task: str) -> dict[str, int]:
    """Return how often a task gave each reason for not being `ok`."""
    counts: dict[str, int] = {}
    for record in records:
        reason = record.get(task, {}).get('reason')
        if reason:
            counts[reason] = counts.get(reason, 0) + 1
    return counts


def summary_text(run: RunSummary) -> str:
    """Write the summary for the terminal."""
    published = len(run.records)
    rate = published / run.wall_s if run.wall_s else 0.0
    lines = [
        f'{run.title}: {run.sent} in, {published} out in {run.wall_s:.1f} s, {rate:.2f} a second',
        '',
        f'{"stage":<24}{"n":>6}{"p50 ms":>10}{"p95 ms":>10}{"max ms":>10}',
    ]
    lines += [
        f'{stage.name:<24}{stage.count:>6}{stage.p50:>10.1f}{stage.p95:>10.1f}{stage.largest:>10.1f}'
        for stage in stage_statistics(run.records)
    ]
    lines += ['', f'{"node":<16}{"received":>10}{"done":>8}{"waiting":>9}  dropped']
    for node in run.nodes:
        drops = ', '.join(f'{name} {count}' for name, count in node.dropped.items()) or 'none'
        lines.append(f'{node.node:<16}{node.received:>10}{node.done:>8}{node.waiting:>9}  {drops}')
    lines.append('')
    for task, card in run.cards.items():
        counted = status_counts(run.records, task)
        statuses = ', '.join(f'{number} {status}' for status, number in counted.items())
        untrained = '' if card.trained else ' UNTRAINED'
        lines.append(f'{task}: {card.name}{untrained}: {statuses or "no results"}')
        lines += [
            f'  {count} x {reason}' for reason, count in reason_counts(run.records, task).items()
        ]
    lines += ['', *run.notes]
    return '\n'.join(lines)
