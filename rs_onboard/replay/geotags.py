# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of geotagged images, put in order of capture."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rs_onboard.replay.errors import FlightImagesError, GeotagError
from rs_onboard.replay.exif import read_exif
from rs_onboard.replay.geotag import Geotag
from rs_onboard.replay.jpeg import read_jpeg_parts
from rs_onboard.replay.track import read_track
from rs_onboard.replay.xmp import read_xmp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.replay.track import Track

JPEG_SUFFIXES = frozenset({'.jpg', '.jpeg'})
# Four times the largest JPEG of today's 100-megapixel survey cameras.
MAX_IMAGE_BYTES = 256 * 2**20
# Where neither images nor track know a time and only a rate is given: 2000-01-01, plainly made up.
UNKNOWN_START_NS = 946_684_800_000_000_000
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class FlightImage:
    """One image of a flight.

    Attributes:
        path: The JPEG file.
        stamp_ns: Capture time, nanoseconds since 1970; rises from image to image.
        width: Pixels.
        height: Pixels.
        tag: What image and track know about it.
    """

    path: Path
    stamp_ns: int
    width: int
    height: int
    tag: Geotag


@dataclass(frozen=True)
class FlightImages:
    """The images of a flight in order of capture, with remarks for the user."""

    images: tuple[FlightImage, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Unordered:
    path: Path
    width: int
    height: int
    tag: Geotag


def read_image_bytes(path: Path) -> bytes:
    """Read a whole image file.

    Raises:
        GeotagError: The file is larger than any camera writes.
    """
    if (size := path.stat().st_size) > MAX_IMAGE_BYTES:
        raise GeotagError(
            path.name, 'the size', size, f'up to {MAX_IMAGE_BYTES} bytes', 'Remove the file.'
        )
    return path.read_bytes()


def read_geotag(path: Path) -> tuple[int, int, Geotag]:
    """Read width, height and geotag of one JPEG image; XMP goes before EXIF.

    Raises:
        GeotagError: The file is damaged or a value is out of range.
    """
    parts = read_jpeg_parts(path.name, read_image_bytes(path))
    tag = read_exif(path.name, parts.exif) if parts.exif else Geotag()
    if parts.xmp:
        tag = tag.updated(read_xmp(path.name, parts.xmp))
    return parts.width, parts.height, tag


def read_flight_images(
    folder: Path, *, track: Path | None = None, rate: float | None = None
) -> FlightImages:
    """Read the geotags of all JPEG images of a folder and put the images in order of capture.

    With a rate, the order is that of the file names (numbers by value) and image k is stamped
    k/rate seconds after the first. Without, the capture times give order and stamps; images that
    share a second are spread evenly over it, for many cameras write whole seconds.

    Args:
        folder: Folder of one flight of one camera.
        track: CSV or SRT track whose fields replace those of the images.
        rate: Images per second.

    Raises:
        FlightImagesError: No images, two image sizes, or unknown capture times.
        GeotagError: A file is damaged or a value is out of range.
    """
    if rate is not None and not 1e-4 <= rate <= 1e3:
        msg = f'rate is {rate:g}; allowed: 0.0001 to 1000 images per second.'
        raise FlightImagesError(msg)
    paths = _jpeg_files(folder)
    given = None if track is None else read_track(track)
    found = [_Unordered(x, *read_geotag(x)) for x in paths]
    notes: list[str] = []
    if rate is not None:
        found = _at_rate(found, given, rate)
    if given is not None:
        notes += _track_notes(given, found, by_rate=rate is not None)
        found = [_merged(given, x, by_rate=rate is not None) for x in found]
    _check_one_camera(found)
    images = _in_order(found)
    if missing := [x.path.name for x in images if not x.tag.has_position]:
        notes.append(
            f'{len(missing)} of {len(images)} images have no position (first: {missing[0]}); '
            'their fixes say so.'
        )
    return FlightImages(images, tuple(notes))


def _jpeg_files(folder: Path) -> list[Path]:
    """List the JPEG files of a folder, numbers in names by value."""
    if not folder.is_dir():
        kind = 'is a file' if folder.exists() else 'does not exist'
        msg = f'{folder}: {kind}; give the folder that holds the images of one flight.'
        raise FlightImagesError(msg)
    files = [x for x in folder.iterdir() if x.is_file()]
    paths = [x for x in files if x.suffix.lower() in JPEG_SUFFIXES]
    if not paths:
        endings = ', '.join(sorted({x.suffix or x.name for x in files})[:8]) or 'nothing'
        msg = (
            f'{folder}: no images, found {endings}; allowed: .jpg and .jpeg. '
            'Convert other formats, keeping their EXIF data.'
        )
        raise FlightImagesError(msg)

    def key(path: Path) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r'(\d+)', path.name.lower())
        return [(int(x), '') if x.isdecimal() else (-1, x) for x in parts], path.name

    return sorted(paths, key=key)


