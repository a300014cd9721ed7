# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where the camera was, from a frame in register with a map: a position that needs no satellites.

Every match says in which direction a known place on the ground was seen. The camera's place, its
attitude and its focal length are fitted to all of them at once (a bundle adjustment of one camera),
the last two and the height held by how well they were known before. So the covariance has in it
what a nadir view cannot tell apart: a tilt of one degree looks like a shift of 1.7 % of the height.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.errors import RegistrationError
from rs_onboard.geo.footprint import sight
from rs_onboard.geo.lens import bearing
from rs_onboard.geo.rotation import rotation_matrix
from rs_onboard.geo.wgs84 import offset_to_wgs84

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.geo.registration import Registration

STEPS = 8
# Neighbouring matches share pixels and the errors of map and relief: so many tell as much as one
# of their own (measured: with 1 the simulated fixes over real maps lie outside their covariance).
MATCHES_A_FACT = 6.0
# Nothing is placed better than this [px].
LEAST_SIGMA_PX = 0.3
# Barometers and gimbals claim more than they hold.
LEAST_HEIGHT_M = 0.5
LEAST_TILT_DEG = 0.1
# Directions that nothing holds: far beyond any error of a pose [m].
FREE_M = 1e4
# East, north, up, the rotation about each, and the logarithm of the focal length.
PARAMETERS = 7


@dataclass(frozen=True)
class Uncertainty:
    """What was known before, as standard deviations.

    Attributes:
        tilt_deg: Roll and pitch of the camera [deg].
        yaw_deg: Its heading [deg].
        height: Height above the ground, as a share of it.
        focal: Focal length, as a share of it.
        map_m: Georeference of the map, east and north [m].
        ground_m: Altitude of the ground [m].
    """

    tilt_deg: float = 2.0
    yaw_deg: float = 5.0
    height: float = 0.1
    focal: float = 0.02
    map_m: float = 1.0
    ground_m: float = 3.0

    def __post_init__(self) -> None:
        """Refuse what is no standard deviation.

        Raises:
            RegistrationError: A value is not positive and finite.
        """
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise RegistrationError(
                    f'uncertainty: {name} is {value:g}; expected a standard deviation above 0.'
                )


@dataclass(frozen=True)
class PositionFix:
    """The camera's place, from a map.

    Attributes:
        stamp_ns: Stamp of the frame [ns].
        latitude_deg: WGS 84 [deg].
        longitude_deg: WGS 84 [deg].
        altitude_m: On the datum of the pose's altitude [m].
        covariance: (3, 3) float64, east, north, up [m^2].
        offset_m: East, north and up of the pose that was believed before [m].
        rotation_deg: Rotation against that pose about east, north and up [deg].
        residual_px: Root of the mean squared distance of matches from the fit [px of the frame].
        matches: Matches it rests on.
    """

    stamp_ns: int
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    covariance: NDArray[np.float64]
    offset_m: tuple[float, float, float]
    rotation_deg: tuple[float, float, float]
    residual_px: float
    matches: int

    @property
    def sigma_m(self) -> float:
        """Standard deviation of the horizontal position, along the worst direction [m]."""
        return math.sqrt(float(np.linalg.eigvalsh(self.covariance[:2, :2])[-1]))


def position_from(
    found: Registration,
    camera: CameraModel,
    pose: Pose,
    known: Uncertainty | None = None,
) -> PositionFix:
    """Find the camera's place from a frame in register.

    Args:
        found: The registration, of a frame with the view that camera and pose predicted.
        camera: Intrinsics of the frame, and of that view.
        pose: The pose that was believed; its position is where the search starts, and has no say.
            The covariance of its attitude and the deviation of its height, where it has them, win
            over those known before.
        known: What was known before.

    Raises:
        RegistrationError: The pose has no height or attitude, or the matches fix no place.
    """
    if pose.height_m is None or pose.orientation is None:
        raise RegistrationError(
            'no position: the pose has no height or no attitude, from which the fit starts.'
        )
    known = known or Uncertainty()
    hits = sight(found.source, camera, pose)
    if isinstance(hits, str):
        raise RegistrationError(f'no position: {hits}.')
    rays = bearing(found.target, camera)[:, :2]
    usable = np.isfinite(hits.points).all(axis=1) & np.isfinite(rays).all(axis=1)
    points = hits.points[usable]
    fit = _Fit(points, rays[usable], rotation_matrix(pose.orientation), camera.fx)
    prior = _information(known, pose)
    values, error_px, information = fit.solve(prior)
    covariance = np.linalg.inv(information)[:3, :3]
    covariance = (covariance + covariance.T) / 2 + np.diag(
        (known.map_m**2, known.map_m**2, known.ground_m**2)
    )
    place = offset_to_wgs84(values[np.newaxis, :2], pose.latitude_deg, pose.longitude_deg)[0]
    east, north, up, about_east, about_north, about_up, _ = values.tolist()
    return PositionFix(
        stamp_ns=pose.stamp_ns,
        latitude_deg=float(place[1]),
        longitude_deg=(float(place[0]) + 180.0) % 360.0 - 180.0,
        altitude_m=pose.altitude_m + up,
        covariance=covariance,
        offset_m=(east, north, up),
        rotation_deg=(
            math.degrees(about_east),
            math.degrees(about_north),
            math.degrees(about_up),
        ),
        residual_px=error_px,
        matches=len(points),
    )


