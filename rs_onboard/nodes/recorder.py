# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder node: what the graph publishes, kept around triggers or always.

A node of its own, because what it waits for is a disk: its callbacks only leave serialised messages
in a bounded queue, and with a process a node a disk that hangs takes nobody along.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from std_srvs.srv import Trigger as TriggerService

from rs_onboard.health.states import Finding
from rs_onboard.inference.card import load_card
from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes import names
from rs_onboard.nodes.lifecycle import PerceptionNode
from rs_onboard.nodes.locations import model_folder
from rs_onboard.nodes.message_definitions import message_definition
from rs_onboard.nodes.playback import message_class
from rs_onboard.nodes.record_topics import recorded_topics, remembered, subscription_qos
from rs_onboard.nodes.record_triggers import change_watch, class_limits, detection_watch
from rs_onboard.nodes.recorder_settings import RecorderSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.tf_static import static_frames_type
from rs_onboard.perception.worker import LONG_S, Counts
from rs_onboard.recording.compression import zstd_compressor
from rs_onboard.recording.disk_budget import MB, DiskBudget, DiskLimits
from rs_onboard.recording.intake import Intake
from rs_onboard.recording.ledger import Ledger
from rs_onboard.recording.recorder import Recorder
from rs_onboard.recording.records import ROS_DEPTH, Topic
from rs_onboard.recording.terms import RecordOptions, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_onboard.nodes.exchange import Exchange
    from rs_onboard.nodes.topics import TopicInfo


