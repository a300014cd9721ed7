# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The commands `rs_onboard bag from-images` and `rs_onboard bag info`."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.replay.errors import BagError

if TYPE_CHECKING:
    import argparse

    from rs_onboard.replay.reader import Bag

FROM_IMAGES_HELP = """\
Make a ROS 2 bag (MCAP) of a folder of geotagged JPEG images. Position, time, focal length
and, from DJI cameras, attitude, gimbal and height come from EXIF and XMP; a track beside the images
(CSV with a header line, or DJI's SRT subtitles) replaces what it knows better. JPEG bytes are not
touched."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `bag` command to those of `rs_onboard`."""
    parser = subparsers.add_parser('bag', help='make a bag from images, or look into a bag')
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    make = actions.add_parser(
        'from-images', help='make a bag from geotagged images', description=FROM_IMAGES_HELP
    )
    make.add_argument('folder', type=Path, metavar='FOLDER', help='images of one flight')
    make.add_argument('--out', type=Path, required=True, metavar='BAG', help='bag folder to create')
    make.add_argument('--track', type=Path, metavar='FILE', help='CSV or SRT track')
    make.add_argument(
        '--rate',
        type=float,
        metavar='HZ',
        help='images per second, in order of name; default: the capture times',
    )
    make.add_argument(
        '--camera-file',
        type=Path,
        metavar='YAML',
        help='camera_info file of camera_calibration; default: the focal length of the images',
    )
    make.add_argument(
        '--sensor-width-mm',
        type=float,
        metavar='MM',
        help='width of the sensor, where the images tell the focal length in mm only',
    )
    make.add_argument(
        '--pose-rate-hz',
        type=float,
        default=0.0,
        metavar='HZ',
        help='also write poses interpolated between the images, a guess; default: %(default)g',
    )
    make.add_argument(
        '--no-gimbal',
        action='store_true',
        help='leave the gimbal angles out, for cameras that write zeros',
    )
    make.add_argument(
        '--geoid-m',
        type=float,
        default=0.0,
        metavar='M',
        help="height of the geoid, added to the images' altitudes; default: %(default)g",
    )
    info = actions.add_parser('info', help='list the topics of a bag and what is wrong with it')
    info.add_argument('bag', type=Path, metavar='BAG', help='folder, .mcap, .db3 or .bag file')


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    return _from_images(args) if args.action == 'from-images' else _info(args)


def _from_images(args: argparse.Namespace) -> int:
    from rs_onboard.replay.from_images import (  # noqa: PLC0415 --help need not load numpy
        FlightOptions,
        bag_from_images,
    )

    options = FlightOptions(
        track=args.track,
        rate=args.rate,
        camera_file=args.camera_file,
        sensor_width_mm=args.sensor_width_mm,
        pose_rate_hz=args.pose_rate_hz,
        gimbal=not args.no_gimbal,
        geoid_m=args.geoid_m,
    )
    bag = bag_from_images(args.folder, args.out, options)
    for note in bag.notes:
        print(f'note: {note}', file=sys.stderr)
    camera = bag.camera
    print(
        f'{bag.path}: {bag.images} images of {camera.width}x{camera.height} px, '
        f'{(bag.end_ns - bag.start_ns) / 1e9:.1f} s from {_date(bag.start_ns)}, '
        f'focal length {camera.fx:.1f} px, {bag.size_bytes / 1e6:.1f} MB'
    )
    for topic, count in bag.counts.items():
        print(f'  {topic}: {count or "unknown, none written"}')
    return 0


def _info(args: argparse.Namespace) -> int:
    from rs_onboard.replay.reader import Bag  # noqa: PLC0415 --help need not load rosbags

    with Bag(args.bag) as bag:
        first, last = _read_through(bag)
        print(f'{bag.path}: {bag.report.read.total()} messages')
        if first is not None and last is not None:
            print(f'  from {_date(first)} for {(last - first) / 1e9:.3f} s')
        for key, value in bag.notes.items():
            print(f'  {key}: {value}')
        width = max((len(x) for x in bag.topics), default=0)
        for name, topic in bag.topics.items():
            count = bag.report.read[name]
            backward = bag.report.backward[name]
            remark = f', {backward} stamps go back' if backward else ''
            if malformed := bag.report.malformed[name]:
                remark += f', {malformed} malformed messages left out'
            print(f'  {name:{width}}  {topic.type_name}  {count}{remark}')
            if topic.problem:
                print(f'    cannot be decoded: {topic.problem}')
        if bag.report.damage:
            raise bag.damage_error()
    return 0


def _read_through(bag: Bag) -> tuple[int | None, int | None]:
    """Read every message; return the first and last log time."""
    first: int | None = None
    last: int | None = None
    for message in bag.messages(strict=False):
        time = message.log_time_ns
        first = time if first is None else min(first, time)
        last = time if last is None else max(last, time)
    if first is None and not bag.report.damage:
        msg = f'{bag.path}: holds no messages.'
        raise BagError(msg)
    return first, last


def _date(stamp_ns: int) -> str:
    return f'{datetime.fromtimestamp(stamp_ns // 1_000_000_000, timezone.utc):%Y-%m-%d %H:%M:%S}'
