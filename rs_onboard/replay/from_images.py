# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of geotagged images as a ROS 2 bag."""

from __future__ import annotations

import heapq
import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.replay.calibration import camera_for_images, camera_from_tag
from rs_onboard.replay.errors import BagError, CalibrationError, FlightImagesError
from rs_onboard.replay.geotags import read_flight_images, read_image_bytes
from rs_onboard.replay.interpolation import densify
from rs_onboard.replay.messages import MessageMaker
from rs_onboard.replay.topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    FIX,
    GIMBAL,
    HEIGHT,
    IMU,
    TOPICS,
)
from rs_onboard.replay.typestore import make_typestore
from rs_onboard.replay.writer import BagWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rosbags.typesys.store import Typestore

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.replay.geotags import FlightImage
    from rs_onboard.replay.topics import TopicNames

    # Log time (ns), order within one time, topic, type, message.
    Entry = tuple[int, int, str, str, object]


@dataclass(frozen=True)
class FlightOptions:
    """How images become a bag.

    Attributes:
        track: CSV or SRT track whose fields replace those of the images.
        rate: Images per second; the capture times are used if not given.
        camera_file: ROS camera_info file; the focal length of the images is used if not given.
        sensor_width_mm: Width of the part of the sensor that the images show.
        pose_rate_hz: Poses interpolated between those of the images; 0 for none.
        gimbal: Whether the gimbal angles are believed; some cameras write zeros.
        geoid_m: Added to every altitude. NavSatFix wants heights above the ellipsoid and cameras
            write heights above mean sea level; the difference is the geoid's height at the place.
        topics: Topic names.
    """

    track: Path | None = None
    rate: float | None = None
    camera_file: Path | None = None
    sensor_width_mm: float | None = None
    pose_rate_hz: float = 0.0
    gimbal: bool = True
    geoid_m: float = 0.0
    topics: TopicNames = TOPICS

    def __post_init__(self) -> None:
        """Check the numbers that nothing else checks.

        Raises:
            FlightImagesError: A value is out of range.
        """
        for name, value, low, high in (
            ('pose_rate_hz', self.pose_rate_hz, 0.0, 1000.0),
            ('geoid_m', self.geoid_m, -120.0, 120.0),
        ):
            if not low <= value <= high:
                msg = f'{name} is {value:g}; allowed: {low:g} to {high:g}.'
                raise FlightImagesError(msg)


@dataclass(frozen=True)
class FlightBag:
    """What was written.

    Attributes:
        path: The bag folder.
        images: Number of images.
        start_ns: Stamp of the first image.
        end_ns: Stamp of the last image.
        camera: Intrinsics.
        counts: Messages of each topic.
        size_bytes: Size of the bag.
        notes: Remarks for the user, such as images without a position.
    """

    path: Path
    images: int
    start_ns: int
    end_ns: int
    camera: CameraModel
    counts: Mapping[str, int]
    size_bytes: int
    notes: tuple[str, ...]


def bag_from_images(folder: Path, out: Path, options: FlightOptions | None = None) -> FlightBag:
    """Write the images of a folder, with what they know about themselves, as a ROS 2 MCAP bag.

    Topics, frames and their meaning are described in `rs_onboard.replay.topics`, the attitudes in
    `rs_onboard.replay.attitude`. The JPEG bytes are not touched. Header stamp and log time are the
    capture time; at each stamp the pose comes before the image. The same images, options and
    version of rosbags give the same bytes.

    Args:
        folder: JPEG images of one flight of one camera.
        out: Bag folder to create.
        options: How; the defaults use only what the images say.

    Raises:
        FlightImagesError: The folder is no flight, or an option is out of range.
        GeotagError: An image or the track is damaged or out of range.
        CalibrationError: The intrinsics are unknown or contradict the images.
        BagError: The bag exists already or cannot be written.
    """
    options = options or FlightOptions()
    if out.exists():
        msg = f'{out}: exists already and is not overwritten. Remove it or give another --out.'
        raise BagError(msg)
    flight = read_flight_images(folder, track=options.track, rate=options.rate)
    images = flight.images
    camera = _camera(images, options)
    store = make_typestore()
    try:
        with BagWriter(out, store=store, notes=_notes(images, options)) as writer:
            for topic, type_name in _topics(options.topics):
                writer.add_topic(topic, type_name)
            measured = _measured(images, camera, store, options)
            guessed = _interpolated(images, store, options) if options.pose_rate_hz else iter(())
            for time, _, topic, type_name, message in heapq.merge(
                measured, guessed, key=lambda x: x[:2]
            ):
                writer.write_message(topic, type_name, message, time)
            counts = dict(writer.counts)
    except BaseException:
        # Half a flight would look like a whole one.
        shutil.rmtree(out, ignore_errors=True)
        raise
    return FlightBag(
        path=out,
        images=len(images),
        start_ns=images[0].stamp_ns,
        end_ns=images[-1].stamp_ns,
        camera=camera,
        counts=counts,
        size_bytes=sum(x.stat().st_size for x in out.iterdir()),
        notes=flight.notes,
    )


