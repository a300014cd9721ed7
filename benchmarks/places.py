# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How far apart two successive frames of a flight place the same point of the ground.

Points are matched between the frames (ORB), the one nearest to the middle of the overlap counts.
Its distance from one frame to the other is compared with the covariances: d' (C1 + C2)^-1 d has the
median 1.39 where the errors of both frames are independent and as large as they are said to be.
Successive frames share most of their errors, so less is expected; more would be a fault.
`python benchmarks/places.py flights/brighton_beach flights/prairie_ponds`.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.uncertainty import ground_covariance
from rs_onboard.geo.wgs84 import wgs84_to_offset
from rs_onboard.replay.message_classes import provide_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rs_onboard.perception.frame import Frame

LEAST_MATCHES = 30


def frames_of(path: Path, given: Mapping[str, float]) -> list[Frame]:
    """Return the frames of a bag with camera and pose."""
    provide_messages()
    from rs_onboard.cli.replay.feed import Feed  # noqa: PLC0415  (after the messages)
    from rs_onboard.cli.replay.flight_run import topics_for  # noqa: PLC0415
    from rs_onboard.nodes.parameters import build  # noqa: PLC0415
    from rs_onboard.nodes.settings import TilerSettings  # noqa: PLC0415
    from rs_onboard.replay.alarms import Alarms  # noqa: PLC0415
    from rs_onboard.replay.reader import Bag  # noqa: PLC0415

    with Bag(path) as bag:
        choice = topics_for(bag, {})
        settings = build(TilerSettings, {**choice.values, **given})
        return [fed.frame for fed in Feed(bag, choice, settings, Alarms()).frames()]


def same_point(
    first: Frame, second: Frame
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return a pixel of each frame, (1, 2), that show one point; None without enough matches."""
    orb = cv2.ORB_create(3000)  # type: ignore[attr-defined]  # (not in the stubs)
    found = [orb.detectAndCompute(frame.image[:, :, 1], None) for frame in (first, second)]
    if any(descriptors is None for _, descriptors in found):
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(found[0][1], found[1][1])
    if len(matches) < LEAST_MATCHES:
        return None
    one = np.array([found[0][0][match.queryIdx].pt for match in matches])
    two = np.array([found[1][0][match.trainIdx].pt for match in matches])
    _, mask = cv2.findHomography(one, two, cv2.RANSAC, 3.0)
    if mask is None or mask.sum() < LEAST_MATCHES:
        return None
    one, two = one[mask.ravel() > 0], two[mask.ravel() > 0]
    middle = int(np.argmin(np.linalg.norm(one - one.mean(axis=0), axis=1)))
    return one[middle : middle + 1], two[middle : middle + 1]


def distance(first: Frame, second: Frame) -> tuple[float, float, float] | None:
    """Return distance [m], its standard deviation [m] and its square in units of that."""
    pixels = same_point(first, second)
    if pixels is None:
        return None
    places, covariances = [], []
    for frame, pixel in zip((first, second), pixels, strict=True):
        places.append(locate(pixel, frame.camera, frame.pose).wgs84)
        covariances.append(ground_covariance(pixel, frame.camera, frame.pose))
    one, two = places
    if one is None or two is None or covariances[0] is None or covariances[1] is None:
        return None
    apart = wgs84_to_offset(one, two[0, 1], two[0, 0])[0]
    total = covariances[0][0] + covariances[1][0]
    return (
        float(np.linalg.norm(apart)),
        float(np.sqrt(np.trace(total))),
        float(apart @ np.linalg.solve(total, apart)),
    )


def main() -> None:
    """Print a row a flight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE', dest='given')
    arguments = parser.parse_args()
    given = {name: float(value) for name, _, value in (x.partition('=') for x in arguments.given)}
    print("| flight | pairs | apart p50 [m] | p90 | expected [m] | d' C^-1 d p50 |")
    print('|---|--:|--:|--:|--:|--:|')
    for bag in arguments.bags:
        found = [distance(*pair) for pair in pairwise(frames_of(bag, given))]
        rows = np.array([row for row in found if row is not None])
        if not len(rows):
            print(f'| {bag.name} | 0 | - | - | - | - |')
            continue
        apart, high = np.percentile(rows[:, 0], (50, 90))
        expected, square = np.median(rows[:, 1]), np.median(rows[:, 2])
        print(
            f'| {bag.name} | {len(rows)} | {apart:.1f} | {high:.1f} | {expected:.1f} '
            f'| {square:.2f} |'
        )


if __name__ == '__main__':
    main()
