# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a run, in lock-step or live: its facts and its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rs_onboard.cli.replay.run_writer import COMPARED, PICTURES
from rs_onboard.replay.report import write_report
from rs_onboard.replay.run_facts import (
    RunFacts,
    bag_hash,
    inputs_hash,
    model_facts,
    with_effect,
)
from rs_onboard.replay.summary import RunSummary, status_counts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.replay.alarms import Alarms
    from rs_onboard.replay.reader import Bag
    from rs_onboard.replay.summary import NodeCounts


class PictureFolder(Mapping[int, bytes]):
    """The pictures of a run by stamp (ns), read when asked for: a long flight has gigabytes.

    Args:
        folder: The folder.
        mark: What follows the stamp in their names.
    """

    def __init__(self, folder: Path, mark: str = '') -> None:
        stems = {path.stem: path for path in sorted(folder.glob(f'*{mark}.jpg'))}
        named = {stem.removesuffix(mark): path for stem, path in stems.items()}
        self._paths = {int(stem): path for stem, path in named.items() if stem.isdecimal()}

    def __getitem__(self, stamp_ns: int) -> bytes:
        return self._paths[stamp_ns].read_bytes()

    def __iter__(self) -> Iterator[int]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


@dataclass(frozen=True)
class Ended:
    """A run that has ended.

    Attributes:
        bag: Path of the bag.
        facts: What is known of it.
        summary: The same with what took time, for the terminal and the page.
        records: The record of every frame, durations included.
        page: The page about it.
    """

    bag: Path
    facts: RunFacts
    summary: RunSummary
    records: Sequence[Mapping[str, Any]]
    page: Path


def planned_hash(
    bag: Path, parameters: Mapping[str, Any], cards: Mapping[TaskName, ModelCard]
) -> str:
    """Return the hash of the inputs of a run before it is made.

    Args:
        bag: The bag.
        parameters: Parameters that were given.
        cards: Cards of the models, by task.
    """
    models: dict[str, str] = {
        task: ' '.join(f'{name}:{item.sha256}' for name, item in sorted(card.variants.items()))
        for task, card in cards.items()
    }
    return inputs_hash(bag_hash(bag), parameters, models)


def end_run(
    folder: Path,
    bag: Bag,
    *,
    title: str,
    parameters: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    nodes: Sequence[NodeCounts],
    cards: Mapping[TaskName, ModelCard],
    images: int,
    wall_s: float,
    notes: Sequence[str],
    alarms: Alarms,
) -> Ended:
    """Write page and facts of a run.

    Raises:
        OSError: They cannot be written.
    """
    add_bag_alarms(bag, alarms)
    add_result_alarms(records, alarms)
    found = alarms.all()
    said = [*notes, *(x.first for x in found if x.source == 'bag' and x.first not in notes)]
    summary = RunSummary(
        title=title,
        records=records,
        pictures=PictureFolder(folder / PICTURES),
        comparisons=PictureFolder(folder / PICTURES, COMPARED),
        nodes=nodes,
        cards=cards,
        wall_s=wall_s,
        sent=images,
        notes=said,
        budget_ms=float(parameters.get('frame_budget_ms', 0.0)),
    )
    page = write_report(folder / 'index.html', summary)
    facts = RunFacts(
        bag=title,
        inputs_sha256=planned_hash(bag.path, parameters, cards),
        models=model_facts(cards, list(records)),
        parameters=with_effect(parameters),
        images=images,
        results=len(records),
        drops={node.node: dict(node.dropped) for node in nodes if node.dropped},
        statuses={task: status_counts(records, task) for task in cards},
        alarms=tuple(found),
        notes=tuple(notes),
        damage=bag.report.damage,
    )
    facts.write(folder)
    return Ended(bag.path, facts, summary, records, page)


def add_bag_alarms(bag: Bag, alarms: Alarms) -> None:
    """Add what was met in the bag that should not be there."""
    report = bag.report
    for topic, count in sorted(report.backward.items()):
        alarms.add('bag', 'warn', f'{topic}: stamps go back {count} times')
    for topic, count in sorted(report.malformed.items()):
        alarms.add('bag', 'warn', f'{topic}: {count} malformed messages left out')
    if report.damage:
        alarms.add('bag', 'error', str(bag.damage_error()))


def add_result_alarms(records: Sequence[Mapping[str, Any]], alarms: Alarms) -> None:
    """Add the reasons of all results that are not `ok`."""
    for record in records:
        for task, value in record.items():
            if isinstance(value, dict) and (reason := value.get('reason')):
                level = value.get('status')
                alarms.add(task, 'error' if level == 'failed' else 'warn', reason)
