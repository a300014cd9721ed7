# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of the camera, interpolated to an image stamp from small ring buffers."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from rs_onboard.geo.covariance import (
    MOST_ATTITUDE_RAD,
    MOST_POSITION_M,
    Accuracy,
    between,
    usable,
)
from rs_onboard.geo.pose import NoPose, Pose
from rs_onboard.geo.ring import NS_PER_S, Motion, Ring
from rs_onboard.geo.rotation import (
    NADIR_MOUNT,
    Quaternion,
    angle_between,
    heading_of,
    is_unit,
    multiply,
    rotation_matrix,
    slerp,
)
from rs_onboard.geo.wgs84 import offset_to_wgs84, wgs84_to_offset

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A source silent for longer than this is not waited for.
ALIVE_NS = 30 * NS_PER_S

# What successive samples may differ by at any time: the steps of a receiver that gets or loses its
# corrections, the noise of an attitude, the rounding of arrival times of heights.
FIX_SLACK_M = 10.0
TURN_SLACK_RAD = math.radians(10.0)
HEIGHT_SLACK_M = 5.0

SOURCES = {'fix': 'position', 'imu': 'attitude', 'gimbal': 'gimbal', 'height': 'height'}


class Fix(NamedTuple):
    """A position sample: WGS 84 degrees, metres, optional (3, 3) ENU covariance [m^2]."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    covariance: NDArray[np.float64] | None


class Attitude(NamedTuple):
    """An attitude sample: a rotation, optional (3, 3) covariance of small turns [rad^2]."""

    orientation: Quaternion
    covariance: NDArray[np.float64] | None


class Mount(NamedTuple):
    """The camera on the body.

    Attributes:
        rotation: From the camera optical frame to the body (FLU).
        place: Forward, left and up of the receiver's antenna, or of what the fix is for [m].
    """

    rotation: Quaternion = NADIR_MOUNT
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)


S = TypeVar('S')


class PoseBuffer:
    """Collects fixes, attitudes and heights; answers with the pose at an image stamp.

    All methods may be called from any thread. Bad samples are left out; they, time jumps and jumps
    of what was measured are counted in `unusual`.

    Args:
        size: Samples kept per source.
        max_gap_s: Longest distance between neighbouring samples, and largest age of the last one.
        mount: The camera on the body; text says why it is not known yet.
        accuracy: What is assumed where no message says.
        max_speed_mps: Faster changes of position or height are jumps [m/s].
        max_turn_radps: Faster turns are jumps [rad/s].
        gimbal_yaw_lock: Whether the gimbal's attitude is against ENU; false where its yaw counts
            from the nose of the vehicle.
        gimbal_required: Whether the mount must not stand in for a gimbal not heard of yet.
    """

    def __init__(
        self,
        *,
        size: int = 512,
        max_gap_s: float = 0.5,
        mount: Mount | str = Mount(),  # noqa: B008  (immutable)
        accuracy: Accuracy = Accuracy(),  # noqa: B008  (immutable)
        max_speed_mps: float = math.inf,
        max_turn_radps: float = math.inf,
        gimbal_yaw_lock: bool = True,
        gimbal_required: bool = False,
    ) -> None:
        self._gap_ns = int(max_gap_s * NS_PER_S)
        self._mount = mount
        self._accuracy = accuracy
        self._yaw_lock = gimbal_yaw_lock
        self._has_gimbal = gimbal_required
        turns = Motion(_turn, TURN_SLACK_RAD, max_turn_radps, 'rad')
        self._fixes = Ring(size, Motion(_distance, FIX_SLACK_M, max_speed_mps, 'm'))
        self._attitudes = Ring(size, turns)
        self._gimbals = Ring(size, turns)
        self._heights = Ring(size, Motion(_difference, HEIGHT_SLACK_M, max_speed_mps, 'm'))
        self._changed = threading.Condition()
        # The last refusal of a source that has sent nothing better since.
        self._refused: dict[str, str] = {}
        self.unusual: Counter[str] = Counter()

    def set_mount(self, mount: Mount | str) -> None:
        """Take the mount from now on; text says why it is not known."""
        with self._changed:
            self._mount = mount

    def add_fix(self, stamp_ns: int, fix: Fix) -> None:
        """Add a position. NaN, or a latitude or longitude off the globe, is refused."""
        sound = (
            abs(fix.latitude_deg) <= 90.0
            and abs(fix.longitude_deg) <= 180.0
            and math.isfinite(fix.altitude_m)
        )
        values = f'{fix.latitude_deg:g}, {fix.longitude_deg:g} at {fix.altitude_m:g} m'
        fix = fix._replace(covariance=usable(fix.covariance, MOST_POSITION_M))
        self._add('fix', self._fixes, stamp_ns, fix, '' if sound else values)

    def add_attitude(
        self,
        stamp_ns: int,
        orientation: Quaternion,
        covariance: NDArray[np.float64] | None = None,
    ) -> None:
        """Add the rotation from body (FLU) to ENU."""
        self._add_turn('imu', self._attitudes, stamp_ns, Attitude(orientation, covariance))

    def add_gimbal(
        self,
        stamp_ns: int,
        orientation: Quaternion,
        covariance: NDArray[np.float64] | None = None,
    ) -> None:
        """Add the rotation from the camera optical frame to ENU, as a gimbal reports it.

        Without yaw lock it is that to the level frame along the nose: x ahead, y left, z up.
        """
        self._has_gimbal = True
        self._add_turn('gimbal', self._gimbals, stamp_ns, Attitude(orientation, covariance))

    def add_height(self, stamp_ns: int, height_m: float) -> None:
        """Add a height above the ground [m].

        Height messages carry no stamp, so theirs is the time of arrival; the nearest one is used.
        """
        wrong = '' if math.isfinite(height_m) else f'{height_m} m'
        self._add('height', self._heights, stamp_ns, height_m, wrong)

    def refuse(self, source: str, reason: str, *, invalid: bool = False) -> None:
        """Remember that a source sent something that is no sample.

        Args:
            source: `fix`, `imu`, `gimbal` or `height`.
            reason: Added to what is said of the source while nothing better comes.
            invalid: Whether to count it with the bad samples.
        """
        with self._changed:
            self._refused[source] = reason
            self._has_gimbal = self._has_gimbal or source == 'gimbal'
            if invalid:
                self.unusual[f'{source}_invalid'] += 1

    def at(self, stamp_ns: int) -> Pose | NoPose:
        """Interpolate the pose to an image stamp [ns]."""
        with self._changed:
            fixes = self._fixes.around(stamp_ns, self._gap_ns)
            if isinstance(fixes, str):
                return NoPose(self._said('fix', fixes))
            body = self._turned('imu', self._attitudes, stamp_ns)
            camera, place = self._looking(stamp_ns, body)
            height = self._heights.nearest(stamp_ns, self._gap_ns)
            if isinstance(height, str):
                height = self._said('height', height)
        first, second, weight = fixes.first, fixes.second, fixes.weight
        # The short way round the date line.
        turn = (second.longitude_deg - first.longitude_deg + 180.0) % 360.0 - 180.0
        longitude = (first.longitude_deg + turn * weight + 180.0) % 360.0 - 180.0
        covariance = between(first.covariance, second.covariance, weight)
        pose = Pose(
            stamp_ns=stamp_ns,
            latitude_deg=_mix(first.latitude_deg, second.latitude_deg, weight),
            longitude_deg=longitude,
            altitude_m=_mix(first.altitude_m, second.altitude_m, weight),
            height_m=None if isinstance(height, str) else height,
            orientation=None if isinstance(camera, str) else camera.orientation,
            position_covariance=_wider(covariance, fixes.drift),
            orientation_covariance=None if isinstance(camera, str) else camera.covariance,
            unknown='; '.join(item for item in (camera, height) if isinstance(item, str)),
        )
        return _moved(self._with_assumptions(pose), place)

    def wait_for(self, stamp_ns: int, timeout_s: float) -> bool:
        """Wait until every stamped source that is alive has a sample at or after a stamp.

        Returns:
            Whether that happened before the timeout [s].
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._reached(stamp_ns), timeout_s)

    def clear(self) -> None:
        """Forget all samples, after a jump of the clock."""
        with self._changed:
            for ring in (self._fixes, self._attitudes, self._gimbals, self._heights):
                ring.clear()
            self._changed.notify_all()

    def _reached(self, stamp_ns: int) -> bool:
        rings = (self._fixes, self._attitudes, self._gimbals)
        last = [ring.stamps[-1] for ring in rings if ring.stamps]
        return all(stamp >= stamp_ns or stamp < stamp_ns - ALIVE_NS for stamp in last)

    def _add_turn(self, source: str, ring: Ring[Attitude], stamp_ns: int, sample: Attitude) -> None:
        wrong = '' if is_unit(sample.orientation) else f'quaternion {sample.orientation}'
        sample = sample._replace(covariance=usable(sample.covariance, MOST_ATTITUDE_RAD))
        self._add(source, ring, stamp_ns, sample, wrong)

    def _add(self, source: str, ring: Ring[S], stamp_ns: int, sample: S, wrong: str) -> None:
        with self._changed:
            if wrong:
                self.unusual[f'{source}_invalid'] += 1
                self._refused[source] = f'the last one was refused: {wrong}'
                return
            self._refused.pop(source, None)
            if event := ring.add(stamp_ns, sample):
                self.unusual[f'{source}_{event}'] += 1
            self._changed.notify_all()

    def _said(self, source: str, reason: str) -> str:
        more = self._refused.get(source, '')
        return f'{SOURCES[source]} {reason}' + (f', {more}' if more else '')

    def _turned(self, source: str, ring: Ring[Attitude], stamp_ns: int) -> Attitude | str:
        """Return the attitude of a source at a stamp, or why there is none."""
        found = ring.around(stamp_ns, self._gap_ns)
        if isinstance(found, str):
            return self._said(source, found)
        first, second, weight = found.first, found.second, found.weight
        covariance = between(first.covariance, second.covariance, weight)
        orientation = slerp(first.orientation, second.orientation, weight)
        return Attitude(orientation, _wider(covariance, found.drift))

    def _looking(
        self, stamp_ns: int, body: Attitude | str
    ) -> tuple[Attitude | str, NDArray[np.float64]]:
        """Return the attitude of the camera, or why there is none, and its place in ENU [m]."""
        place = np.zeros(3)
        mount = self._mount
        if not isinstance(mount, str) and not isinstance(body, str):
            place = rotation_matrix(body.orientation) @ np.array(mount.place)
        if not self._has_gimbal:
            if isinstance(body, str):
                return body, place
            if isinstance(mount, str):
                return mount, place
            turn = multiply(body.orientation, mount.rotation)
            return Attitude(turn, body.covariance), place
        # A gimbal that fell silent still points somewhere, and the mount does not know where.
        gimbal = self._turned('gimbal', self._gimbals, stamp_ns)
        if isinstance(gimbal, str) or self._yaw_lock:
            return gimbal, place
        if isinstance(body, str):
            return f'gimbal yaw counts from the nose, and {body}', place
        heading = heading_of(body.orientation)
        if heading is None:
            return 'gimbal yaw counts from the nose, and that points up or down', place
        covariance = gimbal.covariance
        if covariance is not None and body.covariance is not None:
            turned = rotation_matrix(heading)
            covariance = turned @ covariance @ turned.T
            covariance[2, 2] += body.covariance[2, 2]
        else:
            covariance = None
        return Attitude(multiply(heading, gimbal.orientation), covariance), place

    def _with_assumptions(self, pose: Pose) -> Pose:
        """Fill in the covariances that no message gave."""
        accuracy = self._accuracy
        position, attitude = pose.position_covariance, pose.orientation_covariance
        assumed = []
        if position is None and (position := accuracy.of_position()) is not None:
            assumed.append('position')
        if pose.orientation is not None:
            if attitude is None and (attitude := accuracy.of_attitude()) is not None:
                assumed.append('attitude')
            if attitude is not None:
                attitude = attitude + np.eye(3) * accuracy.mount_rad**2
        sigma = accuracy.height_m if pose.height_m is not None else None
        if sigma is not None:
            assumed.append('height')
        return dataclasses.replace(
            pose,
            position_covariance=position,
            orientation_covariance=attitude,
            height_sigma_m=sigma,
            assumed=tuple(assumed),
        )


