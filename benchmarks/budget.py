# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Fly the bundled flight while other processes take the cores away and give them back.

Frames enter the composed graph by reference at a fixed rate, in three phases: quiet, loaded, quiet.
The flight is flown with the latency budget and without. A frame counts as kept when its results are
published within the budget after it arrived; one that is dropped does not. The first second of a
phase is the time to adapt.

    python benchmarks/budget.py [--seconds S] [--rate HZ] [--budget MS] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import os
import platform
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import rclpy
from live_graph import running
from rclpy.signals import SignalHandlerOptions

from rs_onboard.nodes.locations import share_directory
from rs_onboard.nodes.process import make_nodes
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.report.chart import Axis, Column, Part, column_chart, key
from rs_onboard.replay.report.markup import Html, element, table

PHASES = ('quiet', 'loaded', 'quiet again')
COLOURS = ('var(--infer)', 'var(--finish)', 'var(--infer)')
ADAPT_S = 1.0
GOAL = 0.95
# The best plan must leave a fifth of the budget unused; so much more than it takes leaves room.
ROOM = 1.6
# Busy processes a core.
HOGS = 2
SPIN = 'while True: pass'


@dataclasses.dataclass
class Flown:
    """A frame that was sent."""

    phase: int
    at_s: float
    latency_ms: float = float('inf')
    best: bool = False
    tiles: int = 0


