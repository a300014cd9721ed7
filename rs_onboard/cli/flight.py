# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded flight through the live graph: play, watch, record, report."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage

from rs_onboard.cli.live_line import ProgressLine
from rs_onboard.cli.replay.finish import end_run
from rs_onboard.cli.replay.flight_run import topics_for
from rs_onboard.cli.replay.run_writer import (
    COMPARED,
    PICTURES,
    RESULTS_BAG,
    part_timings,
    prepare_folder,
)
from rs_onboard.inference.card import load_card
from rs_onboard.nodes import names
from rs_onboard.nodes.image_messages import stamp_to_ns
from rs_onboard.nodes.locations import model_folder
from rs_onboard.nodes.model_node import ModelNode
from rs_onboard.nodes.playback import PlaybackNode, TapNode
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.publisher import PublisherNode
from rs_onboard.nodes.start import bring_up, shut_down, spin, stop_on_signals
from rs_onboard.nodes.topics import all_topics
from rs_onboard.replay.alarms import Alarms
from rs_onboard.replay.errors import RunError
from rs_onboard.replay.flights import flight_name
from rs_onboard.replay.player import Player, PlayOptions
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.summary import NodeCounts, summary_text
from rs_onboard.replay.topic_choice import COMPRESSED, TopicChoice
from rs_onboard.replay.writer import BagWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rclpy.node import Node

    from rs_onboard.cli.replay.finish import Ended
    from rs_onboard.inference.card import ModelCard, TaskName
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.perception.frame_results import FrameResults
    from rs_onboard.replay.alarms import Level
    from rs_onboard.replay.reader import BagMessage

# A frame that has no result after this time will not get one.
RESULT_TIMEOUT_S = 10.0

# Time for messages of one instant to arrive before those of the next are sent, when nothing else
# paces them.
SETTLE_S = 0.01

