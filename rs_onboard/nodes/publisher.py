# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The publisher node: collects the results of a frame; overlay, GeoJSON, files."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from rs_onboard.health.states import Finding
from rs_onboard.inference.card import ModelCard, load_card
from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import Outlet, Writer
from rs_onboard.nodes.foxglove_messages import foxglove_writers
from rs_onboard.nodes.frame_source import Arrival, FrameSource
from rs_onboard.nodes.ground_station import GroundStation
from rs_onboard.nodes.latency import LatencyMonitor
from rs_onboard.nodes.lifecycle import PerceptionNode
from rs_onboard.nodes.locations import model_folder
from rs_onboard.nodes.machine_status import MachineStatus
from rs_onboard.nodes.overlay_message import overlay_message
from rs_onboard.nodes.result_inlets import RESULT_INLETS, ChangeInlet, ResultInlet
from rs_onboard.nodes.settings import PublisherSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.join import Joined, StampJoin
from rs_onboard.perception.result_files import ResultFiles
from rs_onboard.perception.results import RESULT_TYPES, ChangeResult, TaskReport
from rs_onboard.perception.worker import Counts, Worker

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus

    from rs_onboard.inference.card import TaskName
    from rs_onboard.nodes.exchange import Exchange
    from rs_onboard.perception.frame import Frame, FrameHeader
    from rs_onboard.perception.results import TaskResult

FRAME_PART = 'frame'


