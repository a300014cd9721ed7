# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Every injected fault raises exactly its state in /diagnostics, and a clean flight raises none."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticArray
from hanging import Bench
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, NavSatFix
from test_graph import SECOND, fly, image_message, ns_to_stamp, send_pose, separate_nodes

from rs_onboard.health.machine import MachineReader
from rs_onboard.health.readings import DiskSpace, MachineReadings, ThermalZone
from rs_onboard.nodes import frame_alarms, frame_source, latency, watched_node
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.start import bring_up
from rs_onboard.perception import worker

LEVELS = {b'\0': 'OK', b'\1': 'DEGRADED', b'\2': 'FAILED', b'\3': 'STALE'}
PATIENCE_S = 20.0
COOL = MachineReadings(zones=(ThermalZone('cpu', 50.0),))


class Flight:
    """The graph in one process, what it says in /diagnostics, and a clock for its images."""

    def __init__(self, graph, parameters, make=make_nodes, **changes):
        settings = {
            **parameters,
            'health_hold_s': 0.5,
            'diagnostics_period_s': 0.1,
            'join_timeout_s': 0.5,
            # Whatever else the machine does: these tests are not about time.
            'latency_limit_ms': 0.0,
            **changes,
        }
        self.nodes = make(settings)
        self.graph = graph(self.nodes)
        self.wait = self.graph.wait
        self.messages = self.graph.collect('/diagnostics', DiagnosticArray)
        bring_up(self.nodes)
        self.stamp_ns = time.time_ns()

    def __getitem__(self, name):
        return self.graph[name]

    def fly_well(self):
        """Fly two frames with pose, so that everything was there once."""
        stamps = [self.next_stamp() for _ in range(2)]
        fly(self.graph, stamps)
        # Results are handed on before their files are written.
        self.wait(lambda: not self['publisher'].counts().waiting, 'the files')
        self.wait_for_entries()
        assert self.seen() == {}
        self.messages.clear()

    def next_stamp(self):
        self.stamp_ns += SECOND // 10
        return self.stamp_ns

    def send(self, message=None):
        """Send an image, with its pose before it; returns once the tiler has taken it."""
        received = self['tiler'].counts().received
        stamp_ns = self.next_stamp()
        send_pose(self.graph, stamp_ns)
        time.sleep(0.05)
        self.graph.publish('image_raw', message or image_message(stamp_ns % 1000, stamp_ns))
        self.wait(lambda: self['tiler'].counts().received > received, 'the image')
        self.wait(lambda: not self['tiler'].counts().waiting, 'the tiler')

    def wait_for_entries(self):
        """Wait until every node has told its state since now."""
        self.messages.clear()
        names = {node.get_name() for node in self.nodes}
        self.wait(
            lambda: {s.name.split(':')[0] for m in self.messages for s in m.status} >= names,
            'an entry of every node',
        )

    def seen(self):
        """Return {entry: {cause: worst state}} of all that was not fine."""
        order = ['OK', 'DEGRADED', 'STALE', 'FAILED']
        found = {}
        for message in list(self.messages):
            for status in message.status:
                values = {item.key: item.value for item in status.values}
                state = LEVELS[status.level]
                if state == 'OK':
                    assert values.get('causes', '') == ''
                    continue
                causes = values.get('causes', 'unnamed').split(', ')
                entry = found.setdefault(status.name.replace(': perception', ''), {})
                # The state is that of the first cause, which is the worst.
                for cause in causes:
                    entry.setdefault(cause, 'DEGRADED')
                entry[causes[0]] = max(entry[causes[0]], state, key=order.index)
        return found

    def expect(self, **entries):
        """Wait until exactly this was raised: {entry: {cause: worst state}}."""
        wanted = {name.replace('__', ': '): causes for name, causes in entries.items()}
        end = time.monotonic() + PATIENCE_S
        while self.seen() != wanted:
            assert time.monotonic() < end, f'found {self.seen()}; expected {wanted}'
            time.sleep(0.05)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    monkeypatch.setattr(frame_source, 'SILENT_S', 1000.0)


@pytest.fixture
def flight(graph, colours):
    flight = Flight(graph, colours)
    flight.fly_well()
    return flight


