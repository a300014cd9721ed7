# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes of all tile tasks share: tiles in, inference in a worker, results out."""

from __future__ import annotations

import dataclasses
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from vision_msgs.msg import BoundingBox2DArray, LabelInfo

from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import LATCHED_QOS, RESULT_QOS, Outlet, Writer
from rs_onboard.nodes.image_messages import stamp_to_ns
from rs_onboard.nodes.lifecycle import PerceptionNode
from rs_onboard.nodes.model_loading import load_task_model
from rs_onboard.nodes.result_messages import (
    label_info_message,
    report_message,
    scale_from_message,
    view_from_message,
)
from rs_onboard.nodes.tile_messages import tiles_from_messages
from rs_onboard.perception.errors import EncodingError, TaskError, TileError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.join import StampJoin
from rs_onboard.perception.worker import Counts, Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.exchange import Exchange
    from rs_onboard.nodes.settings import DetectionSettings, SceneSettings, SegmentationSettings
    from rs_onboard.perception.results import TaskResult
    from rs_onboard.perception.task import Task
    from rs_onboard.perception.tiler import TileSet

R = TypeVar('R', bound='TaskResult')


class TileArrival(NamedTuple):
    """Tiles as they came: handed over in the process, or the messages they are made of.

    Attributes:
        item: The tiles, or their messages by name (`tiles`, `layout`, `report`).
        received_ns: Arrival on the steady clock [ns].
    """

    item: TileSet | Mapping[str, Any]
    received_ns: int