def _topics(names: TopicNames) -> tuple[tuple[str, str], ...]:
    return (
        (names.fix, FIX),
        (names.imu, IMU),
        (names.gimbal, GIMBAL),
        (names.rel_alt, HEIGHT),
        (names.camera_info, CAMERA_INFO),
        (names.image, COMPRESSED_IMAGE),
    )


def _camera(images: tuple[FlightImage, ...], options: FlightOptions) -> CameraModel:
    """Derive the intrinsics from the first image, and refuse a zoom lens that moved."""
    first = images[0]
    if options.camera_file is not None:
        return camera_for_images(options.camera_file, first.width, first.height)
    cameras = [
        camera_from_tag(x.tag, x.width, x.height, sensor_width_mm=options.sensor_width_mm)
        for x in images
    ]
    for image, camera in zip(images, cameras, strict=True):
        if not math.isclose(camera.fx, cameras[0].fx, rel_tol=0.01):
            msg = (
                f'{image.path.name}: focal length is {camera.fx:.0f} px, but {first.path.name} has '
                f'{cameras[0].fx:.0f} px; allowed: one focal length a bag. '
                'Put the images of each zoom setting into a folder of its own.'
            )
            raise CalibrationError(msg)
    return cameras[0]


def _pose_entries(
    image: FlightImage, maker: MessageMaker, options: FlightOptions
) -> Iterator[Entry]:
    time, tag, names = image.stamp_ns, image.tag, options.topics
    yield time, 0, names.fix, FIX, maker.fix(time, tag, geoid_m=options.geoid_m)
    yield time, 1, names.imu, IMU, maker.imu(time, tag)
    if options.gimbal and (gimbal := maker.gimbal(time, tag)) is not None:
        yield time, 2, names.gimbal, GIMBAL, gimbal
    if (height := maker.height(tag)) is not None:
        yield time, 3, names.rel_alt, HEIGHT, height


def _measured(
    images: tuple[FlightImage, ...],
    camera: CameraModel,
    store: Typestore,
    options: FlightOptions,
) -> Iterator[Entry]:
    """Yield what each image becomes, in time order, reading one image at a time."""
    maker = MessageMaker(store)
    names = options.topics
    for image in images:
        time = image.stamp_ns
        yield from _pose_entries(image, maker, options)
        yield time, 4, names.camera_info, CAMERA_INFO, maker.camera_info(time, camera)
        jpeg = read_image_bytes(image.path)
        yield time, 5, names.image, COMPRESSED_IMAGE, maker.image(time, jpeg)


def _interpolated(
    images: tuple[FlightImage, ...], store: Typestore, options: FlightOptions
) -> Iterator[Entry]:
    """Yield poses between those of the images, in time order."""
    maker = MessageMaker(store)
    series: dict[int, list[Entry]] = {}
    for image in images:
        for entry in _pose_entries(image, maker, options):
            series.setdefault(entry[1], []).append(entry)

    def stream(entries: list[Entry]) -> Iterator[Entry]:
        _, order, topic, type_name, _ = entries[0]
        samples = ((x[0], x[4]) for x in entries)
        for time, message in densify(type_name, samples, options.pose_rate_hz, store):
            yield time, order, topic, type_name, message

    yield from heapq.merge(*(stream(x) for x in series.values()), key=lambda x: x[:2])


def _notes(images: tuple[FlightImage, ...], options: FlightOptions) -> dict[str, str]:
    """Describe in the bag what cannot be seen from its messages."""
    rate = options.pose_rate_hz
    altitude = 'as in the images' + (f', plus {options.geoid_m:g} m' if options.geoid_m else '')
    return {
        'made_by': 'rs_onboard bag from-images',
        'images': str(len(images)),
        'poses': f'interpolated at {rate:g} Hz' if rate else 'only at the images',
        'stamps': f'{options.rate:g} images per second' if options.rate else 'capture times',
        'altitude': altitude,
    }
