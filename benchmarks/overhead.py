# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Measure what the graph costs outside the networks, its start-up and its memory.

Frames enter the composed graph by reference, as from the camera node, and leave as joined results.
The networks are replaced by ones that answer at once with arrays of the right shape, so what is
left is tiling, hand-over between threads, stitching and joining.

    python benchmarks/overhead.py [--frames N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
from live_graph import running
from rclpy.signals import SignalHandlerOptions

from rs_onboard.inference.card import ModelCard, load_card
from rs_onboard.inference.model import Model
from rs_onboard.inference.runtime_settings import TensorInfo
from rs_onboard.nodes import scene, segmentation
from rs_onboard.nodes.locations import model_folder
from rs_onboard.nodes.node_settings import MODELS
from rs_onboard.nodes.process import make_nodes
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.scene import SceneTask
from rs_onboard.perception.segmentation import SegmentationTask

SIZES = {'1080p': (1080, 1920), '4K': (2160, 3840)}
GOALS_MS = {'1080p': 2.0, '4K': 6.0}
WARM_UP = 5


@dataclass
class InstantRuntime:
    """Answers at once with arrays of the right shape."""

    card: ModelCard
    provider: str = 'cpu'
    notice: str = ''
    placement: str = ''
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def run(self, feeds):
        """Return constant outputs, made once a shape."""
        count, height, width, _ = feeds['tiles'].shape
        if self.card.task == 'scene':
            classes = len(self.card.classes)
            return {'probabilities': np.full((count, classes), 1.0 / classes, np.float32)}
        if getattr(self, '_masks', np.empty(0)).shape != (count, height, width):
            self._masks = np.zeros((count, height, width), np.uint8)
        return {'labels': self._masks, 'confidence': self._masks}


def instant(card_folder):
    """Return a model of a card that answers at once."""
    card = load_card(card_folder)
    return Model(card, next(iter(card.variants.values())), InstantRuntime(card))


def measure(nodes, size, frames):
    """Return the latencies [ms] of frames of a size, one in flight at a time."""
    height, width = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    tiler = next(node for node in nodes if node.get_name() == 'tiler')
    outlet = tiler.exchange.send
    channel = tiler.resolve_topic_name('image_raw')
    done = threading.Semaphore(0)
    latencies = []

    def take(results):
        latencies.append(results.latency_ms)
        done.release()

    results = tiler.resolve_topic_name('results')
    tiler.exchange.connect(results, take)
    start_ns = time.time_ns()
    for number in range(frames + WARM_UP):
        header = FrameHeader(
            stamp_ns=start_ns + number * 1_000_000,
            frame_id='camera_optical',
            sequence=number,
            height=height,
            width=width,
            received_ns=time.perf_counter_ns(),
        )
        outlet(channel, Frame(header, image))
        if not done.acquire(timeout=30.0):
            raise SystemExit(f'frame {number}: no result within 30 s')
    tiler.exchange.disconnect(results, take)
    return latencies[WARM_UP:]


def resident_mb():
    """Return the resident memory of this process [MB]."""
    for line in Path('/proc/self/status').read_text(encoding='utf-8').splitlines():
        if line.startswith('VmRSS'):
            return int(line.split()[1]) / 1024
    return float('nan')


def overhead(frames):
    """Measure the overhead of every size."""
    tasks = {SceneTask: MODELS['scene'], SegmentationTask: MODELS['segmentation']}
    originals = scene.SceneNode.make_task, segmentation.SegmentationNode.make_task
    scene.SceneNode.make_task = lambda *_: SceneTask(instant(model_folder(tasks[SceneTask])))
    segmentation.SegmentationNode.make_task = lambda *_: SegmentationTask(
        instant(model_folder(tasks[SegmentationTask]))
    )
    rows = {}
    nodes = make_nodes()
    try:
        with running(nodes):
            for name, size in SIZES.items():
                latencies = measure(nodes, size, frames)
                p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
                goal = GOALS_MS[name]
                rows[name] = {'p50_ms': p50, 'p95_ms': p95, 'p99_ms': p99, 'goal_ms': goal}
    finally:
        scene.SceneNode.make_task, segmentation.SegmentationNode.make_task = originals
    return rows


def first_result():
    """Measure from making the nodes to the first result of the real models [s]."""
    started = time.perf_counter()
    nodes = make_nodes()
    with running(nodes):
        measure(nodes, SIZES['1080p'], 1 - WARM_UP)
        seconds = time.perf_counter() - started
        measure(nodes, SIZES['1080p'], 10)
        memory = resident_mb()
    return {'nodes_to_first_result_s': seconds, 'resident_mb': memory}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--frames', type=int, default=100)
    parser.add_argument('--json', type=Path, help='write the numbers to this file too')
    options = parser.parse_args()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    report = {
        'machine': platform.processor() or platform.machine(),
        'cores': os.cpu_count(),
        'python': platform.python_version(),
        'real_models_1080p': first_result(),
        'overhead': overhead(options.frames),
    }
    rclpy.try_shutdown()
    for name, row in report['overhead'].items():
        print(
            f'{name:>6}: p50 {row["p50_ms"]:.2f}  p95 {row["p95_ms"]:.2f}  '
            f'p99 {row["p99_ms"]:.2f} ms outside the networks (goal p50 {row["goal_ms"]:g} ms)'
        )
    real = report['real_models_1080p']
    print(
        f'first result {real["nodes_to_first_result_s"]:.2f} s after the nodes are made; '
        f'{real["resident_mb"]:.0f} MB resident with real models at 1080p'
    )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
