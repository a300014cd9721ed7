# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One flight replayed in lock-step, from the bag to the page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rs_onboard.cli.replay.feed import Feed
from rs_onboard.cli.replay.finish import Ended, end_run, planned_hash
from rs_onboard.cli.replay.lockstep import GraphSettings, LockStep
from rs_onboard.cli.replay.progress import Progress
from rs_onboard.cli.replay.run_writer import RunWriter
from rs_onboard.nodes.parameters import specs
from rs_onboard.nodes.settings import TilerSettings
from rs_onboard.nodes.topics import all_topics
from rs_onboard.replay.alarms import Alarms
from rs_onboard.replay.flights import flight_name
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topic_choice import choose_topics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rs_onboard.replay.topic_choice import TopicChoice


# Results that depend on how busy the machine was could not be the same again.
BUDGET_NOTE = (
    'frame_budget_ms: not applied in lock-step, where every frame gets all tasks on all tiles; '
    'replay with --ros to see its steps'
)


@dataclass(frozen=True)
class ReplayOptions:
    """What is replayed and how.

    Attributes:
        bag: The recorded flight.
        out: Folder for what comes out; emptied of an earlier run.
        values: Parameters of the nodes.
        quiet: Whether to show no progress.
        title: Name of the flight; that of its bag if empty.
    """

    bag: Path
    out: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    quiet: bool = False
    title: str = ''


def replay_flight(options: ReplayOptions) -> Ended:
    """Replay a flight; what can be read of a damaged bag is processed.

    Raises:
        BagError: The bag cannot be opened, or holds no images.
        FieldError, CardError, ModelError, ProviderError, TaskError: The graph cannot be made.
        OSError: Results cannot be written.
    """
    started = time.monotonic()
    with Bag(options.bag) as bag:
        choice = topics_for(bag, options.values)
        settings = GraphSettings.of({**options.values, **choice.values})
        alarms = Alarms()
        for note in choice.notes:
            alarms.add('bag', 'warn', note)
        notes = [*choice.notes]
        if settings.tiler.frame_budget_ms:
            notes.append(BUDGET_NOTE)
            alarms.add('replay', 'warn', BUDGET_NOTE)
        progress = Progress(bag.topics[choice.image].count, quiet=options.quiet)
        graph = LockStep(settings, alarms, progress.say)
        feed = Feed(bag, choice, settings.tiler, alarms)
        try:
            with RunWriter(options.out, graph.cards, settings.publisher) as writer:
                graph.run(feed, writer, progress.show)
                writer.write_diagnostics(graph.diagnostics(feed, feed.last_ns), feed.last_ns)
        finally:
            progress.end()
        return end_run(
            options.out,
            bag,
            title=options.title or flight_name(options.bag),
            parameters=options.values,
            records=writer.records,
            nodes=graph.counts(feed),
            cards=graph.cards,
            images=feed.received,
            wall_s=time.monotonic() - started,
            notes=notes,
            alarms=alarms,
        )


def planned(options: ReplayOptions) -> str:
    """Return the hash of the inputs of a replay that is still to be made.

    Raises:
        FieldError, CardError: The graph cannot be made.
    """
    return planned_hash(options.bag, options.values, GraphSettings.of(options.values).cards())


def topics_for(bag: Bag, values: Mapping[str, object]) -> TopicChoice:
    """Choose the topics of a bag, see `choose_topics`.

    A parameter at its default is not one that the user chose: files of parameters have them all.
    """
    known = {spec.name: spec.default for spec in specs(TilerSettings)}
    values = {name: value for name, value in values.items() if value != known.get(name)}
    defaults = {name: str(value) for name, value in known.items() if name.endswith('_topic')}
    ignored = {f'/{topic.topic}' for topic in all_topics() if topic.direction == 'out'}
    return choose_topics(bag, values, defaults, ignored=ignored)
