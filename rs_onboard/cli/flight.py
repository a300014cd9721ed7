# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded flight through the live graph: play, watch, record, report."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage

from rs_onboard.inference.card import load_card
from rs_onboard.nodes.image_messages import stamp_to_ns
from rs_onboard.nodes.locations import model_folder
from rs_onboard.nodes.model_node import ModelNode
from rs_onboard.nodes.playback import PlaybackNode, TapNode
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.start import bring_up, shut_down, spin, stop_on_signals
from rs_onboard.nodes.topics import all_topics
from rs_onboard.replay.errors import RunError
from rs_onboard.replay.player import Player, PlayOptions
from rs_onboard.replay.reader import Bag, BagMessage
from rs_onboard.replay.report import write_report
from rs_onboard.replay.summary import NodeCounts, RunSummary, summary_text
from rs_onboard.replay.topics import IMAGE_TYPES
from rs_onboard.replay.writer import BagWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rclpy.node import Node

    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.perception.results import FrameResults

# A frame that has no result after this time will not get one.
RESULT_TIMEOUT_S = 10.0

# Time for messages of one instant to arrive before those of the next are sent, when nothing else
# paces them.
SETTLE_S = 0.01

# Time for the last messages to be recorded.
SETTLE_END_S = 2.0


@dataclass(frozen=True)
class FlightOptions:
    """What is flown and how.

    Attributes:
        bag: The recorded flight.
        out: Folder for what comes out; emptied of an earlier run.
        rate: Speed; 1 is real time.
        fast: Whether each image waits for the result of the one before instead.
        loops: Rounds.
        pose_rate_hz: Poses interpolated between the recorded ones; 0 for none.
        overrides: Parameters of the nodes.
    """

    bag: Path
    out: Path
    rate: float = 1.0
    fast: bool = False
    loops: int = 1
    pose_rate_hz: float = 0.0
    overrides: Mapping[str, Any] = field(default_factory=dict)


class Flight:
    """One run of a recorded flight through the graph in this process."""

    def __init__(self, options: FlightOptions) -> None:
        self.options = options
        self._play_options = PlayOptions(
            rate=options.rate,
            fast=options.fast,
            loops=options.loops,
            pose_rate_hz=options.pose_rate_hz,
        )
        self._stop = stop_on_signals()
        self._arrived = threading.Condition()
        self._stamps: set[int] = set()
        self._sent = 0
        self._pictures: dict[int, bytes] = {}
        self._counts: list[NodeCounts] = []
        self._writer: BagWriter | None = None
        self._broken: OSError | None = None
        self._line = ProgressLine()

    def run(self) -> int:
        """Fly; returns the exit code: 0 with results, 1 without."""
        options = self.options
        with Bag(options.bag) as bag:
            prepare_folder(options.out)
            rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
            try:
                started = time.monotonic()
                cards = self._fly(bag)
                wall_s = time.monotonic() - started
            finally:
                rclpy.try_shutdown()
        summary = RunSummary(
            title=options.bag.name,
            records=read_records(options.out / 'results.jsonl'),
            pictures=self._pictures,
            nodes=self._counts,
            cards=cards,
            wall_s=wall_s,
            sent=self._sent,
            notes=self._notes(),
        )
        self._line.end()
        print(summary_text(summary))
        page = write_report(options.out / 'index.html', summary)
        for name in ('results.jsonl', 'results.geojson', 'results', 'pictures', page.name):
            print(f'  {options.out / name}')
        return 0 if summary.records else 1

    def _fly(self, bag: Bag) -> dict[TaskName, ModelCard]:
        nodes = make_nodes(self._overrides(bag.topics_of(IMAGE_TYPES)))
        playback = PlaybackNode()
        sim_time = [Parameter('use_sim_time', value=True)]
        tasks = tuple(node.task_name for node in nodes if isinstance(node, ModelNode))
        recorded = [topic for topic in all_topics(tasks) if topic.result]
        tap = TapNode(recorded, self._record, parameter_overrides=sim_time)
        everyone: list[Node] = [*nodes, playback, tap]
        with BagWriter(self.options.out / 'results', compressed=True) as self._writer:
            try:
                if not bring_up(nodes):
                    faults = '; '.join(f'{n.get_name()}: {n.fault}' for n in nodes if n.fault)
                    raise RunError(f'the graph did not start: {faults}')
                cards = {
                    node.task_name: load_card(model_folder(node.settings.model))
                    for node in nodes
                    if isinstance(node, ModelNode)
                }
                nodes[0].exchange.connect(nodes[0].resolve_topic_name('results'), self._on_results)
                player = threading.Thread(
                    target=self._play, args=(bag, playback, nodes), name='player', daemon=True
                )
                player.start()
                spin(everyone, until=self._stop)
                self._stop.set()
                player.join(RESULT_TIMEOUT_S)
                if self._broken is not None:
                    raise self._broken
            finally:
                wait_until(lambda: not any(node_counts(n).waiting for n in nodes), SETTLE_END_S)
                self._counts = [node_counts(node) for node in nodes]
                shut_down(nodes)
                playback.destroy_node()
                tap.destroy_node()
        return cards

    def _overrides(self, image_topics: list[str]) -> dict[str, Any]:
        values: dict[str, Any] = {
            'use_sim_time': True,
            'results_dir': str(self.options.out),
            **self.options.overrides,
        }
        if image_topics and 'image_topic' not in self.options.overrides:
            topic = image_topics[0]
            values['image_topic'] = topic.removesuffix('/compressed')
            compressed = topic.endswith('/compressed')
            values['image_transport'] = 'compressed' if compressed else 'raw'
        return values

    def _play(self, bag: Bag, playback: PlaybackNode, nodes: list[PerceptionNode]) -> None:
        try:
            playback.prepare({t: s.type_name for t, s in bag.topics.items() if not s.problem})
            wait_until(playback.connected, 2.0)
            player = Player(bag, self._play_options, stop=self._stop)
            player.play(lambda message: self._send(message, playback, nodes))
            self._await_results()
            # The pictures are published after the results are handed over.
            wait_until(lambda: len(self._pictures) >= len(self._stamps), SETTLE_END_S)
        except Exception as exc:  # noqa: BLE001  (said to the user; the run then ends)
            self._line.end()
            print(f'rs_onboard: error: {exc}', file=sys.stderr)
        finally:
            self._stop.set()

    def _send(
        self, message: BagMessage, playback: PlaybackNode, nodes: list[PerceptionNode]
    ) -> None:
        fast = self.options.fast
        is_image = message.type_name in IMAGE_TYPES
        if fast and is_image:
            self._await_results()
        if playback.set_time(message.log_time_ns) and fast:
            self._stop.wait(SETTLE_S)
        if fast and is_image:
            # Poses of the same instant go first in the bag; give them time to arrive first.
            self._stop.wait(SETTLE_S)
        playback.publish(message.topic, message.cdr)
        self._sent += is_image
        self._line.show(self._sent, len(self._stamps), nodes)

    def _await_results(self) -> None:
        with self._arrived:
            self._arrived.wait_for(
                lambda: len(self._stamps) >= self._sent or self._stop.is_set(), RESULT_TIMEOUT_S
            )

    def _on_results(self, results: FrameResults) -> None:
        with self._arrived:
            self._stamps.add(results.header.stamp_ns)
            self._line.latest = results
            self._arrived.notify_all()

    def _record(self, topic: str, type_name: str, cdr: bytes, now_ns: int) -> None:
        if self._broken is not None:
            return
        try:
            self._save(topic, type_name, cdr, now_ns)
        except OSError as exc:
            # A full disk, say: a demonstration without its files is none.
            self._broken = exc
            self._stop.set()

    def _save(self, topic: str, type_name: str, cdr: bytes, now_ns: int) -> None:
        assert self._writer is not None
        self._writer.write(topic, type_name, cdr, now_ns)
        if type_name == 'sensor_msgs/msg/CompressedImage':
            message = deserialize_message(cdr, CompressedImage)
            stamp_ns = stamp_to_ns(message.header.stamp)
            self._pictures[stamp_ns] = bytes(message.data)
            name = f'{stamp_ns}.jpg'
            (self.options.out / 'pictures' / name).write_bytes(self._pictures[stamp_ns])

    def _notes(self) -> list[str]:
        notes = []
        if self.options.pose_rate_hz:
            notes.append(
                f'poses between the recorded ones are interpolated at '
                f'{self.options.pose_rate_hz:g} Hz'
            )
        if self.options.loops > 1:
            notes.append(f'the flight was played {self.options.loops} times, time going on')
        return notes


