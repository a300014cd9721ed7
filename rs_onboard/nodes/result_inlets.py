# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results arriving at the publisher: by reference, or rebuilt from their messages."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from vision_msgs.msg import Classification, Detection2DArray

from rs_onboard.nodes import names
from rs_onboard.nodes.change_messages import change_from_messages
from rs_onboard.nodes.detection_messages import detections_from_message
from rs_onboard.nodes.exchange import RESULT_QOS
from rs_onboard.nodes.image_messages import mask_from_message, stamp_to_ns, unsized_header
from rs_onboard.nodes.result_messages import report_from_message, scene_from_messages
from rs_onboard.perception.join import StampJoin
from rs_onboard.perception.results import (
    ChangeResult,
    DetectionResult,
    SceneResult,
    SegmentationResult,
    TaskResult,
    palette,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.perception.frame import FrameHeader
    from rs_onboard.perception.results import TaskReport

R = TypeVar('R', bound=TaskResult)


class ResultInlet(ABC, Generic[R]):
    """Takes the results of a task.

    Args:
        node: Owner of the subscriptions.
        task: Name of the task.
        card: Card of its model.
        deliver: Takes (task, result).
    """

    topics: ClassVar[tuple[tuple[str, type], ...]]

    def __init__(
        self,
        node: PerceptionNode,
        task: TaskName,
        card: ModelCard,
        deliver: Callable[[TaskName, TaskResult], None],
    ) -> None:
        self._node = node
        self._task = task
        self._card = card
        self._deliver = deliver
        self._channel = node.resolve_topic_name(task)
        self._subscriptions: list[Any] = []

    @abstractmethod
    def rebuild(self, header: FrameHeader, report: TaskReport, parts: Mapping[str, Any]) -> R:
        """Rebuild a result from its messages."""

    def start(self) -> None:
        """Connect, or subscribe to every topic of the result."""
        if self._node.exchange.connect(self._channel, self._take):
            return
        topics = (*self.topics, (names.report(self._task), DiagnosticArray))
        self._join: StampJoin[Any] = StampJoin([topic for topic, _ in topics])
        for topic, kind in topics:
            self._subscriptions.append(
                self._node.create_subscription(kind, topic, self._part(topic), RESULT_QOS)
            )

    def stop(self) -> None:
        """Undo `start`."""
        self._node.exchange.disconnect(self._channel, self._take)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _take(self, result: TaskResult) -> None:
        self._deliver(self._task, result)

    def _part(self, topic: str) -> Callable[..., None]:
        def take(message: Any) -> None:
            for joined in self._join.add(stamp_to_ns(message.header.stamp), topic, message):
                # A result with a piece lost is reported as missing by the publisher's own join.
                if not joined.missing:
                    self._take(self._result(joined.parts))

        return self._node.guarded(take)

    def _result(self, parts: Mapping[str, Any]) -> R:
        status = parts[names.report(self._task)]
        report = report_from_message(status)
        header = unsized_header(status.header, time.perf_counter_ns())
        return self.rebuild(header, report, parts)


class SceneInlet(ResultInlet[SceneResult]):
    """Takes scene results."""

    topics = ((names.SCENE, Classification), (names.SCENE_TILES, Detection2DArray))

    def rebuild(
        self, header: FrameHeader, report: TaskReport, parts: Mapping[str, Any]
    ) -> SceneResult:
        """See `ResultInlet.rebuild`."""
        return scene_from_messages(
            header, report, self._card, parts[names.SCENE], parts[names.SCENE_TILES]
        )


class DetectionInlet(ResultInlet[DetectionResult]):
    """Takes detections."""

    topics = ((names.DETECTIONS, Detection2DArray),)

    def rebuild(
        self, header: FrameHeader, report: TaskReport, parts: Mapping[str, Any]
    ) -> DetectionResult:
        """See `ResultInlet.rebuild`."""
        return detections_from_message(header, report, self._card, parts[names.DETECTIONS])


class SegmentationInlet(ResultInlet[SegmentationResult]):
    """Takes segmentation results."""

    topics = ((names.SEGMENTATION, Image), (names.CONFIDENCE, Image))

    def rebuild(
        self, header: FrameHeader, report: TaskReport, parts: Mapping[str, Any]
    ) -> SegmentationResult:
        """See `ResultInlet.rebuild`."""
        if not parts[names.SEGMENTATION].data:
            return SegmentationResult.empty(header, report, self._card)
        return SegmentationResult(
            header=header,
            report=report,
            classes=self._card.class_names,
            palette=palette(self._card),
            labels=mask_from_message(parts[names.SEGMENTATION]),
            confidence=mask_from_message(parts[names.CONFIDENCE]),
        )


class ChangeInlet(ResultInlet[ChangeResult]):
    """Takes changes."""

    topics = ((names.CHANGE_MASK, Image), (names.CHANGE_REGISTRATION, DiagnosticArray))

    def rebuild(
        self, header: FrameHeader, report: TaskReport, parts: Mapping[str, Any]
    ) -> ChangeResult:
        """See `ResultInlet.rebuild`."""
        return change_from_messages(
            header, report, parts[names.CHANGE_MASK], parts[names.CHANGE_REGISTRATION]
        )


RESULT_INLETS: Mapping[TaskName, type[ResultInlet[Any]]] = {
    'scene': SceneInlet,
    'detection': DetectionInlet,
    'segmentation': SegmentationInlet,
    'change': ChangeInlet,
}