class RecorderNode(PerceptionNode):
    """Subscribes to what is to be recorded, serialised, and hands it to the recorder's thread."""

    settings_type = RecorderSettings
    settings: RecorderSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__('recorder', exchange, **arguments)
        self._ledger = Ledger()
        self._topics: tuple[TopicInfo, ...] = ()
        self._watches: dict[int, Callable[[bytes], Trigger | None]] = {}
        self._compress: Callable[[bytes], bytes] | None = None
        self._subscriptions_made: list[Any] = []
        self._recorder: Recorder | None = None
        self._intake: Intake | None = None
        self.create_service(TriggerService, names.RECORD_TRIGGER, self._on_trigger)

    def setup(self) -> None:
        """Check folder, triggers and compression."""
        settings = self.settings
        if settings.mode == 'never':
            raise FieldError(
                "parameter record.mode: found 'never'; a recorder needs 'events' or 'always'."
            )
        self._folder = Path(settings.folder).expanduser()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.exchange.watchdog.watch_disk(self._folder)
        self._topics = recorded_topics(settings)
        if any(item.topic == names.TF_STATIC for item in self._topics):
            static_frames_type()
        self._watches = self._make_watches()
        self._compress = None if settings.compression == 'none' else zstd_compressor()
        if settings.compression == 'zstd' and self._compress is None:
            raise FieldError(
                "parameter record.compression: found 'zstd' and no Python module for it; expected "
                "'none', or one installed (Debian and Ubuntu: python3-zstandard)."
            )

    def start(self) -> None:
        """Open the recorder and subscribe."""
        settings = self.settings
        disk = DiskBudget(
            self._folder,
            DiskLimits(settings.budget_mb * MB, settings.keep_free_percent, settings.keep_days),
        )
        options = RecordOptions(
            always=settings.mode == 'always',
            before_s=settings.before_s,
            after_s=settings.after_s,
            longest_s=settings.longest_s,
            ring_bytes=settings.ring_mb * MB,
            segment_bytes=settings.segment_mb * MB,
        )
        topics = [
            Topic(
                self.resolve_topic_name(item.topic),
                item.type_name,
                message_definition(item.type_name),
                latched=item.latched,
                depth=subscription_qos(item).depth if item.latched else ROS_DEPTH,
                remember=remembered(item),
            )
            for item in self._topics
        ]
        logger, complain = self.get_logger(), self.complain
        self._recorder = Recorder(
            options,
            topics,
            disk,
            self._ledger,
            compress=self._compress,
            note=logger.info,
            complain=complain,
        )
        self._intake = Intake(
            self._recorder,
            self._ledger,
            watches=self._watches,
            on_error=lambda exc: complain(f'messages not recorded: {exc!r}'),
        )
        self._intake.start()
        for channel, item in enumerate(self._topics, 1):
            self._subscriptions_made.append(
                self.create_subscription(
                    message_class(item.type_name),
                    item.topic,
                    self.guarded(self._taker(channel, self._intake)),
                    subscription_qos(item),
                    raw=True,
                )
            )

    def halt(self) -> None:
        """Take nothing more and close the file."""
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        self._subscriptions_made = []
        intake, self._intake = self._intake, None
        if intake is not None and not intake.stop():
            self.complain(f'{self._folder}: the disk hangs; the last recording has no index')

    def counts(self) -> Counts:
        """Return what became of the messages."""
        return Counts(*self._ledger.account())

    def values(self) -> dict[str, str]:
        """Return how recording is doing."""
        if self._recorder is None or self._intake is None:
            return {}
        status = self._recorder.status
        return {
            'recording': status.state,
            'file': str(status.path or ''),
            'ring_s': f'{status.ring_s:.1f}',
            'ring_mb': f'{status.ring_bytes / MB:.1f}',
            'triggers': str(status.triggers),
            'files': str(status.files),
            'written_mb': f'{status.written_bytes / MB:.1f}',
            'removed': str(status.removed),
            'compression': 'none' if self._compress is None else 'zstd',
        }

    def findings(self) -> list[Finding]:
        """Return what keeps messages from the disk, or would."""
        if self._recorder is None or self._intake is None:
            return []
        found = []
        busy_s = self._intake.busy_s()
        if busy_s > LONG_S:
            text = f'{self._folder}: the disk is busy with one write for {busy_s:.0f} s'
            found.append(Finding('disk_hangs', text))
        status = self._recorder.status
        if status.trouble:
            paused = status.state == 'paused'
            what = 'recording is paused' if paused else 'nothing could be recorded'
            found.append(
                Finding('recording_paused' if paused else 'no_room', f'{what}: {status.trouble}')
            )
        return found

    def _make_watches(self) -> dict[int, Callable[[bytes], Trigger | None]]:
        """Return what looks for triggers, by the channel it looks at."""
        settings, watches = self.settings, {}
        channels = {item.topic: channel for channel, item in enumerate(self._topics, 1)}
        card = None
        if 'detection' in settings.tasks and settings.classes.strip():
            card = load_card(model_folder(settings.detection_model))
        if limits := class_limits(settings, card):
            keep = 'detection' in settings.protect
            watches[channels[names.DETECTIONS]] = detection_watch(limits, keep=keep)
        if settings.change_score:
            if names.CHANGE_REGIONS not in channels:
                raise FieldError(
                    f'parameter record.change_score: found {settings.change_score:g} without the '
                    'task change; expected 0. Add change to tasks, or leave it at 0.'
                )
            keep = 'change' in settings.protect
            watch = change_watch(settings.change_score, keep=keep)
            watches[channels[names.CHANGE_REGIONS]] = watch
        return watches

    def _taker(self, channel: int, intake: Intake) -> Callable[[bytes], None]:
        clock = self.get_clock()

        def take(cdr: bytes) -> None:
            intake.put(channel, clock.now().nanoseconds, cdr)

        return take

    def _on_trigger(
        self, request: TriggerService.Request, response: TriggerService.Response
    ) -> TriggerService.Response:
        """Record the seconds around now; never waits for the disk."""
        del request
        intake, recorder = self._intake, self._recorder
        response.success = False
        if intake is None or recorder is None:
            response.message = f'the recorder is {self.state}; activate it first'
            return response
        trigger = Trigger('service', 'asked for', keep='service' in self.settings.protect)
        if trouble := recorder.status.trouble:
            response.message = trouble
        elif not intake.trigger(trigger, self.get_clock().now().nanoseconds):
            response.message = 'the queue of the recorder is full; its disk is too slow'
        else:
            response.success = True
            response.message = f'recording to {self._folder}'
        return response


def main() -> None:
    """Run the recorder in a process of its own."""
    run_node(RecorderNode)