class PublisherNode(PerceptionNode):
    """Joins all results of a frame and publishes what is made of them together."""

    settings_type = PublisherSettings
    settings: PublisherSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__('publisher', exchange, **arguments)
        self._worker: Worker[Joined[Any]] = Worker('publisher', self._work, on_error=self.lost)
        # Images are decoded here only where no tiler in this process hands frames over.
        self._decoder: Worker[Arrival] = Worker(
            'publisher-frames', self._decode, on_error=self.lost
        )
        # Changes come late by design, so no frame waits for them: they are published alone.
        self._changes: Worker[ChangeResult] = Worker(
            'publisher-changes',
            self._publish_changes,
            on_error=self.lost,
        )
        self._cards: dict[TaskName, ModelCard] = {}
        self._inlets: list[ResultInlet[Any]] = []
        self._outlet: Outlet[FrameResults] | None = None
        self._pictures: Outlet[FrameResults] | None = None
        self._files_lock = threading.Lock()
        self._files: ResultFiles | None = None
        self._file_fault = ''
        self._unwritten = 0
        self._source: FrameSource | None = None
        self._expiry: Any = None
        name, logger = self.get_fully_qualified_name().lstrip('/'), self.get_logger()
        news = self.exchange.watchdog.news
        self._latency = LatencyMonitor(name, logger, news)
        self._machine = MachineStatus(name, logger, news)
        self._ground: GroundStation | None = None

    def setup(self) -> None:
        """Read the cards, open the result files."""
        tasks: list[TaskName] = [t for t in RESULT_TYPES if t in self.settings.tasks]
        self._cards = {
            task: load_card(model_folder(getattr(self.settings, f'{task}_model'))) for task in tasks
        }
        self._join: StampJoin[Any] = StampJoin((FRAME_PART, *tasks))
        if self.settings.results_dir:
            folder = Path(self.settings.results_dir).expanduser()
            self._files = ResultFiles(folder)
            self.exchange.watchdog.watch_disk(folder)
        self._ground = GroundStation(
            self,
            self.settings.onboard_status_topic,
            self.settings.status_text_topic,
            self.settings.onboard_component,
        )
        self._outlet = Outlet(
            self,
            self.exchange,
            names.RESULTS,
            (
                Writer(names.GEOJSON, String, lambda r: String(data=json.dumps(r.collection))),
                *foxglove_writers(),
            ),
        )
        self._pictures = Outlet(
            self,
            self.exchange,
            names.OVERLAY,
            (Writer(names.OVERLAY, CompressedImage, self._overlay),),
        )

    def start(self) -> None:
        """Take frames and results, by reference where their nodes are in this process."""
        self._worker.start()
        self._changes.start()
        if not self.exchange.connect(self.resolve_topic_name(names.FRAMES), self._on_frame):
            self._source = FrameSource(self, self.settings, self._decoder.mailbox.put)
            self._decoder.start()
            self._source.start()
        for task, card in self._cards.items():
            inlet = RESULT_INLETS[task](self, task, card, self._on_result)
            inlet.start()
            self._inlets.append(inlet)
            self.exchange.connect(self._skipped(task), self._on_skipped)
        if 'change' in self.settings.tasks:
            card = load_card(model_folder(self.settings.change_model))
            changes = ChangeInlet(self, 'change', card, self._on_change)
            changes.start()
            self._inlets.append(changes)
        self._expiry = self.create_timer(0.1, self.guarded(self._expire), clock=self.steady_clock)

    def halt(self) -> None:
        """Take nothing more."""
        self._latency.clear()
        self.exchange.disconnect(self.resolve_topic_name(names.FRAMES), self._on_frame)
        if self._source is not None:
            self._source.stop()
            self._decoder.stop()
            self._source = None
        for inlet in self._inlets:
            inlet.stop()
        self._inlets = []
        for task in self._cards:
            self.exchange.disconnect(self._skipped(task), self._on_skipped)
        if self._expiry is not None:
            self.destroy_timer(self._expiry)
            self._expiry = None
        if not (self._worker.stop() and self._changes.stop()):
            self.complain('hangs in a frame; left behind')

    def release(self) -> None:
        """Close files and publishers."""
        for outlet in (self._outlet, self._pictures):
            if outlet is not None:
                outlet.close()
        self._outlet = self._pictures = None
        if self._ground is not None:
            self._ground.close()
            self._ground = None
        if self._files is not None:
            self._files.close()
            self._files = None
        self._file_fault = ''

    def counts(self) -> Counts:
        """Return what became of the frames whose results were joined, and of changes."""
        joined, changes = (w.mailbox.counts() for w in (self._worker, self._changes))
        return Counts(
            joined.received + changes.received,
            joined.done + changes.done,
            dict(Counter(joined.dropped) + Counter(changes.dropped)),
            joined.waiting + changes.waiting,
        )

    def values(self) -> dict[str, str]:
        """Return how the images and the result files are doing."""
        values = {}
        if self._source is not None:
            values = self._source.values()
            # Of the images themselves; the node's own counters are those of joined results.
            for name, number in self._decoder.mailbox.counts().dropped.items():
                values[f'frames_dropped.{name}'] = str(number)
        if self.settings.results_dir:
            values['frames_not_written'] = str(self._unwritten)
        return values

    def findings(self) -> list[Finding]:
        """See `PerceptionNode.findings`."""
        found = [Finding('results_not_written', self._file_fault)] if self._file_fault else []
        return found + (self._source.findings() if self._source is not None else [])

    def workers(self) -> list[Worker[Any]]:
        """See `PerceptionNode.workers`."""
        return [self._worker, self._decoder, self._changes]

    def watch(self, now_s: float, awake_since_s: float) -> None:
        """Judge the latency and the machine, whatever arrives."""
        del now_s, awake_since_s
        self._latency.judge(self.settings, self._join.waiting_s())
        self._machine.judge(self.exchange.watchdog.verdict, self.settings.health_hold_s)

    def entries(self) -> list[DiagnosticStatus]:
        """Return the latency and the machine; tell the ground station."""
        watchdog = self.exchange.watchdog
        if self._ground is not None:
            stamp = self.get_clock().now().to_msg()
            self._ground.send(watchdog.readings, stamp)
            self._ground.tell(watchdog.news, stamp)
        return [
            self._latency.entry(),
            self._machine.entry(watchdog.readings, watchdog.verdict),
        ]

    def _on_frame(self, frame: Frame) -> None:
        self._add(frame.header.stamp_ns, FRAME_PART, frame)

    def _on_result(self, task: TaskName, result: TaskResult) -> None:
        self._add(result.header.stamp_ns, task, result)

    def _on_change(self, task: TaskName, result: TaskResult) -> None:
        del task
        if isinstance(result, ChangeResult):
            self._changes.mailbox.put(result)

    def _on_skipped(self, stamp_ns: int) -> None:
        if self._join.drop(stamp_ns):
            self._worker.mailbox.refuse('replaced_by_newer')

    def _skipped(self, task: TaskName) -> str:
        return str(self.resolve_topic_name(names.skipped(task)))

    def _add(self, stamp_ns: int, part: str, item: object) -> None:
        for joined in self._join.add(stamp_ns, part, item):
            self._worker.mailbox.put(joined)

    def _expire(self) -> None:
        for joined in self._join.expire(self.settings.join_timeout_s):
            self._worker.mailbox.put(joined)

    def _decode(self, arrival: Arrival) -> str | None:
        assert self._source is not None
        frame = self._source.frame(arrival)
        if isinstance(frame, str):
            return frame
        self._on_frame(frame)
        return None

    def _work(self, joined: Joined[Any]) -> str | None:
        results = self._collect(joined)
        assert self._outlet is not None
        assert self._pictures is not None
        missing = [task for task in self._cards if task not in joined.parts]
        self._latency.take(results, missing, self.get_clock().now().nanoseconds)
        try:
            self._pictures.send(results)
            self._outlet.send(results)
        finally:
            self._keep(results)
        return None

    def _publish_changes(self, result: ChangeResult) -> str | None:
        header = result.header
        results = FrameResults(header, None, {'change': result}, _age_ms(header.received_ns))
        outlet = self._outlet
        if outlet is None:
            return 'inactive'
        try:
            outlet.send(results)
        finally:
            self._keep(results)
        return None

    def _keep(self, results: FrameResults) -> None:
        """Write the result files; a disk that refuses ends nothing else."""
        if self._files is None:
            return
        try:
            with self._files_lock:
                self._files.write(results)
        except OSError as exc:
            self._unwritten += 1
            if not self._file_fault:
                self.get_logger().error(
                    f'results_dir {self.settings.results_dir}: {exc}. Results are published all '
                    'the same; files are tried again with every frame. Make room on the disk.'
                )
            self._file_fault = f'results_dir: {exc}; {self._unwritten} frames not written'
            return
        if self._file_fault:
            self._file_fault = ''
            self.get_logger().info(
                f'results_dir {self.settings.results_dir}: written to again; {self._unwritten} '
                'frames are missing'
            )

    def _collect(self, joined: Joined[Any]) -> FrameResults:
        frame: Frame | None = joined.parts.get(FRAME_PART)
        found = {task: joined.parts[task] for task in self._cards if task in joined.parts}
        header: FrameHeader = next(iter(joined.parts.values())).header
        if frame is not None:
            header = frame.header
        reason = 'no result arrived; the {} node dropped the frame or is not running'
        for task, card in self._cards.items():
            if task not in found:
                report = TaskReport(task, 'skipped', reason.format(task))
                found[task] = RESULT_TYPES[task].empty(header, report, card)
        ordered = {task: found[task] for task in self._cards}
        latency_ms = _age_ms(header.received_ns)
        return FrameResults(header, frame, ordered, latency_ms, polygons=self.settings.polygons)

    def _overlay(self, results: FrameResults) -> CompressedImage:
        settings = self.settings
        return overlay_message(
            results, width=settings.overlay_width, quality=settings.overlay_quality
        )


def _age_ms(received_ns: int) -> float | None:
    """Return how long ago something arrived on the steady clock [ms], None where nobody knows."""
    return (time.perf_counter_ns() - received_ns) / 1e6 if received_ns else None


def main() -> None:
    """Run the publisher in a process of its own."""
    run_node(PublisherNode)
