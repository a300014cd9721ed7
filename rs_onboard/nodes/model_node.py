# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What all nodes that run a model share: the model, a worker, results out, what they are worth."""

from __future__ import annotations

import dataclasses
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from vision_msgs.msg import LabelInfo

from rs_onboard.health.states import Finding, State
from rs_onboard.inference.failover import Failover
from rs_onboard.inference.runtime import available_providers
from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import LATCHED_QOS, Outlet, Writer
from rs_onboard.nodes.lifecycle import PerceptionNode
from rs_onboard.nodes.model_loading import load_task_model, runtime_settings
from rs_onboard.nodes.model_recovery import Recovery
from rs_onboard.nodes.result_messages import label_info_message
from rs_onboard.nodes.result_topics import RESULT_TOPICS, report_topic
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.results import TaskResult
from rs_onboard.perception.worker import Counts, Hand, Worker

if TYPE_CHECKING:
    from rs_onboard.inference.card import TaskName
    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.exchange import Exchange
    from rs_onboard.nodes.model_settings import ModelSettings
    from rs_onboard.perception.task import ModelTask

# What becomes of the late answer of a call that was given up; its frame is counted already.
GIVEN_UP = 'given_up'

# A model whose frames all fail for longer than this counts as failed.
FAILING_S = 5.0

A = TypeVar('A')
R = TypeVar('R', bound=TaskResult)