class TaskNode(PerceptionNode, Generic[R]):
    """Runs one task on tiles."""

    task_name: ClassVar[TaskName]
    settings: SceneSettings | DetectionSettings | SegmentationSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(self.task_name, exchange, **arguments)
        self._worker: Worker[TileArrival] = Worker(
            self.task_name,
            self._work,
            on_error=lambda exc: self.complain(f'frame lost: {exc!r}'),
        )
        self._task: Task[R] | None = None
        self._outlet: Outlet[R] | None = None
        self._labels: Any = None
        self._inputs: list[Any] = []
        self._channel = self.resolve_topic_name(names.tiles(self.task_name))
        self._skipped = self.resolve_topic_name(names.skipped(self.task_name))
        self._failed = ''
        self._task_hangs = False

    @abstractmethod
    def make_task(self, model: Model) -> Task[R]:
        """Make the task of a verified model."""

    @abstractmethod
    def result_writers(self) -> Sequence[Writer[R]]:
        """Return the topics of a result, without its report."""

    def setup(self) -> None:
        """Load and verify the model; run it once, so that the first frame finds it warm."""
        model = load_task_model(self.settings, self.task_name, self.get_logger().info)
        task = self.make_task(model)
        task.warm_up()
        self._task = task
        self._task_hangs = False
        report: Writer[R] = Writer(
            names.report(self.task_name),
            DiagnosticArray,
            lambda result: report_message(result.header, result.report),
        )
        self.exchange.offer(self._skipped)
        self._outlet = Outlet(self, self.exchange, self.task_name, [*self.result_writers(), report])
        self._labels = self.create_publisher(LabelInfo, names.labels(self.task_name), LATCHED_QOS)
        now = FrameHeader(self.get_clock().now().nanoseconds, '', 0, 0, 0)
        self._labels.publish(label_info_message(model.card, now))
        self._announce(model)

    def start(self) -> None:
        """Take tiles, by reference where the tiler is in this process.

        Raises:
            TaskError: The model still hangs in an earlier frame.
        """
        if self._task_hangs and self._worker.hangs():
            raise TaskError(
                'the model still hangs in a frame from before; expected it free. Clean up and '
                'configure the node, which loads the model anew.'
            )
        self._worker.start()
        if self.exchange.connect(self._channel, self._on_tiles):
            return
        self._join: StampJoin[Any] = StampJoin(('tiles', 'layout', 'report'))
        for part, kind, topic in (
            ('tiles', Image, names.tiles(self.task_name)),
            ('layout', BoundingBox2DArray, names.layout(self.task_name)),
            ('report', DiagnosticArray, names.report(names.tiles(self.task_name))),
        ):
            self._inputs.append(
                self.create_subscription(kind, topic, self._part_callback(part), RESULT_QOS)
            )

    def halt(self) -> None:
        """Take no more tiles."""
        self.exchange.disconnect(self._channel, self._on_tiles)
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        if not self._worker.stop():
            self._task_hangs = True
            self.complain('the model hangs in a frame; left behind')

    def release(self) -> None:
        """Free the model."""
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None
        if self._labels is not None:
            self.destroy_publisher(self._labels)
            self._labels = None
        self._task = None

    def counts(self) -> Counts:
        """Return what became of the tile sets."""
        return self._worker.mailbox.counts()

    def health(self) -> tuple[str, dict[str, str]]:
        """Return the model, its provider and the last failure."""
        task = self._task
        if task is None:
            return self._worker.trouble(), {}
        identity = task.identity
        values = {
            'model': identity.name,
            'sha256': identity.sha256,
            'variant': identity.variant,
            'provider': identity.provider,
            'placement': task.model.runtime.placement,
            'trained': str(identity.trained).lower(),
            'signed_by': task.model.signed_by,
            'busy_s': f'{self._worker.busy_s():.2f}',
        }
        warning = self._worker.trouble() or self._failed or task.model.runtime.notice
        if not warning and not identity.trained:
            warning = f'model {identity.name} is untrained: its results mean nothing'
        return warning, values

    def _announce(self, model: Model) -> None:
        card = model.card
        self.get_logger().info(
            f'{card.name} {model.variant.name} on {model.runtime.provider}, '
            f'sha256 {model.variant.sha256[:12]}, weights: {card.weights.licence}'
        )
        if model.runtime.notice:
            self.get_logger().warning(model.runtime.notice)
        if card.weights.restrictions:
            self.get_logger().warning(f'{card.name}: {card.weights.restrictions}')
        if not card.trained:
            self.get_logger().warning(f'{card.name} is UNTRAINED: its results mean nothing')

    def _on_tiles(self, tiles: TileSet) -> None:
        replaced = self._worker.mailbox.put(TileArrival(tiles, time.perf_counter_ns()))
        if replaced is not None:
            # Whoever collects results need not hold the image until the frame in hand is done.
            stamp_ns = cast('TileSet', replaced.item).header.stamp_ns
            self.exchange.send(self._skipped, stamp_ns)

    def _part_callback(self, part: str) -> Any:
        def take(message: Any) -> None:
            stamp_ns = stamp_to_ns(message.header.stamp)
            for joined in self._join.add(stamp_ns, part, message):
                if joined.missing:
                    self._worker.mailbox.refuse('incomplete_tiles')
                else:
                    self._worker.mailbox.put(TileArrival(joined.parts, time.perf_counter_ns()))

        return self.guarded(take)

    def _tiles(self, arrival: TileArrival) -> TileSet:
        if not isinstance(arrival.item, dict):
            return cast('TileSet', arrival.item)
        parts = arrival.item
        header = parts['tiles'].header
        return tiles_from_messages(
            parts['tiles'],
            parts['layout'],
            scale=scale_from_message(parts['report']),
            view=view_from_message(parts['report']),
            header=FrameHeader(
                stamp_to_ns(header.stamp), header.frame_id, 0, 0, 0, arrival.received_ns
            ),
        )

    @staticmethod
    def _run(task: Task[R], tiles: TileSet) -> R:
        try:
            return task.run(tiles)
        except Exception as exc:  # noqa: BLE001  (a frame without memory left, for instance)
            reason = f'unexpected {type(exc).__name__}: {exc}'
            return task.without_result(tiles.header, 'failed', reason)

    def _work(self, arrival: TileArrival) -> str | None:
        try:
            tiles = self._tiles(arrival)
        except (EncodingError, TaskError, TileError) as exc:
            self.complain(str(exc))
            return 'bad_tiles'
        waited_ms = (time.perf_counter_ns() - arrival.received_ns) / 1e6
        assert self._task is not None
        result = self._run(self._task, tiles)
        latency = {'wait': waited_ms, **(result.report.latency_ms or {})}
        report = dataclasses.replace(result.report, latency_ms=latency)
        outlet = self._outlet
        if outlet is None:
            # It took so long that the node was cleaned up meanwhile.
            return 'inactive'
        outlet.send(dataclasses.replace(result, report=report))
        self._failed = report.reason if report.status == 'failed' else ''
        if self._failed:
            self.complain(self._failed)
            return 'failed'
        return None