def _mix(first: float, second: float, weight: float) -> float:
    return first + (second - first) * weight


def _wider(covariance: NDArray[np.float64] | None, drift: float) -> NDArray[np.float64] | None:
    return None if covariance is None else covariance + np.eye(3) * drift**2


def _moved(pose: Pose, place: NDArray[np.float64]) -> Pose:
    """Move a pose from what the fix is for to the camera."""
    if not place.any():
        return pose
    moved = offset_to_wgs84(place[np.newaxis, :2], pose.latitude_deg, pose.longitude_deg)[0]
    return dataclasses.replace(
        pose,
        longitude_deg=float((moved[0] + 180.0) % 360.0 - 180.0),
        latitude_deg=float(moved[1]),
        altitude_m=pose.altitude_m + float(place[2]),
        height_m=None if pose.height_m is None else pose.height_m + float(place[2]),
    )


def _distance(first: Fix, second: Fix) -> float:
    there = np.array([(second.longitude_deg, second.latitude_deg)])
    east, north = wgs84_to_offset(there, first.latitude_deg, first.longitude_deg)[0].tolist()
    return math.hypot(east, north, second.altitude_m - first.altitude_m)


def _turn(first: Attitude, second: Attitude) -> float:
    return angle_between(first.orientation, second.orientation)


def _difference(first: float, second: float) -> float:
    return abs(second - first)
