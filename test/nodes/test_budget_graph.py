# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The latency budget in the live graph: a machine that slows down and recovers."""

from __future__ import annotations

import shutil
import threading
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.parameter import Parameter
from test_graph import balance, image_message, results_of

from rs_onboard.inference.runtime import OnnxRuntime
from rs_onboard.nodes.budget_messages import costs_from_message
from rs_onboard.nodes.exchange import LATCHED_QOS
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.publisher import PublisherNode
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.segmentation import SegmentationNode
from rs_onboard.nodes.start import as_parameters, bring_up
from rs_onboard.nodes.tiler import TilerNode
from rs_onboard.perception import self_benchmark
from rs_onboard.perception.stitch import UNKNOWN_LABEL

# Of a segmentation tile on the machine that the tests pretend to have, fp32 and int8.
TILE_MS = {'fp32': 8.0, 'int8': 4.0}
SIZE = {'height': 250, 'width': 310}
TILES = 9


class Machine:
    """Makes the runtimes take a time a tile, times a factor that tests change."""

    def __init__(self):
        self.factor = 1.0

    def patch(self, monkeypatch):
        run = OnnxRuntime.run

        def slow_run(runtime, feeds):
            variant = 'int8' if 'int8' in runtime._what else 'fp32'
            share = 0.1 if 'scene' in runtime._what else 1.0
            time.sleep(self.factor * share * TILE_MS[variant] * len(feeds['tiles']) / 1e3)
            return run(runtime, feeds)

        monkeypatch.setattr(OnnxRuntime, 'run', slow_run)
        # What is measured is kept, however busy the machine of the tests is.
        monkeypatch.setattr(self_benchmark, 'machine_is_busy', lambda: '')


class Camera:
    """Sends an image five times a second until it is ended."""

    def __init__(self, graph, takers):
        self._graph, self._takers = graph, takers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._graph.publish('image_raw', image_message(0, time.time_ns(), **SIZE), self._takers)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        number = 0
        while not self._stop.wait(0.2):
            number += 1
            message = image_message(number, time.time_ns(), **SIZE)
            self._graph.publish('image_raw', message, self._takers)


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    machine.patch(monkeypatch)
    return machine


@pytest.fixture
def limited(colours, tmp_path):
    """Parameters with a budget, and a segmentation model that has an int8 variant."""
    folder = tmp_path / 'two-variants'
    shutil.copytree(colours['segmentation.model'], folder)
    shutil.copy(folder / 'fp32.onnx', folder / 'int8.onnx')
    card = (folder / 'card.yaml').read_text()
    begin, end = card.index('  fp32:'), card.index('evaluation:')
    int8 = card[begin:end].replace('fp32', 'int8')
    (folder / 'card.yaml').write_text(card[:end] + int8 + card[end:])
    return {
        **colours,
        'segmentation.model': str(folder),
        'frame_budget_ms': 300.0,
        'budget.cache': str(tmp_path / 'costs'),
        'pose_wait_ms': 0.0,
    }


def separate(overrides):
    parameters = as_parameters(overrides)
    kinds = (TilerNode, SceneNode, SegmentationNode, PublisherNode)
    return [kind(parameter_overrides=parameters) for kind in kinds]


def reports(results, task='segmentation'):
    return [r.results[task].report for r in results]


def with_few_tiles(results):
    found = [r.results['segmentation'] for r in results]
    return [r for r in found if r.report.tiles is not None and r.report.tiles.left_out]


def limited_by_budget(report):
    return 'latency budget' in report.reason


def plan_entry(graph):
    (entry,) = (s for s in graph['tiler'].entries() if s.name.endswith('latency budget'))
    return entry, {item.key: item.value for item in entry.values}