def _at_rate(found: Sequence[_Unordered], track: Track | None, rate: float) -> list[_Unordered]:
    """Stamp images at an even rate, from the first time that anything knows."""
    first = track.samples[0] if track is not None and track.samples else found[0].tag
    start = UNKNOWN_START_NS if first.stamp_ns is None else first.stamp_ns
    # A track without dates counts from zero, but a stamp of zero means "not set" in ROS.
    start = max(start, 1)
    return [
        replace(x, tag=replace(x.tag, stamp_ns=start + round(index * _SECOND_NS / rate)))
        for index, x in enumerate(found)
    ]


def _merged(track: Track, image: _Unordered, *, by_rate: bool) -> _Unordered:
    tag = track.merge(image.path.name, image.tag)
    return replace(image, tag=replace(tag, stamp_ns=image.tag.stamp_ns) if by_rate else tag)


def _track_notes(track: Track, found: Sequence[_Unordered], *, by_rate: bool) -> list[str]:
    """Check that track and images belong together."""
    if not track.by_file:
        missed = [x.path.name for x in found if track.at(x.tag.stamp_ns) is None]
        if len(missed) == len(found):
            msg = (
                f'{track.source}: covers the time of none of the {len(found)} images. Check that '
                'both clocks agree, or give --rate where the images carry no times.'
            )
            raise FlightImagesError(msg)
        return [f'{track.source} does not cover {len(missed)} images.'] if missed else []
    names = {x.path.name.lower() for x in found}
    if not names & track.by_file.keys():
        msg = (
            f'{track.source}: names none of the {len(found)} images; it has '
            f'{next(iter(track.by_file))!r}, the folder {found[0].path.name!r}. '
            'Correct the file names in the track.'
        )
        raise FlightImagesError(msg)
    notes = []
    if extra := track.by_file.keys() - names:
        notes.append(f'{track.source}: {len(extra)} rows name no image of the folder.')
    if lacking := names - track.by_file.keys():
        notes.append(f'{track.source}: {len(lacking)} images have no row.')
    offsets = [
        abs(row.stamp_ns - x.tag.stamp_ns) / _SECOND_NS
        for x in found
        if (row := track.by_file.get(x.path.name.lower())) is not None
        and row.stamp_ns is not None
        and x.tag.stamp_ns is not None
    ]
    if not by_rate and (far := [x for x in offsets if x > 2]):
        notes.append(
            f'{track.source}: its times differ from those in {len(far)} images by up to '
            f'{max(far):.0f} s; the track was used. Remove its time column to use the images.'
        )
    return notes


def _check_one_camera(found: Sequence[_Unordered]) -> None:
    first = found[0]
    for image in found:
        if (image.width, image.height) != (first.width, first.height):
            msg = (
                f'{image.path.name}: {image.width}x{image.height} pixels, but '
                f'{first.path.name} has {first.width}x{first.height}; a bag holds one camera. '
                'Put the images of each camera into a folder of its own.'
            )
            raise FlightImagesError(msg)


def _in_order(found: Sequence[_Unordered]) -> tuple[FlightImage, ...]:
    """Sort by capture time and make every stamp unique."""
    if unknown := [x.path.name for x in found if x.tag.stamp_ns is None]:
        msg = (
            f'{len(unknown)} of {len(found)} images have no capture time (first: {unknown[0]}). '
            'Give a --track with a datetime column, or --rate to stamp them in order of name.'
        )
        raise FlightImagesError(msg)
    groups: dict[int, list[_Unordered]] = {}
    for image in found:
        groups.setdefault(image.tag.stamp_ns or 0, []).append(image)
    ordered = []
    stamps = sorted(groups)
    for stamp, later in zip(stamps, [*stamps[1:], stamps[-1] + _SECOND_NS], strict=True):
        step = min(_SECOND_NS, later - stamp) // len(groups[stamp])
        ordered += [
            FlightImage(x.path, stamp + index * step, x.width, x.height, x.tag)
            for index, x in enumerate(groups[stamp])
        ]
    return tuple(ordered)