class ModelNode(PerceptionNode, Generic[A, R]):
    """Runs one task on one model; `A` is what arrives at it, `R` its result.

    A call of the model that hangs is given up by the watchdog: the frame gets a result that says
    so, a new thread takes the next ones, and the model is loaded anew (see `Recovery`).
    """

    task_name: ClassVar[TaskName]
    settings: ModelSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(self.task_name, exchange, **arguments)
        self._worker: Worker[A] = Worker(
            self.task_name,
            self._work,
            on_error=self.lost,
        )
        self._task: ModelTask[R] | None = None
        self._outlet: Outlet[R] | None = None
        self._labels: Any = None
        self._failed = ''
        self._failing_since_s = 0.0
        self._task_hangs = False
        self._recovery: Recovery[ModelTask[R]] | None = None
        self._answers = 0

    @abstractmethod
    def make_task(self, model: Model) -> ModelTask[R]:
        """Make the task of a verified model."""

    @abstractmethod
    def connect_inputs(self) -> None:
        """Begin to take what the task works on, by reference where its node is in this process."""

    @abstractmethod
    def disconnect_inputs(self) -> None:
        """Undo `connect_inputs`."""

    @abstractmethod
    def _work(self, arrival: A) -> str | None:
        """Run the task on an arrival; returns the name of the drop where there is no result."""

    @abstractmethod
    def header_of(self, arrival: A) -> FrameHeader:
        """Return the header of the image that an arrival is about."""

    def setup(self) -> None:
        """Load and verify the model; see what it says; prepare its topics."""
        task = self.load_task(self.settings)
        model = task.model
        self._task = task
        self._task_hangs = False
        runtime = runtime_settings(self.settings)
        failover = Failover(runtime, model.runtime.provider, available_providers())
        self._recovery = Recovery(failover, self._load_on)
        topics = (*RESULT_TOPICS[self.task_name], report_topic(self.task_name))
        self._outlet = Outlet(
            self, self.exchange, self.task_name, [Writer(*topic) for topic in topics]
        )
        self._labels = self.create_publisher(LabelInfo, names.labels(self.task_name), LATCHED_QOS)
        now = FrameHeader(self.get_clock().now().nanoseconds, '', 0, 0, 0)
        self._labels.publish(label_info_message(model.card, now))
        self._announce(model)

    def load_task(self, settings: ModelSettings) -> ModelTask[R]:
        """Load and verify the model; run it once, so that the first frame finds it warm.

        Called in other threads too, to replace a model that hangs.

        Args:
            settings: The parameters of the node, perhaps with another provider.
        """
        model = load_task_model(settings, self.task_name, self.progress)
        task = self.make_task(model)
        task.warm_up()
        return task

    def _load_on(self, provider: str) -> ModelTask[R]:
        return self.load_task(dataclasses.replace(self.settings, provider=provider))

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

    def workers(self) -> list[Worker[Any]]:
        """See `PerceptionNode.workers`."""
        return [self._worker]

    def watch(self, now_s: float, awake_since_s: float) -> None:
        """Give up a call of the model that takes too long, and bring the model back."""
        task, recovery = self._task, self._recovery
        if task is None or recovery is None:
            return
        hand, since_ns = self._worker.hand(), task.calls.since_ns()
        limit_s = self.settings.inference_timeout_ms / 1e3
        if hand is not None and since_ns and limit_s:
            # On Linux both clocks are CLOCK_MONOTONIC.
            waited_s = now_s - max(since_ns / 1e9, awake_since_s)
            if waited_s > limit_s:
                self._give_up(hand, task, recovery, now_s)
        provider = task.identity.provider
        answers = self._worker.mailbox.counts().done
        if answers > self._answers:
            recovery.answered(provider, now_s)
        self._answers = answers
        fresh = recovery.step(provider, self._worker.hanging(), now_s)
        if fresh is not None:
            fresh.take_over(task)
            self._task, self._failed = fresh, ''
            self.get_logger().info(f'the model runs anew, on {fresh.identity.provider}')

    def _give_up(
        self, hand: Hand[A], task: ModelTask[R], recovery: Recovery[ModelTask[R]], now_s: float
    ) -> None:
        provider = task.identity.provider
        reason = (
            f'inference on {provider} took longer than inference_timeout_ms '
            f'({self.settings.inference_timeout_ms} ms) and was given up'
        )

        def answer(arrival: A) -> None:
            outlet = self._outlet
            if outlet is not None:
                outlet.send(task.without_result(self.header_of(arrival), 'failed', reason))

        if self._worker.abandon(hand, 'inference_timeout', answer):
            task.calls.give_up(reason)
            recovery.hung(provider, reason, now_s)

    def must_restart(self) -> str:
        """See `Watched.must_restart`."""
        recovery = self._recovery
        stuck = '' if recovery is None else recovery.must_restart(self._worker.hanging())
        return stuck or super().must_restart()

    def values(self) -> dict[str, str]:
        """Return the model and its provider."""
        task = self._task
        if task is None:
            return {}
        identity = task.identity
        return {
            'model': identity.name,
            'sha256': identity.sha256,
            'variant': identity.variant,
            'provider': identity.provider,
            'placement': task.model.runtime.placement,
            'trained': str(identity.trained).lower(),
            'signed_by': task.model.signed_by,
            'busy_s': f'{self._worker.busy_s():.2f}',
            'given_up': str(self._worker.abandoned),
            'hanging': str(self._worker.hanging()),
        }

    def findings(self) -> list[Finding]:
        """Return what is wrong with the model, its provider and its last results."""
        task, recovery, now_s = self._task, self._recovery, time.monotonic()
        if task is None or recovery is None:
            return []
        identity, found = task.identity, []
        hung = recovery.finding(identity.provider, self._worker.hanging(), now_s)
        if hung is not None:
            found.append(hung)
        elif task.model.runtime.notice:
            found.append(Finding('provider_fallback', task.model.runtime.notice))
        if self._failed and not recovery.down:
            lasting = now_s - self._failing_since_s > FAILING_S
            state = State.FAILED if lasting else State.DEGRADED
            found.append(Finding('inference_failed', self._failed, state))
        if not identity.trained:
            text = f'model {identity.name} is untrained: its results mean nothing'
            found.append(Finding('untrained', text))
        return found

    def send(self, result: R, waited_ms: float) -> str | None:
        """Send a result out; returns the name of the drop where it went nowhere or failed."""
        latency = {'wait': waited_ms, **(result.report.latency_ms or {})}
        report = dataclasses.replace(result.report, latency_ms=latency)
        outlet = self._outlet
        if outlet is None:
            # It took so long that the node was cleaned up meanwhile.
            return 'inactive'
        if not self._worker.claim():
            return GIVEN_UP
        outlet.send(dataclasses.replace(result, report=report))
        failed = report.reason if report.status == 'failed' else ''
        if failed and not self._failed:
            self._failing_since_s = time.monotonic()
        self._failed = failed
        if failed:
            if self._recovery is None or not self._recovery.down:
                self.incident('inference_failed', failed)
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
