# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What all nodes that run a model share: the model, a worker, results out, what they are worth."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from vision_msgs.msg import LabelInfo

from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import LATCHED_QOS, Outlet, Writer
from rs_onboard.nodes.lifecycle import PerceptionNode
from rs_onboard.nodes.model_loading import load_task_model
from rs_onboard.nodes.result_messages import label_info_message, report_message
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.results import TaskResult
from rs_onboard.perception.worker import Counts, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.exchange import Exchange
    from rs_onboard.nodes.model_settings import ModelSettings
    from rs_onboard.perception.task import ModelTask

A = TypeVar('A')
R = TypeVar('R', bound=TaskResult)


class ModelNode(PerceptionNode, Generic[A, R]):
    """Runs one task on one model; `A` is what arrives at it, `R` its result."""

    task_name: ClassVar[TaskName]
    settings: ModelSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(self.task_name, exchange, **arguments)
        self._worker: Worker[A] = Worker(
            self.task_name,
            self._work,
            on_error=lambda exc: self.complain(f'frame lost: {exc!r}'),
        )
        self._task: ModelTask[R] | None = None
        self._outlet: Outlet[R] | None = None
        self._labels: Any = None
        self._failed = ''
        self._task_hangs = False

    @abstractmethod
    def make_task(self, model: Model) -> ModelTask[R]:
        """Make the task of a verified model."""

    @abstractmethod
    def result_writers(self) -> Sequence[Writer[R]]:
        """Return the topics of a result, without its report."""

    @abstractmethod
    def connect_inputs(self) -> None:
        """Begin to take what the task works on, by reference where its node is in this process."""

    @abstractmethod
    def disconnect_inputs(self) -> None:
        """Undo `connect_inputs`."""

    @abstractmethod
    def _work(self, arrival: A) -> str | None:
        """Run the task on an arrival; returns the name of the drop where there is no result."""

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
        self._outlet = Outlet(self, self.exchange, self.task_name, [*self.result_writers(), report])
        self._labels = self.create_publisher(LabelInfo, names.labels(self.task_name), LATCHED_QOS)
        now = FrameHeader(self.get_clock().now().nanoseconds, '', 0, 0, 0)
        self._labels.publish(label_info_message(model.card, now))
        self._announce(model)

    def start(self) -> None:
        """Begin to work.

        Raises:
            TaskError: The model still hangs in an earlier frame.
        """
        if self._task_hangs and self._worker.hangs():
            raise TaskError(
                'the model still hangs in a frame from before; expected it free. Clean up and '
                'configure the node, which loads the model anew.'
            )
        self._worker.start()
        self.connect_inputs()

    def halt(self) -> None:
        """Take nothing more."""
        self.disconnect_inputs()
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
        """Return what became of the arrivals."""
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

    def send(self, result: R, waited_ms: float) -> str | None:
        """Send a result out; returns the name of the drop where it went nowhere or failed."""
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
