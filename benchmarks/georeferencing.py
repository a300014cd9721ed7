# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Processor time of what lies between a frame and its coordinates, at 1080p with a distorted lens.

Time of the calling thread, median of many calls, so that other work on the machine counts little:
`python benchmarks/georeferencing.py`.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.covariance import Accuracy
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.placing import place_shapes
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.pose_buffer import Fix, PoseBuffer
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.geo.terrain import Terrain
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.mask_areas import class_areas, mask_content
from rs_onboard.perception.results import SegmentationResult, TaskReport
from rs_onboard.perception.tile_filter import TileFilter
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tiles import TilePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rs_onboard.inference.card import TaskName

LENS = CameraModel(
    1920, 1080, 1500.0, 1500.0, 959.5, 539.5, 'plumb_bob', (-0.2, 0.05, 0.0, 0.0, 0.0), 1.0, 0.005
)
STEP_NS = 20_000_000
SAMPLES = 512


def pose_with(pitch: float = 0.0, terrain: Terrain | None = None) -> Pose:
    """Make a pose 100 m up that looks forward by an angle [rad] from straight down."""
    turn = multiply(from_roll_pitch_yaw(0.0, -pitch, 0.5), NADIR_MOUNT)
    covariance = np.eye(3)
    known = Pose(0, 46.0, 7.0, 500.0, 100.0, turn, covariance, covariance * 1e-3, 3.0)
    return known.over(terrain) if terrain is not None else known


def hills() -> Terrain:
    """Make terrain of 30 m cells with hills of 40 m."""
    x = np.arange(400)
    heights = 400.0 + 20.0 * np.sin(x[:, np.newaxis] / 9.0) * np.cos(x / 7.0)
    return Terrain('hills', heights.astype(np.float32), 6.92, 46.06, (4e-4, 3e-4))


def mask() -> SegmentationResult:
    """Make a mask of five classes in some hundred patches."""
    noise = np.random.default_rng(0).normal(size=(1080, 1920)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 25), np.float32)
    labels = np.digitize(smooth, np.quantile(smooth, (0.3, 0.6, 0.8, 0.9))).astype(np.uint8)
    header, report = FrameHeader(0, 'camera', 0, 1080, 1920), TaskReport('segmentation', 'ok')
    return SegmentationResult(
        header, report, tuple('abcde'), np.zeros((5, 3), np.uint8), labels, labels
    )


def poses() -> PoseBuffer:
    """Fill a pose buffer."""
    buffer = PoseBuffer(accuracy=Accuracy(2.5, 5.0, 3.0, 0.03, 0.09, 0.02), max_speed_mps=100.0)
    for stamp in range(0, SAMPLES * STEP_NS, STEP_NS):
        buffer.add_fix(stamp, Fix(46.0, 7.0, 500.0, np.eye(3)))
        buffer.add_attitude(stamp, (0.0, 0.0, 0.0, 1.0), np.eye(3) * 1e-4)
        buffer.add_height(stamp, 100.0)
    return buffer


def steps() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is timed, by name."""
    rng = np.random.default_rng(1)
    buffer, stamp = poses(), (SAMPLES - 3) * STEP_NS + STEP_NS // 3
    yield 'pose at a stamp', partial(buffer.at, stamp)
    corners = rng.uniform(0, 1000, (100, 1, 2)) + np.array([(0, 0), (40, 0), (40, 20), (0, 20)])
    shapes = [[quad] for quad in corners]
    for name, terrain in (('level ground', None), ('terrain', hills())):
        pose = pose_with(terrain=terrain)
        yield f'100 boxes with covariances, {name}', partial(place_shapes, shapes, LENS, pose)
        points = np.stack(np.meshgrid(np.arange(0, 1920, 16), np.arange(0, 1080, 16)), -1)
        flat = points.reshape(-1, 2).astype(float)
        yield f'grid of {len(flat)} pixels, {name}', partial(locate, flat, LENS, pose)
    image = np.zeros((1080, 1920, 3), np.uint8)
    plans: dict[TaskName, TilePlan] = {
        'scene': TilePlan(256, 256),
        'segmentation': TilePlan(512, 512, 64),
    }
    tiler = Tiler(plans, TileFilter(None, 3.0))
    for name, tilt in (('from above', 0.0), ('oblique', 1.1)):
        frame = Frame(FrameHeader(0, 'c', 0, 1080, 1920), image, LENS, pose_with(tilt))
        yield f'tiles laid out and chosen, {name}', partial(tiler.cut, frame)
    result, pose = mask(), pose_with()
    yield 'square metres by class of a mask', partial(class_areas, result, LENS, pose)
    count = len(mask_content(result, LENS, pose)['polygons'])
    yield f'the same and {count} polygons', partial(mask_content, result, LENS, pose)


def main() -> None:
    """Time every step and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--calls', type=int, default=40, help='calls of each (default: 40)')
    calls = parser.parse_args().calls
    cv2.setNumThreads(1)
    print('| step | CPU p50 [ms] | p95 |\n|---|--:|--:|')
    for name, call in steps():
        call()
        spent = []
        for _ in range(calls):
            start = time.thread_time_ns()
            call()
            spent.append((time.thread_time_ns() - start) / 1e6)
        low, high = np.percentile(spent, (50, 95))
        print(f'| {name} | {low:.2f} | {high:.2f} |')


if __name__ == '__main__':
    main()