def _information(known: Uncertainty, pose: Pose) -> NDArray[np.float64]:
    """Return what is known of the parameters before any match, as an inverse covariance (7, 7)."""
    assert pose.height_m is not None
    tilt, yaw = math.radians(known.tilt_deg), math.radians(known.yaw_deg)
    height = pose.height_sigma_m or known.height * pose.height_m
    sigmas = np.array((FREE_M, FREE_M, max(LEAST_HEIGHT_M, height), tilt, tilt, yaw, known.focal))
    information = np.diag(1.0 / sigmas**2)
    if pose.orientation_covariance is not None:
        floor = np.eye(3) * math.radians(LEAST_TILT_DEG) ** 2
        information[3:6, 3:6] = np.linalg.inv(pose.orientation_covariance + floor)
    return information


@dataclass(frozen=True)
class _Fit:
    """One camera and what it saw.

    Attributes:
        points: (N, 3) float64 ground, east, north, up of the camera as believed [m].
        rays: (N, 2) float64 where they were seen, on the plane z = 1 of the camera.
        rotation: (3, 3) float64 camera to ENU, as believed.
        focal: Focal length [px].
    """

    points: NDArray[np.float64]
    rays: NDArray[np.float64]
    rotation: NDArray[np.float64]
    focal: float

    def solve(
        self, prior: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """Return the parameters (7,), the residual [px] and the information matrix (7, 7).

        Raises:
            RegistrationError: The matches are too few or do not fix a place.
        """
        if 2 * len(self.points) <= PARAMETERS:
            raise RegistrationError(
                f'no position: {len(self.points)} matches on known ground; at least '
                f'{PARAMETERS // 2 + 1} are needed.'
            )
        values = np.zeros(PARAMETERS)
        sigma = 1.0
        for _ in range(STEPS):
            residual = self._residual(values)
            freedom = max(1, residual.size - PARAMETERS)
            sigma = max(LEAST_SIGMA_PX, math.sqrt(float(residual @ residual) / freedom))
            slope = self._slope(values, residual)
            weight = 1.0 / (sigma**2 * MATCHES_A_FACT)
            information = weight * slope.T @ slope + prior
            pull = weight * slope.T @ residual + prior @ values
            step = np.linalg.solve(information, pull)
            values = values - step
            if np.abs(step * np.sqrt(np.diag(prior))).max() < 1e-6:
                break
        residual = self._residual(values)
        if not np.isfinite(residual).all():
            raise RegistrationError(
                'no position: the fit of the camera to its matches has left the sky. The matches '
                'are not those of one camera.'
            )
        error = math.sqrt(2 * float((residual**2).mean()))
        return values, error, np.asarray(information, np.float64)

    def _residual(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the points should be seen minus where they were, (2 N,) [px]."""
        turn, _ = cv2.Rodrigues(np.ascontiguousarray(values[3:6]))
        seen = (self.points - values[:3]) @ (np.asarray(turn) @ self.rotation)
        plane = seen[:, :2] / np.where(seen[:, 2:] > 0, seen[:, 2:], np.nan)
        return np.ravel((plane * math.exp(values[6]) - self.rays) * self.focal)

    def _slope(
        self, values: NDArray[np.float64], residual: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the derivatives of the residual, (2 N, 7)."""
        steps = np.array((1e-3, 1e-3, 1e-3, 1e-6, 1e-6, 1e-6, 1e-6))
        columns = [
            (self._residual(values + step * unit) - residual) / step
            for step, unit in zip(steps, np.eye(PARAMETERS), strict=True)
        ]
        return np.stack(columns, axis=1)
