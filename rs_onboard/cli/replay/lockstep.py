# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The graph in lock-step, without ROS: the tasks of the nodes on a bag, frame by frame."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from rs_onboard.inference.card import load_card
from rs_onboard.nodes.image_messages import header_message
from rs_onboard.nodes.locations import model_folder
from rs_onboard.nodes.model_loading import load_task_model
from rs_onboard.nodes.node_settings import TASKS
from rs_onboard.nodes.overlay_message import Comparison
from rs_onboard.nodes.parameters import build, specs
from rs_onboard.nodes.settings import NODE_SETTINGS, PublisherSettings, TilerSettings
from rs_onboard.nodes.task_making import TASK_MAKERS, make_change, make_tiler
from rs_onboard.perception.errors import TileError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.pipeline import Pipeline
from rs_onboard.replay.summary import NodeCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rs_onboard.cli.replay.feed import FedFrame, Feed
    from rs_onboard.cli.replay.run_writer import RunWriter
    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.perception.frame import Frame
    from rs_onboard.perception.map_change import MapChangeTask
    from rs_onboard.perception.task import ModelTask, Task
    from rs_onboard.replay.alarms import Alarms

S = TypeVar('S')


class GraphSettings(NamedTuple):
    """The settings of the nodes that a replay stands for.

    Attributes:
        tiler: Of the tiler.
        publisher: Of the publisher.
        tasks: Of the nodes of the tasks, in the order they run.
    """

    tiler: TilerSettings
    publisher: PublisherSettings
    tasks: Mapping[TaskName, Any]

    @classmethod
    def of(cls, values: Mapping[str, object]) -> GraphSettings:
        """Build them of parameters, each of which every node that has it gets.

        Raises:
            FieldError: A value is not allowed.
        """
        tiler = settings_of(TilerSettings, values)
        tasks: dict[TaskName, Any] = {
            task: settings_of(NODE_SETTINGS[task], values) for task in TASKS if task in tiler.tasks
        }
        return cls(tiler, settings_of(PublisherSettings, values), tasks)

    def cards(self) -> dict[TaskName, ModelCard]:
        """Read the cards of the models.

        Raises:
            CardError: A card is missing or wrong.
        """
        return {task: load_card(model_folder(own.model)) for task, own in self.tasks.items()}


def settings_of(kind: type[S], values: Mapping[str, object]) -> S:
    """Build settings of those parameters that they have.

    Raises:
        FieldError: A value is not allowed.
    """
    names = {spec.name for spec in specs(kind)}
    return build(kind, {name: value for name, value in values.items() if name in names})


class Processed(NamedTuple):
    """Results of a frame, with what was compared where they are changes."""

    results: FrameResults
    comparison: Comparison | None = None