@pytest.mark.parametrize('composition', ['process', 'nodes'])
def test_a_slow_machine_takes_quality_down_and_a_quick_one_brings_it_back(
    graph, limited, machine, composition
):
    make = make_nodes if composition == 'process' else separate
    flown = graph(make(limited))
    assert bring_up(flown.nodes)
    plans = flown.collect('budget/plan', DiagnosticArray, LATCHED_QOS)
    results = results_of(flown)
    with Camera(flown, takers=1 if composition == 'process' else 2):
        # Tests run on busy machines too.
        flown.wait(lambda: len(results) >= 5 and plans, 'results')
        flown.wait(lambda: not limited_by_budget(reports(results)[-1]), 'results at the best')

        machine.factor = 10.0
        flown.wait(lambda: limited_by_budget(reports(results)[-1]), 'the plan to go down')
        flown.wait(lambda: with_few_tiles(results), 'tiles to be left out')
        few = with_few_tiles(results)[0]
        entry, values = plan_entry(flown)
        assert entry.level == DiagnosticStatus.WARN
        assert any('down: a frame' in value for value in values.values())

        machine.factor = 1.0
        flown.wait(lambda: not limited_by_budget(reports(results)[-1]), 'the plan to go up again')
        best = lambda: plan_entry(flown)[0].message == 'everything at its best'  # noqa: E731
        flown.wait(best, 'the best plan')
        assert ', up: ' in plan_entry(flown)[1]['switch.0']

    report = few.report
    assert report.status == 'degraded'
    assert 'latency budget of 300 ms: int8 instead of fp32' in report.reason
    assert f'of {TILES} tiles' in report.reason
    assert report.model.variant == 'int8'
    assert report.tiles.count + report.tiles.left_out['latency budget'] == TILES
    unknown = few.labels == UNKNOWN_LABEL
    assert 0.0 < unknown.mean() < 1.0
    assert (few.confidence[unknown] == 0).all()
    told = [message.status[0].message for message in plans]
    assert told[0] == 'everything at its best'
    assert any('segmentation: int8' in text for text in told)
    flown.wait(lambda: not any(node.counts().waiting for node in flown.nodes), 'the workers')
    assert all(balance(node) == 0 for node in flown.nodes)


def test_the_budget_is_changed_in_flight_at_the_tiler_alone(graph, limited, machine):
    flown = graph(make_nodes(limited))
    assert bring_up(flown.nodes)
    results = results_of(flown)
    tiler, segmentation = flown['tiler'], flown['segmentation']
    with Camera(flown, takers=1):
        flown.wait(lambda: len(results) >= 3, 'results')
        (done,) = tiler.set_parameters([Parameter('frame_budget_ms', value=30.0)])
        assert done.successful
        flown.wait(lambda: limited_by_budget(reports(results)[-1]), 'the smaller budget')
        assert 'latency budget of 30 ms' in reports(results)[-1].reason
        (done,) = tiler.set_parameters([Parameter('frame_budget_ms', value=0.0)])
        assert done.successful
        flown.wait(lambda: not limited_by_budget(reports(results)[-1]), 'no limit')
        assert plan_entry(flown)[0].message == 'no limit'
    (refused,) = segmentation.set_parameters([Parameter('frame_budget_ms', value=30.0)])
    assert not refused.successful
    (refused,) = tiler.set_parameters([Parameter('frame_budget_ms', value=-1.0)])
    assert not refused.successful
    assert '60000' in refused.reason


def test_what_variants_cost_is_published_once_and_known_at_the_next_start(graph, limited, machine):
    for start in range(2):
        flown = graph(make_nodes(limited))
        assert bring_up(flown.nodes)
        messages = flown.collect('segmentation/costs', DiagnosticArray, LATCHED_QOS)
        flown.wait(lambda messages=messages: messages, 'the costs')
        task, costs = costs_from_message(messages[0])
        assert task == 'segmentation'
        assert [cost.variant for cost in costs.offered] == ['fp32', 'int8']
        assert costs.offered[0].tile_ms > costs.offered[1].tile_ms >= TILE_MS['int8']
        assert costs.offered[1].agreement == 1.0
        if start == 0:
            first = costs
        flown.__exit__()
        flown.nodes = []
    assert costs == first


def test_without_a_budget_nothing_is_measured_and_nothing_left_out(graph, limited):
    flown = graph(make_nodes({**limited, 'frame_budget_ms': 0.0}))
    assert bring_up(flown.nodes)
    results = results_of(flown)
    assert len(flown['segmentation']._task.models) == 1
    flown.publish('image_raw', image_message(0, time.time_ns(), **SIZE))
    flown.wait(lambda: results, 'the result')
    assert not limited_by_budget(reports(results)[0])
    assert reports(results)[0].tiles.count == TILES
    assert not np.any(results[0].results['segmentation'].labels == UNKNOWN_LABEL)


def test_a_budget_set_in_flight_learns_the_costs_from_the_results(graph, limited, machine):
    flown = graph(make_nodes({**limited, 'frame_budget_ms': 0.0}))
    assert bring_up(flown.nodes)
    results = results_of(flown)
    with Camera(flown, takers=1):
        flown.wait(lambda: results, 'results')
        flown['tiler'].set_parameters([Parameter('frame_budget_ms', value=40.0)])
        flown.wait(lambda: limited_by_budget(reports(results)[-1]), 'the budget')
    report = next(filter(limited_by_budget, reports(results)))
    # Its other variants are not loaded, so that it looks at fewer tiles.
    assert report.model is None or report.model.variant == 'fp32'
