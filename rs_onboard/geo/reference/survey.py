# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The shots of a flight, and which places they have in common: what a map can be made of."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError, RegistrationError
from rs_onboard.geo.homography import inverse, project, rescaling
from rs_onboard.geo.reference.adjust import Link, Looseness, Stand, adjust, moved, solve
from rs_onboard.geo.registration import Registrar, RegistrationLimits
from rs_onboard.geo.rotation import rotation_matrix
from rs_onboard.geo.wgs84 import wgs84_to_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.geo.reference.adjust import Adjusted
    from rs_onboard.geo.registration import MatcherName, Registration

# A shot that moves on by less than this share of its footprint adds little.
LEAST_STEP = 0.12
# Unless it is finer than the earlier one by this ratio.
FINER = 0.8
# Shots whose middles are further apart than this share of their diagonal have too little in common.
NEAR = 0.75
NEIGHBOURS = 5
MOST_MATCHES = 60
MOST_TILT_RAD = math.radians(40)
LEAST_HEIGHT_M = 3.0
# Frames of one flight share camera and light, and often only a strip: a small one will do.
LIMITS = RegistrationLimits(overlap=0.15, inliers=10, agreement=0.1, spread=0.04)
# Shots may differ in brightness by this share, as a standard deviation.
GAIN_SIGMA = 0.1
SMALL_SIDE = 960
SMALL_QUALITY = 92
# Of 46 pairs of the bundled flight the first registers 26, the second four more.
MATCHING: tuple[MatcherName, ...] = ('gradient', 'sift')


@dataclass(frozen=True)
class Placed:
    """A shot in its place.

    Attributes:
        to_pixels: (3, 3) float64, east and north of the origin [m] to pixels of the shot.
        gain: What its values are multiplied by.
    """

    to_pixels: NDArray[np.float64]
    gain: float


@dataclass(frozen=True)
class Shot:
    """A picture that was kept.

    Attributes:
        sequence: Number of its frame.
        stamp_ns: Stamp of its frame [ns].
        to_pixels: (3, 3) float64, east and north of the origin [m] to its pixels, by its pose.
        shape: Its rows and columns [px].
        stand: Where it stands by its pose.
        middle: (2,) east and north of the middle of its footprint [m].
        reach_m: Diagonal of its footprint [m].
        gsd_m: Ground sample distance [m/px].
        small: The picture reduced, as JPEG.
    """

    sequence: int
    stamp_ns: int
    to_pixels: NDArray[np.float64]
    shape: tuple[int, int]
    stand: Stand
    middle: NDArray[np.float64]
    reach_m: float
    gsd_m: float
    small: bytes = field(repr=False)


@dataclass
class SurveyReport:
    """What became of the frames and of the pairs of shots.

    Attributes:
        left_out: Frames that were not kept, by reason.
        pairs: Pairs of shots that should have ground in common.
        linked: Pairs that were brought into register.
        alone: Shots linked to no other, which lie where their pose says.
        before_m: Distance of matches by the poses, root mean square [m].
        after_m: The same once adjusted [m].
    """

    left_out: dict[str, int] = field(default_factory=dict)
    pairs: int = 0
    linked: int = 0
    alone: int = 0
    before_m: float = 0.0
    after_m: float = 0.0


