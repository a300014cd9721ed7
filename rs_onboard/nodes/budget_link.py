# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The latency budget between the tiler, which plans, and the tasks, whose results it learns from.

In one process results come by reference, and the publisher tells when those of a frame are out.
With a process a node the reports of the tasks come by topic, and the last of them ends the frame.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from diagnostic_msgs.msg import DiagnosticArray
from vision_msgs.msg import Detection2DArray

from rs_onboard.nodes import names
from rs_onboard.nodes.budget_messages import costs_from_message, plan_message, plan_status
from rs_onboard.nodes.exchange import LATCHED_QOS, RESULT_QOS
from rs_onboard.nodes.image_messages import stamp_to_ns
from rs_onboard.nodes.result_messages import report_from_message
from rs_onboard.perception.frame_budget import FrameBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from diagnostic_msgs.msg import DiagnosticStatus

    from rs_onboard.inference.card import TaskName
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.nodes.settings import TilerSettings
    from rs_onboard.perception.frame_results import FrameResults
    from rs_onboard.perception.results import DetectionResult, TaskResult
    from rs_onboard.perception.tiler import CutTiles, Tiler


class BudgetLink:
    """Plans the frames of a tiler.

    Args:
        node: The tiler.
        tiler: Cuts its tiles.
    """

    def __init__(self, node: PerceptionNode, tiler: Tiler) -> None:
        self._node = node
        self._tasks = tuple(tiler.plans)
        priorities = cast('TilerSettings', node.settings).budget_priorities
        self._budget = FrameBudget(priorities, tiler.filter.area)
        self._connected: list[tuple[str, Callable[[Any], None]]] = []
        self._subscriptions: list[Any] = []
        self._told = ''
        self._publisher: Any = node.create_publisher(
            DiagnosticArray, names.BUDGET_PLAN, LATCHED_QOS
        )

    def start(self) -> None:
        """Listen to the tasks."""
        joined = self._connect(names.RESULTS, self._on_frame)
        for task in self._tasks:
            self._subscribe(DiagnosticArray, names.costs(task), self._on_costs, LATCHED_QOS)
            if self._connect(task, self._result_callback(task, last=not joined)):
                self._connect(names.skipped(task), self._budget.dropped)
                continue
            report = self._report_callback(task)
            self._subscribe(DiagnosticArray, names.report(task), report, RESULT_QOS)
            if task == 'detection':
                topic = names.DETECTIONS
                self._subscribe(Detection2DArray, topic, self._on_detections, RESULT_QOS)

    def stop(self) -> None:
        """Undo `start`."""
        for channel, callback in self._connected:
            self._node.exchange.disconnect(channel, callback)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._connected, self._subscriptions = [], []

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)

    def apply(self, tiles: Mapping[TaskName, CutTiles]) -> dict[TaskName, CutTiles]:
        """Plan a frame; see `FrameBudget.apply`."""
        budget_ms = cast('TilerSettings', self._node.settings).frame_budget_ms
        planned = self._budget.apply(tiles, budget_ms, self._node.exchange.watchdog.machine_state())
        current = self._budget.state.plan
        told = '' if current is None or current.budget_ms <= 0 else str(current)
        if told != self._told:
            self._tell(told)
        return planned

    def entry(self) -> DiagnosticStatus:
        """Return the entry for /diagnostics."""
        name = self._node.get_fully_qualified_name().lstrip('/')
        return plan_status(self._budget.state, time.perf_counter(), f'{name}: latency budget')

    def _tell(self, told: str) -> None:
        state, self._told = self._budget.state, told
        reason = state.plan.reason if state.plan is not None else ''
        self._node.get_logger().info(f'latency budget: {told or "no limit"} ({reason})')
        now = self._node.get_clock().now().to_msg()
        self._publisher.publish(plan_message(state, time.perf_counter(), now))

    def _connect(self, channel: str, callback: Callable[[Any], None]) -> bool:
        """Have a callback called by reference; returns whether the sender is in this process."""
        resolved = self._node.resolve_topic_name(channel)
        if not self._node.exchange.connect(resolved, callback):
            return False
        self._connected.append((resolved, callback))
        return True

    def _subscribe(self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any) -> None:
        guarded = self._node.guarded(callback)
        self._subscriptions.append(self._node.create_subscription(kind, topic, guarded, qos))

    def _result_callback(self, task: str, *, last: bool) -> Callable[[TaskResult], None]:
        def take(result: TaskResult) -> None:
            self._budget.result(task, result.header.stamp_ns, result.report)
            if task == 'detection':
                pixels = cast('DetectionResult', result).boxes[:, :2].astype(float)
                self._budget.found(result.header.stamp_ns, pixels)
            if last:
                self._end(result.header.stamp_ns)

        return take

    def _report_callback(self, task: str) -> Callable[[DiagnosticArray], None]:
        def take(message: DiagnosticArray) -> None:
            stamp_ns = stamp_to_ns(message.header.stamp)
            self._budget.result(task, stamp_ns, report_from_message(message))
            self._end(stamp_ns)

        return take

    def _end(self, stamp_ns: int) -> None:
        age_ms = self._budget.results_are_in(stamp_ns, time.perf_counter_ns())
        if age_ms is not None:
            self._budget.done(stamp_ns, age_ms)

    def _on_frame(self, results: FrameResults) -> None:
        stamp_ns = results.header.stamp_ns
        for task, result in results.results.items():
            # One that never came is not its task's word.
            if result.report.model is not None:
                self._budget.result(task, stamp_ns, result.report)
        if results.latency_ms is not None:
            self._budget.done(stamp_ns, results.latency_ms)

    def _on_detections(self, message: Detection2DArray) -> None:
        centres = [item.bbox.center.position for item in message.detections]
        stamp_ns = stamp_to_ns(message.header.stamp)
        self._budget.found(stamp_ns, [[centre.x, centre.y] for centre in centres])

    def _on_costs(self, message: DiagnosticArray) -> None:
        task, costs = costs_from_message(message)
        self._budget.set_costs(task, costs)
