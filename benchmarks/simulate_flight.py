# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Fly a camera over a map: photographs and a track, as `rs_onboard bag from-images` takes them.

    python benchmarks/simulate_flight.py MAP OUT --start 2014-07-20T15:00:00

The flight is a lawn mower's: legs east and west. Each photograph is the map through a camera that
rolls and pitches, in its own light and with noise; the track has the errors of a receiver and of an
attitude filter. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.reference.opening import open_map
from rs_onboard.geo.reference.view import GroundGrid, ReferenceMap
from rs_onboard.geo.rotation import NADIR_MOUNT, multiply
from rs_onboard.geo.wgs84 import offset_to_wgs84
from rs_onboard.replay.attitude import enu_from_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ALTITUDE_M = 560.0
# Of the flight itself, and of what the track says of it: standard deviations.
SWAY_M, SWAY_DEG = 8.0, 2.0
FIX_ERROR_M, ATTITUDE_ERROR_DEG, HEADING_ERROR_DEG = 4.0, 0.6, 1.5
LIGHT, NOISE = 0.06, 2.0
JPEG_QUALITY = 88
COLUMNS = (
    'file',
    'datetime',
    'lat_deg',
    'lon_deg',
    'alt_msl_m',
    'rel_alt_m',
    'yaw_deg',
    'pitch_deg',
    'roll_deg',
    'focal_px',
    'full_width_px',
)


@dataclass(frozen=True)
class Place:
    """Where the aircraft is: east and north of the middle of the map [m], heading [deg]."""

    east_m: float
    north_m: float
    heading_deg: float


def lawn_mower(length_m: float, rows_m: list[float], step_m: float) -> Iterator[Place]:
    """Yield a place every `step_m` on legs as long as `length_m`, to the east and back in turn."""
    along = np.arange(-length_m / 2, length_m / 2 + 1.0, step_m)
    for number, north in enumerate(rows_m):
        back = number % 2 == 1
        for east in along[::-1] if back else along:
            yield Place(float(east), north, 270.0 if back else 90.0)


def photograph(
    ground: ReferenceMap, camera: CameraModel, pose: Pose, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Take a photograph, (H, W, 3) uint8 RGB."""
    view = ground.view(GroundGrid.of(camera, pose))
    light = view.image * (1.0 + rng.normal(0.0, LIGHT)) + rng.normal(0.0, NOISE, view.image.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def main() -> None:
    """Write photographs and track."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('map', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--start', default='2024-06-01T10:00:00', help='time of the first, UTC')
    parser.add_argument('--height', type=float, default=1056.0, help='above the ground [m]')
    parser.add_argument('--rows', type=float, nargs='+', default=[600.0, 0.0, -600.0])
    parser.add_argument('--length', type=float, default=1320.0, help='of a leg [m]')
    parser.add_argument('--step', type=float, default=165.0, help='between photographs [m]')
    parser.add_argument('--speed', type=float, default=40.0, help='over ground [m/s]')
    parser.add_argument('--seed', type=int, default=7)
    options = parser.parse_args()
    camera = CameraModel(480, 360, 480.0, 480.0, 239.5, 179.5)
    ground = ReferenceMap(open_map(options.map))
    west, south, east, north = ground.info.bounds
    latitude, longitude = (south + north) / 2, (west + east) / 2
    start = datetime.fromisoformat(options.start).replace(tzinfo=timezone.utc)
    rng = np.random.default_rng(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    rows, flown_s, before = [], 0.0, None
    for number, place in enumerate(lawn_mower(options.length, options.rows, options.step)):
        if before is not None:
            way = (place.east_m - before.east_m, place.north_m - before.north_m)
            flown_s += math.hypot(*way) / options.speed
        before = place
        offset = np.array([[place.east_m, place.north_m]]) + rng.normal(0.0, SWAY_M, (1, 2))
        pitch, roll = rng.normal(0.0, SWAY_DEG, 2)
        (there,) = offset_to_wgs84(offset, latitude, longitude)
        pose = Pose(
            0,
            float(there[1]),
            float(there[0]),
            ALTITUDE_M + options.height,
            options.height,
            multiply(enu_from_body(place.heading_deg, float(pitch), float(roll)), NADIR_MOUNT),
        )
        name = f'IMG_{number:04d}.jpg'
        bgr = photograph(ground, camera, pose, rng)[:, :, ::-1]
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        cv2.imwrite(str(options.out / name), np.ascontiguousarray(bgr), quality)
        told = offset + rng.normal(0.0, FIX_ERROR_M, (1, 2))
        (fix,) = offset_to_wgs84(told, latitude, longitude)
        pitch, roll = np.array((pitch, roll)) + rng.normal(0.0, ATTITUDE_ERROR_DEG, 2)
        stamp = start + timedelta(seconds=round(flown_s))
        rows.append((
            name,
            stamp.strftime('%Y-%m-%dT%H:%M:%SZ'),
            f'{fix[1]:.7f}',
            f'{fix[0]:.7f}',
            f'{ALTITUDE_M + options.height:.1f}',
            f'{options.height:.1f}',
            f'{place.heading_deg + rng.normal(0.0, HEADING_ERROR_DEG):.2f}',
            f'{pitch:.2f}',
            f'{roll:.2f}',
            f'{camera.fx:.0f}',
            camera.width,
        ))  # fmt: skip
    with (options.out / 'track.csv').open('w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows([COLUMNS, *rows])


if __name__ == '__main__':
    main()