class Survey:
    """Collects shots and finds where each of them lies.

    Args:
        matchers: What brings pairs of shots into register; the next where the last could not;
            None for `MATCHING`.
        loose: How far shots may leave their poses.

    Attributes:
        shots: Those kept.
        report: What became of all.
    """

    def __init__(
        self, matchers: Sequence[MatcherName] | None = None, loose: Looseness | None = None
    ) -> None:
        self._registrars = [Registrar(matcher, LIMITS) for matcher in matchers or MATCHING]
        self._loose = loose or Looseness()
        self._links: list[Link] = []
        self._lights: list[tuple[int, int, float]] = []
        self.origin: tuple[float, float] | None = None
        self.shots: list[Shot] = []
        self.report = SurveyReport()

    def add(self, image: NDArray[np.uint8], camera: CameraModel, pose: Pose, sequence: int) -> bool:
        """Take a frame, without distortion; returns whether it was kept.

        Args:
            image: (H, W, 3) uint8 RGB.
            camera: Its intrinsics, of a pinhole.
            pose: Where it was taken.
            sequence: Its number.
        """
        if reason := unfit_pose(pose):
            return self.leave(reason)
        if self.origin is None:
            self.origin = pose.latitude_deg, pose.longitude_deg
        shot = self._shot(image, camera, pose, sequence)
        if any(
            np.linalg.norm(shot.middle - other.middle) < LEAST_STEP * other.reach_m
            and shot.gsd_m > FINER * other.gsd_m
            for other in self.shots
        ):
            return self.leave('shows what an earlier one shows')
        self.shots.append(shot)
        self._link(len(self.shots) - 1)
        return True

    def place(self) -> list[Placed]:
        """Adjust all shots to one another.

        Raises:
            MapError: There is no shot.
        """
        self.require_shots()
        stands = [shot.stand for shot in self.shots]
        found = adjust(stands, self._links, self._loose)
        self.report.before_m, self.report.after_m = found.before_m, found.after_m
        linked = {number for link in self._links for number in (link.first, link.second)}
        self.report.alone = len(self.shots) - len(linked)
        gains = self._gains()
        return [
            Placed(_replaced(shot, found, number), gains[number])
            for number, shot in enumerate(self.shots)
        ]

    def require_shots(self) -> None:
        """Refuse a flight of which no frame was kept.

        Raises:
            MapError: Says why each was left out.
        """
        if not self.shots:
            reasons = ', '.join(f'{n} {why}' for why, n in self.report.left_out.items())
            raise MapError(
                f'no frame can be laid on the ground ({reasons or "there is none"}). A flight '
                'needs intrinsics, position, attitude and height.'
            )

    @property
    def gsd_m(self) -> float:
        """Median ground sample distance of the shots [m/px]."""
        return float(np.median([shot.gsd_m for shot in self.shots]))

    def leave(self, reason: str) -> bool:
        """Count a frame that was not kept; returns False."""
        self.report.left_out[reason] = self.report.left_out.get(reason, 0) + 1
        return False

    def _shot(
        self, image: NDArray[np.uint8], camera: CameraModel, pose: Pose, sequence: int
    ) -> Shot:
        assert self.origin is not None
        assert pose.height_m is not None
        assert pose.orientation is not None
        here = np.array([[pose.longitude_deg, pose.latitude_deg]])
        centre = wgs84_to_offset(here, *self.origin)[0]
        to_pixels = ground_to_pixels(camera, pose, centre)
        height, width = image.shape[:2]
        ends = np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], float)
        corners = project(inverse(to_pixels), ends)
        shrink = min(1.0, SMALL_SIDE / max(height, width))
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, SMALL_QUALITY])
        area = abs(float(cv2.contourArea((corners - corners[0]).astype(np.float32))))
        return Shot(
            sequence=sequence,
            stamp_ns=pose.stamp_ns,
            to_pixels=to_pixels,
            shape=(height, width),
            stand=Stand(centre, pose.height_m),
            middle=corners.mean(axis=0),
            reach_m=float(np.linalg.norm(corners[2] - corners[0])),
            gsd_m=math.sqrt(area / (height * width)),
            small=np.asarray(data, np.uint8).tobytes(),
        )

    def _link(self, number: int) -> None:
        """Register a shot with its nearest neighbours."""
        shot = self.shots[number]
        distances = [float(np.linalg.norm(shot.middle - other.middle)) for other in self.shots[:-1]]
        near = [
            other
            for other in np.argsort(distances, kind='stable').tolist()
            if distances[other] < NEAR * min(shot.reach_m, self.shots[other].reach_m)
        ]
        for other in near[:NEIGHBOURS]:
            self.report.pairs += 1
            if (link := self._common(number, other)) is not None:
                self._links.append(link)
                self.report.linked += 1

    def _common(self, first: int, second: int) -> Link | None:
        """Find the places that two shots share; None where they cannot be brought together."""
        (here, ours), (there, theirs) = (self._small(number) for number in (first, second))
        motion = ours @ inverse(theirs)
        size = here.shape[1], here.shape[0]
        view = np.asarray(cv2.warpPerspective(there, motion, size), np.uint8)
        whole = np.full(there.shape[:2], 255, np.uint8)
        seen = np.asarray(cv2.warpPerspective(whole, motion, size), np.uint8) == 255
        if (found := self._registered(here, view, seen, first)) is None:
            return None
        if found.inliers > MOST_MATCHES:
            rows = np.linspace(0, found.inliers - 1, MOST_MATCHES).astype(int)
            source, target = found.source[rows], found.target[rows]
        else:
            source, target = found.source, found.target
        laid = np.asarray(cv2.warpPerspective(view, found.homography, size), np.uint8)
        both = np.asarray(
            cv2.warpPerspective(seen.view(np.uint8), found.homography, size), np.uint8
        )
        bright = [float(image[both > 0].mean()) if both.any() else 0.0 for image in (here, laid)]
        if min(bright) > 1.0:
            self._lights.append((first, second, math.log(bright[0] / bright[1])))
        places = project(inverse(motion), source)
        return Link(
            first,
            second,
            project(inverse(ours), target),
            project(inverse(theirs), places),
        )

    def _registered(
        self, here: NDArray[np.uint8], view: NDArray[np.uint8], seen: NDArray[np.bool_], number: int
    ) -> Registration | None:
        gsd = self.shots[number].gsd_m * max(self.shots[number].shape) / max(here.shape)
        for registrar in self._registrars:
            with contextlib.suppress(RegistrationError):
                return registrar.register(here, view, seen, gsd)
        return None

    def _small(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return the reduced picture of a shot and ground to its pixels."""
        shot = self.shots[number]
        image = np.asarray(
            cv2.imdecode(np.frombuffer(shot.small, np.uint8), cv2.IMREAD_COLOR), np.uint8
        )
        across, down = image.shape[1] / shot.shape[1], image.shape[0] / shot.shape[0]
        return image, rescaling(across, down) @ shot.to_pixels

    def _gains(self) -> list[float]:
        """Return what each shot must be multiplied by to be as bright as its neighbours."""
        count = len(self.shots)
        if not self._lights:
            return [1.0] * count
        firsts, seconds, ratios = (np.array(part) for part in zip(*self._lights, strict=True))
        rows = np.arange(len(ratios))
        matrix = (
            np.concatenate((rows, rows)),
            np.concatenate((firsts, seconds)).astype(np.intp),
            np.concatenate((np.ones(len(rows)), -np.ones(len(rows)))),
        )
        weight, prior = np.full(len(rows), 100.0), np.full(count, 1 / GAIN_SIGMA**2)
        logs = solve(matrix, -ratios, weight, prior, np.zeros(count))
        return [math.exp(value) for value in logs.tolist()]


def unfit_pose(pose: Pose) -> str:
    """Say why a frame of a pose cannot be laid on the ground; empty if it can."""
    tilt = pose.tilt_rad()
    if pose.height_m is None or tilt is None:
        return 'without height' if pose.height_m is None else 'without attitude'
    if pose.height_m < LEAST_HEIGHT_M:
        return f'below {LEAST_HEIGHT_M:g} m'
    return f'tilted by more than {math.degrees(MOST_TILT_RAD):.0f} deg' * (tilt > MOST_TILT_RAD)


def ground_to_pixels(
    camera: CameraModel, pose: Pose, centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the homography (3, 3) from flat ground, east and north [m], to pixels of a pinhole.

    Args:
        camera: Intrinsics; distortion is not looked at.
        pose: With height and orientation.
        centre: (2,) east and north below the camera [m].
    """
    assert pose.height_m is not None
    assert pose.orientation is not None
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    relative = np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, -pose.height_m]])
    return np.asarray(matrix @ rotation_matrix(pose.orientation).T @ relative, np.float64)


def _replaced(shot: Shot, found: Adjusted, number: int) -> NDArray[np.float64]:
    """Return ground to pixels of a shot once adjusted."""
    height, width = shot.shape
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    pixels = np.stack((x, y), axis=-1).reshape(-1, 2)
    ground = project(inverse(shot.to_pixels), pixels)
    places = moved(ground, shot.stand, found.numbers[number])
    # Around the shot itself, where digits are not lost.
    middle = places.mean(axis=0)
    matrix, _ = cv2.findHomography(places - middle, pixels)
    centred = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1]])
    return np.asarray(matrix @ centred, np.float64)