def test_a_camera_that_stops_makes_the_tiler_stale(flight, monkeypatch):
    monkeypatch.setattr(frame_source, 'SILENT_S', 0.3)
    flight.expect(tiler={'no_image': 'STALE'})


def test_a_frozen_frame_makes_the_tiler_stale(flight, monkeypatch):
    monkeypatch.setattr(frame_alarms, 'FROZEN_AFTER', 3)
    for _ in range(4):
        flight.send(image_message(7, flight.stamp_ns + SECOND // 10))
    flight.expect(tiler={'frozen_image': 'STALE'})


def test_a_stamp_that_jumps_back_degrades_the_tiler_for_a_while(flight):
    flight.stamp_ns -= 60 * SECOND
    for _ in range(3):
        flight.send()
    # The images and the pose of the vehicle jump together; that is one cause.
    flight.expect(tiler={'time_jump': 'DEGRADED'})


@pytest.mark.parametrize('sensor', ['fix', 'imu'])
def test_a_pose_that_is_no_number_degrades_the_tiler(flight, sensor):
    stamp = ns_to_stamp(flight.stamp_ns)
    if sensor == 'fix':
        message = NavSatFix(latitude=float('nan'), longitude=-92.0, altitude=200.0)
        message.status.status = 0
        topic = 'mavros/global_position/raw/fix'
    else:
        message, topic = Imu(), 'mavros/imu/data'
        message.orientation.x = float('nan')
    message.header.stamp = stamp
    flight.graph.publish(topic, message)
    flight.wait(lambda: any(flight['tiler']._source.maker.poses.unusual.values()), 'the sample')
    flight.send()
    flight.expect(tiler={'bad_pose': 'DEGRADED'})


def test_a_pose_that_is_lost_degrades_the_tiler(flight):
    flight.stamp_ns += 30 * SECOND
    flight.graph.publish('image_raw', image_message(1, flight.stamp_ns))
    flight.expect(tiler={'no_pose': 'DEGRADED'})


def test_a_truncated_image_degrades_the_tiler(flight):
    message = image_message(1, flight.stamp_ns + SECOND // 10)
    del message.data[-100:]
    flight.send(message)
    flight.expect(tiler={'bad_image': 'DEGRADED'})


def test_a_provider_that_is_refused_fails_its_node(graph, colours):
    flight = Flight(graph, {**colours, 'provider': 'acl'})
    flight.expect(scene={'provider_refused': 'FAILED'}, segmentation={'provider_refused': 'FAILED'})


def test_slow_inference_is_told_by_the_latency_and_fails_it_when_it_lasts(flight):
    publisher, runtime = flight['publisher'], flight['scene']._task.model.runtime
    run = runtime.run

    def slowly(feeds):
        time.sleep(0.1)
        return run(feeds)

    runtime.run = slowly
    publisher.set_parameters(
        [Parameter('latency_limit_ms', value=90.0), Parameter('latency_allowed_s', value=60.0)]
    )
    flight.send()
    flight.expect(publisher__latency={'over_latency': 'DEGRADED'})
    publisher.set_parameters([Parameter('latency_allowed_s', value=0.0)])
    flight.expect(publisher__latency={'over_latency': 'FAILED'})


def test_hung_inference_fails_its_node_and_leaves_the_others_alone(graph, colours, monkeypatch):
    bench = Bench(monkeypatch)
    flight = Flight(graph, colours, provider_policy='warn', inference_timeout_ms=1000)
    flight.fly_well()
    released = bench.released
    try:
        bench.hanging.add('cuda')
        flight.graph.publish('image_raw', image_message(1, flight.next_stamp()))
        both = {'inference_hung': 'FAILED', 'left_behind': 'DEGRADED'}
        causes = {**both, 'provider_fallback': 'DEGRADED'}
        flight.expect(scene=causes, segmentation=causes)
    finally:
        released.set()


def test_a_stage_that_hangs_is_stale_and_then_dead(flight, monkeypatch):
    monkeypatch.setattr(worker, 'LONG_S', 0.2)
    monkeypatch.setattr(watched_node, 'DEAD_S', 1.0)
    released, tiler = threading.Event(), flight['tiler']
    monkeypatch.setattr(tiler._tiler, 'cut', lambda _: released.wait(PATIENCE_S))
    try:
        flight.graph.publish('image_raw', image_message(1, flight.next_stamp()))
        flight.expect(tiler={'worker_hangs': 'STALE'})
        flight.expect(tiler={'worker_hangs': 'FAILED'})
    finally:
        released.set()


def test_a_stage_of_another_process_that_is_gone_is_told_by_the_latency(
    graph, colours, monkeypatch
):
    monkeypatch.setattr(latency, 'SILENT_S', 0.3)
    tasks = ['scene', 'detection', 'segmentation']
    flight = Flight(graph, colours, separate_nodes, tasks=tasks)
    flight.fly_well()
    scene = flight['scene']
    flight.nodes.remove(scene)
    scene.trigger_deactivate()
    flight.messages.clear()
    end = time.monotonic() + PATIENCE_S
    while 'publisher: latency' not in flight.seen():
        assert time.monotonic() < end
        flight.send()
    flight.expect(publisher__latency={'stage_silent.scene': 'FAILED'})


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_a_worker_that_dies_fails_its_node_and_is_replaced(flight):
    scene = flight['scene']
    work = scene._worker._work

    def die(item):
        scene._worker._work = work
        raise SystemExit

    scene._worker._work = die
    flight.send()
    flight.expect(scene={'worker_died': 'FAILED'})
    done = scene.counts().done
    flight.send()
    flight.wait(lambda: scene.counts().done > done, 'the next frame')


def test_a_full_disk_degrades_the_publisher(graph, colours, tmp_path):
    flight = Flight(graph, colours, results_dir=str(tmp_path / 'out'), disk_low_mb=0.0)
    flight.fly_well()
    flight['publisher']._files.close()
    lines = tmp_path / 'out' / 'results.jsonl'
    lines.unlink()
    lines.symlink_to('/dev/full')
    flight.send()
    flight.expect(publisher={'results_not_written': 'DEGRADED'})


@pytest.mark.parametrize(
    ('readings', 'causes'),
    [
        (MachineReadings(zones=(ThermalZone('cpu', 84.0),)), {'over_temperature': 'DEGRADED'}),
        (MachineReadings(zones=(ThermalZone('cpu', 95.0),)), {'over_temperature': 'FAILED'}),
        (replace(COOL, disks=(DiskSpace('/data', 40.0, 9e4),)), {'disk_low': 'DEGRADED'}),
        (replace(COOL, memory_free_mb=60.0), {'memory_low': 'DEGRADED'}),
        (replace(COOL, throttling=('under-voltage',)), {'throttled': 'DEGRADED'}),
        (MachineReadings(), {'temperature_lost': 'STALE'}),
    ],
)
def test_trouble_of_the_machine_is_told_by_its_entry_alone(flight, monkeypatch, readings, causes):
    watchdog = flight['publisher'].exchange.watchdog
    monkeypatch.setattr(MachineReader, 'read', lambda _: COOL)
    flight.wait(lambda: watchdog.readings is COOL, 'the machine')
    monkeypatch.setattr(MachineReader, 'read', lambda _: readings)
    flight.expect(publisher__machine=causes)


def test_a_callback_that_hangs_fails_every_node_of_the_process(flight, monkeypatch):
    monkeypatch.setattr(watched_node, 'BLOCKED_S', 0.3)
    flight['tiler'].create_timer(0.01, lambda: time.sleep(2.0), clock=flight['tiler'].steady_clock)
    flight.wait(
        lambda: all(node.component.causes() for node in flight.nodes), 'all nodes to say it'
    )
    causes = {finding.cause for node in flight.nodes for finding in node.component.causes()}
    assert causes == {'executor_blocked'}


def test_a_fault_in_the_diagnostics_themselves_is_told_instead_of_silence(flight):
    def fail():
        raise KeyError('provider')

    flight['scene'].values = fail
    flight['publisher'].entries = fail
    causes = {'unexpected_error': 'DEGRADED'}
    flight.expect(scene=causes, publisher=causes)
