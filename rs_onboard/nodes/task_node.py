# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes of all tile tasks share: tiles in, by reference or put together from messages."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from vision_msgs.msg import BoundingBox2DArray

from rs_onboard.nodes import names
from rs_onboard.nodes.budget_messages import costs_message
from rs_onboard.nodes.exchange import LATCHED_QOS, RESULT_QOS
from rs_onboard.nodes.image_messages import stamp_to_ns, unsized_header
from rs_onboard.nodes.model_node import ModelNode
from rs_onboard.nodes.node_settings import DEFAULT_TASKS
from rs_onboard.nodes.result_messages import (
    scale_from_message,
    selection_from_message,
    view_from_message,
)
from rs_onboard.nodes.tile_messages import tiles_from_messages
from rs_onboard.nodes.variant_loading import learn_costs, offer_variants
from rs_onboard.perception.errors import EncodingError, TaskError, TileError
from rs_onboard.perception.join import StampJoin
from rs_onboard.perception.results import TaskResult
from rs_onboard.perception.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.exchange import Exchange
    from rs_onboard.nodes.model_settings import ModelSettings
    from rs_onboard.nodes.variant_loading import TileTaskSettings
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.task import ModelTask
    from rs_onboard.perception.tiler import TileSet

R = TypeVar('R', bound=TaskResult)


class TileArrival(NamedTuple):
    """Tiles as they came: handed over in the process, or the messages they are made of.

    Attributes:
        item: The tiles, or their messages by name (`tiles`, `layout`, `report`).
        received_ns: Arrival on the steady clock [ns].
    """

    item: TileSet | Mapping[str, Any]
    received_ns: int


class TaskNode(ModelNode[TileArrival, R], Generic[R]):
    """Runs one task on tiles."""

    settings: TileTaskSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(exchange, **arguments)
        self._inputs: list[Any] = []
        self._costs: Any = None
        self._channel = self.resolve_topic_name(names.tiles(self.task_name))
        self._skipped = self.resolve_topic_name(names.skipped(self.task_name))

    @abstractmethod
    def make_task(self, model: Model) -> Task[R]:
        """See `ModelNode.make_task`."""

    def setup(self) -> None:
        """See `ModelNode.setup`; with a latency budget, learn what the variants cost."""
        super().setup()
        self.exchange.offer(self._skipped)
        self._costs = self.create_publisher(
            DiagnosticArray, names.costs(self.task_name), LATCHED_QOS
        )
        if self.settings.frame_budget_ms > 0:
            self._publish_costs()

    def load_task(self, settings: ModelSettings) -> ModelTask[R]:
        """See `ModelNode.load_task`; with a latency budget, other variants go beside it."""
        task = super().load_task(settings)
        limited = cast('TileTaskSettings', settings)
        if limited.frame_budget_ms > 0:
            offer_variants(task, limited, self.progress)
        return task

    def release(self) -> None:
        """See `ModelNode.release`."""
        if self._costs is not None:
            self.destroy_publisher(self._costs)
            self._costs = None
        super().release()

    def _publish_costs(self) -> None:
        assert self._task is not None
        given = self.given('tasks')
        among = len(given) if isinstance(given, list) else len(DEFAULT_TASKS)
        share_s = self.settings.budget_benchmark_s / max(1, among)
        costs, measured = learn_costs(self._task, self.settings, share_s)
        for note in measured.notes:
            self.get_logger().warning(note)
        told = ', '.join(
            f'{c.variant} {c.tile_ms:.1f} ms a tile ({c.agreement:.0%})' for c in measured.costs
        )
        how = f'measured in {measured.spent_s:.1f} s' if measured.spent_s else 'known from before'
        self.get_logger().info(f'costs {how}: {told}')
        now = self.get_clock().now().to_msg()
        self._costs.publish(costs_message(self.task_name, costs, measured.notes, now))

    def connect_inputs(self) -> None:
        """See `ModelNode.connect_inputs`."""
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

    def disconnect_inputs(self) -> None:
        """See `ModelNode.disconnect_inputs`."""
        self.exchange.disconnect(self._channel, self._on_tiles)
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []

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

    def tiles_of(self, arrival: TileArrival) -> TileSet:
        """Return the tiles that arrived, or rebuild them from their messages.

        Raises:
            EncodingError, TaskError, TileError: The messages are not those of an rs_onboard tiler.
        """
        if not isinstance(arrival.item, dict):
            return cast('TileSet', arrival.item)
        parts = arrival.item
        return tiles_from_messages(
            parts['tiles'],
            parts['layout'],
            scale=scale_from_message(parts['report']),
            view=view_from_message(parts['report']),
            selected=selection_from_message(parts['report']),
            header=self.header_of(arrival),
        )

    def header_of(self, arrival: TileArrival) -> FrameHeader:
        """See `ModelNode.header_of`."""
        if not isinstance(arrival.item, dict):
            return cast('TileSet', arrival.item).header
        return unsized_header(arrival.item['tiles'].header, arrival.received_ns)

    def _run(self, tiles: TileSet) -> R:
        task = self._task
        assert isinstance(task, Task)
        result: R = task.run(tiles)
        return result

    def _work(self, arrival: TileArrival) -> str | None:
        try:
            tiles = self.tiles_of(arrival)
        except (EncodingError, TaskError, TileError) as exc:
            self.incident('bad_tiles', str(exc))
            return 'bad_tiles'
        waited_ms = (time.perf_counter_ns() - arrival.received_ns) / 1e6
        return self.send(self._run(tiles), waited_ms)
