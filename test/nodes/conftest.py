# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A live graph for tests: nodes spun in a thread, messages sent and collected."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

# Tests must neither hear nor disturb other graphs on this machine or network.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
if os.environ.get('ROS_DISTRO') == 'humble':
    os.environ['ROS_LOCALHOST_ONLY'] = '1'
os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))

from flown_maps import photograph, write_map  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from rs_onboard.nodes.playback import PLAYBACK_QOS  # noqa: E402
from rs_onboard.nodes.start import shut_down, spin  # noqa: E402

MODELS = Path(__file__).resolve().parents[1] / 'data' / 'models'
COLOURS = {
    'scene.model': str(MODELS / 'colour-scene'),
    'detection.model': str(MODELS / 'colour-detection'),
    'change.model': str(MODELS / 'colour-change'),
    'segmentation.model': str(MODELS / 'colour-segmentation'),
    'segmentation.overlap': 16,
}
PATIENCE_S = 20.0


class Graph:
    """Spins nodes in a thread until closed."""

    def __init__(self, nodes):
        self.nodes = list(nodes)
        self.peer = Node('peer')
        self._publishers = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=spin, args=([*self.nodes, self.peer],), kwargs={'until': self._stop}
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(PATIENCE_S)
        shut_down(self.nodes)
        self.peer.destroy_node()

    def __getitem__(self, name):
        return next(node for node in self.nodes if node.get_name() == name)

    def publish(self, topic, message, takers=1):
        """Publish once a number of nodes listens."""
        if topic not in self._publishers:
            publisher = self.peer.create_publisher(type(message), topic, PLAYBACK_QOS)
            self._publishers[topic] = publisher
            self.wait(lambda: publisher.get_subscription_count() >= takers, f'takers of {topic}')
            # Writer and reader find each other in two steps; the first is seen here.
            time.sleep(0.1)
        self._publishers[topic].publish(message)

    def collect(self, topic, kind, qos=PLAYBACK_QOS):
        """Return a list that fills with the messages of a topic."""
        messages = []
        self.peer.create_subscription(kind, topic, messages.append, qos)
        self.wait(lambda: self.peer.count_publishers(topic), f'a publisher of {topic}')
        return messages

    @staticmethod
    def wait(condition, what='it'):
        """Wait until a condition holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f'waited {PATIENCE_S} s in vain for {what}'
            time.sleep(0.01)


@pytest.fixture(scope='session')
def reference_map(tmp_path_factory):
    """Write the map of a photograph."""
    return write_map(tmp_path_factory.mktemp('map') / 'ground.mbtiles', photograph())


@pytest.fixture
def colours(reference_map):
    """Return parameters that run models with exactly known outputs."""
    return {**COLOURS, 'change.reference': str(reference_map)}


@pytest.fixture(scope='session')
def ros():
    """Start ROS once."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.try_shutdown()


@pytest.fixture
def graph(ros):
    """Make graphs of nodes that end with the test."""
    open_graphs = []

    def make(nodes):
        graph = Graph(nodes)
        open_graphs.append(graph)
        return graph.__enter__()

    yield make
    for graph in open_graphs:
        graph.__exit__()