# How long to wait for a result before the drops are looked at again.
LOOK_S = 0.05

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
        by_reference: Whether the nodes hand frames over, or exchange messages alone.
    """

    bag: Path
    out: Path
    rate: float = 1.0
    fast: bool = False
    loops: int = 1
    pose_rate_hz: float = 0.0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    by_reference: bool = True


class Flight:
    """One run of a recorded flight through the graph in this process."""

    def __init__(self, options: FlightOptions) -> None:
        self.options = options
        # Numbers out of range are refused before anything is emptied or started.
        self._play_options = PlayOptions(
            rate=options.rate,
            fast=options.fast,
            loops=options.loops,
            pose_rate_hz=options.pose_rate_hz,
        )
        self._alarms = Alarms()
        self._choice = TopicChoice('', {}, {}, ())
        self._stop = stop_on_signals()
        self._arrived = threading.Condition()
        self._stamps: set[int] = set()
        self._sent = 0
        self._pictures = 0
        self._counts: list[NodeCounts] = []
        self._writer: BagWriter | None = None
        self._broken: OSError | None = None
        self._line = ProgressLine()

    def run(self) -> Ended:
        """Fly.

        Raises:
            BagError: The bag cannot be opened, or holds no images.
            RunError: The graph does not start.
            OSError: What comes out cannot be written.
        """
        options = self.options
        with Bag(options.bag) as bag:
            self._choice = topics_for(bag, options.overrides)
            prepare_folder(options.out)
            rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
            try:
                started = time.monotonic()
                cards = self._fly(bag)
                wall_s = time.monotonic() - started
            finally:
                rclpy.try_shutdown()
            self._line.end()
            return end_run(
                options.out,
                bag,
                title=flight_name(options.bag),
                parameters=options.overrides,
                records=part_timings(options.out),
                nodes=self._counts,
                cards=cards,
                images=self._sent,
                wall_s=wall_s,
                notes=self._notes(),
                alarms=self._alarms,
            )

    def _fly(self, bag: Bag) -> dict[TaskName, ModelCard]:
        values = {
            **self.options.overrides,
            **self._choice.values,
            'use_sim_time': True,
            'results_dir': str(self.options.out),
        }
        nodes = make_nodes(values, by_reference=self.options.by_reference)
        publisher = next(node for node in nodes if isinstance(node, PublisherNode))
        playback = PlaybackNode()
        sim_time = [Parameter('use_sim_time', value=True)]
        tasks = tuple(node.task_name for node in nodes if isinstance(node, ModelNode))
        recorded = [topic for topic in all_topics(tasks) if topic.result]
        tap = TapNode(recorded, self._record, parameter_overrides=sim_time)
        everyone: list[Node] = [*nodes, playback, tap]
        with BagWriter(self.options.out / RESULTS_BAG, compressed=True) as self._writer:
            try:
                if not bring_up(nodes):
                    faults = '; '.join(f'{n.get_name()}: {n.fault}' for n in nodes if n.fault)
                    raise RunError(f'the graph did not start: {faults}')
                cards = {
                    node.task_name: load_card(model_folder(node.settings.model))
                    for node in nodes
                    if isinstance(node, ModelNode)
                }
                channel = publisher.resolve_topic_name('results')
                publisher.exchange.connect(channel, self._on_results)
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

    def _play(self, bag: Bag, playback: PlaybackNode, nodes: list[PerceptionNode]) -> None:
        try:
            topics = [self._choice.image, *self._choice.topics.values()]
            playback.prepare({self._renamed(t): bag.topics[t].type_name for t in topics})
            wait_until(playback.connected, 2.0)
            options = replace(self._play_options, topics=tuple(topics))
            player = Player(bag, options, stop=self._stop)
            player.play(lambda message: self._send(message, playback, nodes))
            self._await_results(nodes)
            # The pictures are published after the results are handed over.
            wait_until(lambda: self._pictures >= len(self._stamps), SETTLE_END_S)
        except Exception as exc:  # noqa: BLE001  (said to the user; the run then ends)
            self._line.end()
            print(f'rs_onboard: error: {exc}', file=sys.stderr)
        finally:
            self._stop.set()

    def _send(
        self, message: BagMessage, playback: PlaybackNode, nodes: list[PerceptionNode]
    ) -> None:
        fast = self.options.fast
        is_image = message.topic == self._choice.image
        if fast and is_image:
            self._await_results(nodes)
        if playback.set_time(message.log_time_ns) and fast:
            self._stop.wait(SETTLE_S)
        if fast and is_image:
            # Poses of the same instant go first in the bag; give them time to arrive first.
            self._stop.wait(SETTLE_S)
        playback.publish(self._renamed(message.topic), message.cdr)
        self._sent += is_image
        self._line.show(self._sent, len(self._stamps), nodes)

    def _await_results(self, nodes: list[PerceptionNode]) -> None:
        """Wait until every image sent has a result or is a drop of the tiler, and nobody works."""
        tiler = next(node for node in nodes if node.get_name() == 'tiler')
        end = time.monotonic() + RESULT_TIMEOUT_S
        while not self._stop.is_set() and time.monotonic() < end:
            with self._arrived:
                lost = sum(node_counts(tiler).dropped.values())
                working = any(node_counts(node).waiting for node in nodes)
                if len(self._stamps) + lost >= self._sent and not working:
                    return
                self._arrived.wait(LOOK_S)

    def _renamed(self, topic: str) -> str:
        """Return the topic that the nodes take a topic of the bag on."""
        if topic != self._choice.image or self._choice.values['image_transport'] == 'raw':
            return topic
        return self._choice.values['image_topic'] + COMPRESSED

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
        if topic.endswith(f'/{names.OVERLAY}'):
            message = deserialize_message(cdr, CompressedImage)
            compared = topic.endswith(names.CHANGE_OVERLAY)
            name = f'{stamp_to_ns(message.header.stamp)}{COMPARED if compared else ""}.jpg'
            (self.options.out / PICTURES / name).write_bytes(bytes(message.data))
            self._pictures += not compared
        elif topic == names.DIAGNOSTICS and self._sent:
            for status in deserialize_message(cdr, DiagnosticArray).status:
                if status.level >= DiagnosticStatus.WARN:
                    level: Level = 'warn' if status.level == DiagnosticStatus.WARN else 'error'
                    self._alarms.add(status.name.partition(':')[0], level, status.message)

    def _notes(self) -> list[str]:
        notes = [*self._choice.notes]
        if self.options.pose_rate_hz:
            notes.append(
                f'poses between the recorded ones are interpolated at '
                f'{self.options.pose_rate_hz:g} Hz'
            )
        if self.options.loops > 1:
            notes.append(f'the flight was played {self.options.loops} times, time going on')
        return notes


def fly(options: FlightOptions) -> Ended:
    """Fly, and say what came out.

    Raises:
        BagError, RunError, OSError: As `Flight.run`.
    """
    ended = Flight(options).run()
    print(summary_text(ended.summary))
    for name in ('results.jsonl', 'results.geojson', RESULTS_BAG, PICTURES, ended.page.name):
        print(f'  {options.out / name}')
    return ended


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