def load_images(width):
    """Return the images of the bundled flight, of a width [px]."""
    images = []
    with Bag(share_directory() / 'flights' / 'brighton_beach') as bag:
        for message in bag.messages():
            if message.type_name == 'sensor_msgs/msg/CompressedImage':
                data = np.asarray(bag.decode(message).data, np.uint8)
                image = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
                height = round(image.shape[0] * width / image.shape[1])
                images.append(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    return images


@contextlib.contextmanager
def hogs(count):
    """Keep a number of processes busy."""
    command = [sys.executable, '-c', SPIN]
    processes = [subprocess.Popen(command) for _ in range(count)]  # noqa: S603  (our own loop)
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Sender:
    """Sends images at a rate and notes what becomes of them."""

    def __init__(self, tiler, images):
        self._tiler, self._images = tiler, images
        self._frames = {}
        self._channel = tiler.resolve_topic_name('image_raw')
        tiler.exchange.connect(tiler.resolve_topic_name('results'), self._take)

    def _take(self, results):
        flown = self._frames[results.header.stamp_ns]
        reports = [result.report for result in results.results.values()]
        flown.latency_ms = results.latency_ms
        flown.best = not any('latency budget' in report.reason for report in reports)
        flown.tiles = sum(report.tiles.count for report in reports if report.tiles)

    def send(self, phase, at_s):
        """Send the next image."""
        image = self._images[len(self._frames) % len(self._images)]
        stamp_ns = time.time_ns()
        self._frames[stamp_ns] = Flown(phase, at_s)
        header = FrameHeader(
            stamp_ns, 'camera_optical', 0, *image.shape[:2], received_ns=time.perf_counter_ns()
        )
        self._tiler.exchange.send(self._channel, Frame(header, image))

    def fly(self, seconds, rate_hz, began_s, phase=0):
        """Send images for a time."""
        start = time.monotonic()
        for number in range(round(seconds * rate_hz)):
            time.sleep(max(0.0, start + number / rate_hz - time.monotonic()))
            self.send(phase, time.monotonic() - began_s)

    def flown(self):
        """Return the frames in order."""
        return list(self._frames.values())


def fly(images, options, budget_ms, *, planned):
    """Fly all phases; returns the frames."""
    overrides = {'frame_budget_ms': budget_ms if planned else 0.0, 'pose_wait_ms': 0.0}
    with running(make_nodes(overrides)) as tiler:
        sender = Sender(tiler, images)
        sender.fly(2.0, options.rate, time.monotonic())
        warm = len(sender.flown())
        began = time.monotonic()
        for phase in range(len(PHASES)):
            with hogs(options.hogs) if phase == 1 else contextlib.nullcontext():
                sender.fly(options.seconds, options.rate, began, phase)
        time.sleep(min(5.0, 10 * budget_ms / 1e3))
        return sender.flown()[warm:]


def usual_latency(images, options):
    """Return the 90th percentile of the latency in quiet, everything at its best [ms]."""
    with running(make_nodes({'pose_wait_ms': 0.0})) as tiler:
        sender = Sender(tiler, images)
        sender.fly(5.0, options.rate, time.monotonic())
        time.sleep(1.0)
        found = [f.latency_ms for f in sender.flown()[2:]]
    usual = quantile(found, 0.9)
    if not np.isfinite(usual):
        raise SystemExit(
            f'{sum(map(np.isinf, found))} of {len(found)} frames were dropped in quiet, everything '
            'at its best: end what else runs, or give a lower --rate or --width.'
        )
    return usual


def quantile(values, share):
    """Return a value that a share of values does not exceed; infinite ones are values too."""
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def summarise(frames, budget_ms):
    """Return a row a phase."""
    rows = []
    most = max((frame.tiles for frame in frames), default=0) or 1
    for number, name in enumerate(PHASES):
        chosen = [f for f in frames if f.phase == number]
        first = chosen[0].at_s
        adapted = [f for f in chosen if f.at_s >= first + ADAPT_S]
        latencies = [f.latency_ms for f in adapted]
        rows.append(
            {
                'phase': name,
                'frames': len(chosen),
                'kept': float(np.mean([f.latency_ms <= budget_ms for f in adapted])),
                'kept_with_adapting': float(np.mean([f.latency_ms <= budget_ms for f in chosen])),
                'late_or_dropped_first_s': sum(
                    f.latency_ms > budget_ms for f in chosen if f.at_s < first + ADAPT_S
                ),
                'dropped': sum(f.latency_ms == float('inf') for f in chosen),
                'p50_ms': quantile(latencies, 0.5),
                'p95_ms': quantile(latencies, 0.95),
                'at_their_best': float(np.mean([f.best for f in adapted])),
                'tiles': float(np.mean([f.tiles for f in adapted]) / most),
            }
        )
    return rows


def chart(frames, budget_ms, label):
    """Draw a column a frame."""
    columns = []
    for number, frame in enumerate(frames):
        kept = frame.latency_ms <= budget_ms
        colour = COLOURS[frame.phase] if kept else 'var(--bad)'
        value = min(frame.latency_ms, 3 * budget_ms)
        text = f'{frame.at_s:.1f} s, {PHASES[frame.phase]}: {frame.latency_ms:.0f} ms'
        columns.append(Column(number, text, [Part(value, colour)]))
    axis = Axis(2.0 * budget_ms, 'ms')
    return column_chart(columns, axis, label=label, lines={'budget': budget_ms})


def quality_chart(frames, label):
    """Draw the tiles inferred of each frame."""
    most = max((frame.tiles for frame in frames), default=0) or 1
    columns = [
        Column(
            number,
            f'{frame.at_s:.1f} s: {frame.tiles} of {most} tiles',
            [Part(frame.tiles / most, 'var(--accent)' if frame.best else 'var(--other)')],
        )
        for number, frame in enumerate(frames)
    ]
    return column_chart(columns, Axis(1.0, '%', 100.0), label=label, height=60.0)


def write_page(path, flights, rows, report):
    """Write one page with the charts."""
    style = files('rs_onboard.replay.report').joinpath('page.css').read_text(encoding='utf-8')
    budget_ms = report['budget_ms']
    body = [element('h1', f'Latency budget of {budget_ms:.0f} ms')]
    for name, frames in flights.items():
        body.append(element('h2', name.capitalize()))
        body.append(chart(frames, budget_ms, f'Latency of every frame {name}'))
        body.append(quality_chart(frames, f'Tiles inferred {name}'))
        body.append(table(list(rows[name][0]), [[fact(v) for v in r.values()] for r in rows[name]]))
    colours = {
        'within the budget, quiet': 'var(--infer)',
        'within the budget, loaded': 'var(--finish)',
        'over the budget': 'var(--bad)',
        'tiles, everything at its best': 'var(--accent)',
        'tiles, less than the best': 'var(--other)',
    }
    body.append(key(colours))
    about = f'{report["machine"]}, {report["cores"]} cores, Python {report["python"]}'
    body.append(element('p', about, class_='quiet'))
    head = element(
        'head',
        element('meta', charset='utf-8'),
        element('title', 'Latency budget'),
        element('style', Html(style)),
    )
    html = element('html', head, element('body', element('main', *body)), lang='en')
    path.write_text(f'<!doctype html>\n{html}\n', encoding='utf-8')


def fact(value):
    """Write a cell."""
    return f'{value:.3g}' if isinstance(value, float) else value


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--seconds', type=float, default=15.0, help='length of a phase')
    parser.add_argument('--rate', type=float, default=5.0, help='frames a second')
    parser.add_argument('--width', type=int, default=640, help='width of the frames [px]')
    parser.add_argument('--budget', type=float, default=0.0, help='[ms]; 0 takes what fits')
    parser.add_argument('--hogs', type=int, default=HOGS * (os.cpu_count() or 1))
    parser.add_argument('--out', type=Path, default=Path('out/budget'))
    options = parser.parse_args()
    # Other graphs on this machine or network must neither be heard nor disturbed.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    images = load_images(options.width)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    budget_ms = options.budget or float(round(ROOM * usual_latency(images, options)))
    # Frames that come faster than they may take would be dropped for newer ones.
    options.rate = min(options.rate, 1e3 / budget_ms)
    flights = {
        'with the planner': fly(images, options, budget_ms, planned=True),
        'without it': fly(images, options, budget_ms, planned=False),
    }
    rclpy.try_shutdown()
    rows = {name: summarise(f, budget_ms) for name, f in flights.items()}
    report = {
        'machine': platform.processor() or platform.machine(),
        'cores': os.cpu_count(),
        'python': platform.python_version(),
        'budget_ms': budget_ms,
        'rate_hz': options.rate,
        'width_px': options.width,
        'busy_processes': options.hogs,
        'seconds_a_phase': options.seconds,
        'phases': rows,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_page(options.out / 'budget.html', flights, rows, report)
    # JSON knows no infinity, the latency of a frame that was dropped.
    text = json.dumps(report, indent=2).replace('Infinity', 'null')
    (options.out / 'budget.json').write_text(text + '\n', encoding='utf-8')
    print(f'budget {budget_ms:.0f} ms, {options.rate:g} Hz, {options.hogs} busy processes')
    for name, found in rows.items():
        for row in found:
            print(
                f'{name:>17}, {row["phase"]:<12}: {row["kept"]:6.1%} kept (goal {GOAL:.0%}), p50 '
                f'{row["p50_ms"]:.0f}, p95 {row["p95_ms"]:.0f} ms, {row["at_their_best"]:.0%} at '
                f'their best, {row["tiles"]:.0%} of the tiles, {row["dropped"]} dropped; first '
                f'second: {row["late_or_dropped_first_s"]} late'
            )
    print(options.out / 'budget.html')


if __name__ == '__main__':
    main()