class ProgressLine:
    """One line on a terminal that says how the run is doing."""

    def __init__(self) -> None:
        self.latest: FrameResults | None = None
        self._started = time.monotonic()
        self._shown = 0.0
        self._live = sys.stdout.isatty()
        self._open = False

    def show(self, sent: int, done: int, nodes: list[PerceptionNode]) -> None:
        """Write the line, a few times a second."""
        now = time.monotonic()
        if now - self._shown < (0.2 if self._live else 5.0):
            return
        self._shown = now
        drops: Counter[str] = Counter()
        for node in nodes:
            counts = node.counts()
            for name, number in (counts.dropped if counts else {}).items():
                drops[f'{node.get_name()} {name}'] += number
        parts = [f'{now - self._started:5.1f} s', f'{sent} in, {done} out']
        if self.latest is not None and self.latest.latency_ms is not None:
            parts.append(f'frame {self.latest.latency_ms:.0f} ms')
            for task, result in self.latest.results.items():
                infer = (result.report.latency_ms or {}).get('infer')
                parts.append(
                    f'{task} {infer:.0f} ms' if infer else f'{task} {result.report.status}'
                )
        parts.append(f'drops {dict(drops)}' if drops else 'no drops')
        text = ' | '.join(parts)
        print(f'\r\x1b[K{text}' if self._live else text, end='' if self._live else '\n', flush=True)
        self._open = self._live

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            print()
            self._open = False


def prepare_folder(out: Path) -> None:
    """Make the output folder, without what an earlier run left in it."""
    for name in ('results', 'pictures'):
        shutil.rmtree(out / name, ignore_errors=True)
    for path in out.glob('results*json*'):
        path.unlink()
    (out / 'pictures').mkdir(parents=True)


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the records of a run."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def node_counts(node: PerceptionNode) -> NodeCounts:
    """Return the counters of a node."""
    counts = node.counts()
    if counts is None:
        return NodeCounts(node.get_name(), 0, 0, {}, 0)
    return NodeCounts(node.get_name(), counts.received, counts.done, counts.dropped, counts.waiting)


def wait_until(condition: Any, timeout_s: float) -> bool:
    """Wait for a condition, looking a hundred times a second."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