class LockStep:
    """Runs all tasks on every frame of a feed; the next image is read meanwhile.

    Args:
        settings: Those of the nodes.
        alarms: Told what is wrong.
        progress: Told what takes long while models are loaded.

    Attributes:
        cards: Cards of the models, by task.
        dropped: Frames that the tiler refused, by the name of the drop.

    Raises:
        CardError, ModelError, ProviderError, FieldError, TaskError: As the nodes do on configure.
    """

    def __init__(
        self, settings: GraphSettings, alarms: Alarms, progress: Callable[[str], None]
    ) -> None:
        self._alarms = alarms
        self.dropped: Counter[str] = Counter()
        self._done: Counter[TaskName] = Counter()
        self._failed: Counter[TaskName] = Counter()
        self._tasks: list[Task[Any]] = []
        self._change: MapChangeTask | None = None
        self._every = 1
        self._seen = 0
        self.cards: dict[TaskName, ModelCard] = {}
        for name, own in settings.tasks.items():
            model = load_task_model(own, name, progress)
            self.cards[name] = model.card
            task: ModelTask[Any]
            if name == 'change':
                task = self._change = make_change(own, model)
                self._every = own.every
            else:
                task = TASK_MAKERS[name](own, model)
                self._tasks.append(task)
            task.warm_up()
            self._say_of(task)
        self._pipeline = Pipeline(self._tasks, make_tiler(settings.tiler))

    def run(self, feed: Feed, writer: RunWriter, shown: Callable[[int], object]) -> None:
        """Process every frame and write its results.

        Args:
            feed: Gives the frames.
            writer: Takes the results.
            shown: Told how many images were met.

        Raises:
            OSError: Results cannot be written, or the bag cannot be read on.
        """
        frames = feed.frames()
        # Reading ahead and writing behind by one keep the order, and the models busy.
        with ThreadPoolExecutor(2, 'replay') as pool:
            coming: Future[FedFrame | None] = pool.submit(next, frames, None)
            writing: Future[None] | None = None
            while (fed := coming.result()) is not None:
                coming = pool.submit(next, frames, None)
                processed = self._process(fed)
                if writing is not None:
                    writing.result()
                writing = pool.submit(write_all, writer, processed, fed.log_time_ns)
                shown(feed.received)
            if writing is not None:
                writing.result()

    def counts(self, feed: Feed) -> list[NodeCounts]:
        """Return what became of the images, as the nodes of the graph would count it."""
        dropped = feed.dropped + self.dropped
        done = feed.received - dropped.total()
        tiler = NodeCounts('tiler', feed.received, done, dict(dropped), 0)
        tasks = [
            NodeCounts(
                task.name,
                self._done[task.name] + self._failed[task.name],
                self._done[task.name],
                {'failed': self._failed[task.name]} if self._failed[task.name] else {},
                0,
            )
            for task in self._all_tasks()
        ]
        return [tiler, *tasks]

    def diagnostics(self, feed: Feed, stamp_ns: int) -> DiagnosticArray:
        """Write the counters as the nodes do on /diagnostics."""
        more = {'tiler': feed.values()}
        statuses = []
        for node in self.counts(feed):
            values = {
                **more.get(node.node, {}),
                'received': str(node.received),
                'done': str(node.done),
                **{f'dropped.{name}': str(n) for name, n in sorted(node.dropped.items())},
            }
            statuses.append(
                DiagnosticStatus(
                    level=DiagnosticStatus.WARN if node.dropped else DiagnosticStatus.OK,
                    name=f'{node.node}: perception',
                    message='replayed in lock-step',
                    hardware_id='rs_onboard',
                    values=[KeyValue(key=key, value=value) for key, value in values.items()],
                )
            )
        header = header_message(FrameHeader(stamp_ns, '', 0, 0, 0))
        return DiagnosticArray(header=header, status=statuses)

    def _process(self, fed: FedFrame) -> list[Processed]:
        started = time.perf_counter_ns()
        try:
            results = self._pipeline.process(fed.frame)
        except TileError as exc:
            self.dropped['too_many_tiles'] += 1
            self._alarms.add('tiler', 'warn', str(exc))
            return []
        processed = [Processed(_timed(results, started))]
        self._seen += 1
        if self._change is not None and (self._seen - 1) % self._every == 0:
            processed.append(self._compare(fed.frame, self._change))
        for item in processed:
            for task, result in item.results.results.items():
                (self._failed if result.report.status == 'failed' else self._done)[task] += 1
        return processed

    @staticmethod
    def _compare(frame: Frame, task: MapChangeTask) -> Processed:
        """Compare a frame with the map; in the graph that comes later, and alone, too."""
        started = time.perf_counter_ns()
        try:
            result = task.run(frame)
        except Exception as exc:  # noqa: BLE001  (a frame without memory left, for instance)
            result = task.failed(frame, f'unexpected {type(exc).__name__}: {exc}')
        results = FrameResults(frame.header, None, {'change': result})
        return Processed(_timed(results, started), Comparison(frame, result, task.before))

    def _all_tasks(self) -> list[ModelTask[Any]]:
        return [*self._tasks, *([self._change] if self._change is not None else [])]

    def _say_of(self, task: ModelTask[Any]) -> None:
        if task.model.runtime.notice:
            self._alarms.add(task.name, 'warn', task.model.runtime.notice)
        if not task.identity.trained:
            text = f'model {task.identity.name} is untrained: its results mean nothing'
            self._alarms.add(task.name, 'warn', text)


def write_all(writer: RunWriter, processed: Sequence[Processed], log_time_ns: int) -> None:
    """Write the results of a frame, then its changes."""
    for item in processed:
        writer.write(item.results, log_time_ns, item.comparison)


def _timed(results: FrameResults, started_ns: int) -> FrameResults:
    return replace(results, latency_ms=(time.perf_counter_ns() - started_ns) / 1e6)
