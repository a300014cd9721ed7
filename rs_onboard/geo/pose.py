# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of the camera, interpolated to an image stamp from small ring buffers.

Frames follow REP-103: the world is ENU (x east, y north, z up), the body is FLU (x forward, y left,
z up), the camera optical frame has x right, y down, z along the view. Quaternions are (x, y, z, w)
and rotate vectors of the child frame into the parent frame.
"""

from __future__ import annotations

import bisect
import math
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rs_onboard.geo.errors import PoseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Quaternion = tuple[float, float, float, float]

NS_PER_S = 1_000_000_000

# A stamp this far before the last one is a clock that jumped (a bag that loops, a GNSS step), not a
# late sample.
TIME_JUMP_NS = NS_PER_S

# A source silent for longer than this is not waited for.
ALIVE_NS = 30 * NS_PER_S

# Camera optical axes seen from the body for a camera that looks straight down with the image top
# towards the nose: x right = -y body, y down = -x body, z view = -z body.
NADIR_MOUNT: Quaternion = (math.sqrt(0.5), -math.sqrt(0.5), 0.0, 0.0)


@dataclass(frozen=True)
class Pose:
    """Where the camera was and how it looked at an image stamp.

    Attributes:
        stamp_ns: The image stamp [ns].
        latitude_deg: WGS 84 latitude [deg].
        longitude_deg: WGS 84 longitude [deg].
        altitude_m: Altitude as the fix gives it [m].
        height_m: Height above the ground [m], None where nobody knows it.
        orientation: Rotation from the camera optical frame to ENU, None where nobody knows it.
        position_covariance: (3, 3) float64, ENU [m^2], None where the fix does not say.
    """

    stamp_ns: int
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    height_m: float | None
    orientation: Quaternion | None
    position_covariance: NDArray[np.float64] | None = None

    def tilt_rad(self) -> float | None:
        """Angle between the view axis and straight down [rad], None without an orientation."""
        if self.orientation is None:
            return None
        x, y, _, _ = self.orientation
        # z axis of the camera in ENU has the up component 1 - 2(x^2 + y^2).
        return math.acos(min(1.0, max(-1.0, 2.0 * (x * x + y * y) - 1.0)))


class NoPose(NamedTuple):
    """Why there is no pose for a stamp, in words for a status."""

    reason: str


class Fix(NamedTuple):
    """A position sample: WGS 84 degrees, metres, optional (3, 3) ENU covariance [m^2]."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    covariance: NDArray[np.float64] | None


S = TypeVar('S')


class _Ring(Generic[S]):
    """Samples by stamp, ascending, bounded."""

    def __init__(self, size: int) -> None:
        self.stamps: deque[int] = deque(maxlen=size)
        self.samples: deque[S] = deque(maxlen=size)

    def add(self, stamp_ns: int, sample: S) -> str:
        """Append a sample; returns what was unusual about it, empty if nothing.

        One that is not newer than the last is left out, unless the clock has jumped back: then all
        earlier samples belong to another time and go.
        """
        if self.stamps and stamp_ns <= self.stamps[-1]:
            if self.stamps[-1] - stamp_ns < TIME_JUMP_NS:
                return 'not_newer'
            self.clear()
            self.stamps.append(stamp_ns)
            self.samples.append(sample)
            return 'time_jump'
        self.stamps.append(stamp_ns)
        self.samples.append(sample)
        return ''

    def around(self, stamp_ns: int, gap_ns: int) -> tuple[S, S, float] | str:
        """Neighbours of a stamp and the weight of the second, or why there are none."""
        if not self.stamps:
            return 'never received'
        index = bisect.bisect_left(self.stamps, stamp_ns)
        if index < len(self.stamps) and self.stamps[index] == stamp_ns:
            return self.samples[index], self.samples[index], 0.0
        if index == 0:
            return f'starts {(self.stamps[0] - stamp_ns) / NS_PER_S:.2f} s after the image'
        before = self.stamps[index - 1]
        if index == len(self.stamps):
            age = stamp_ns - before
            if age > gap_ns:
                return f'stale by {age / NS_PER_S:.2f} s'
            return self.samples[index - 1], self.samples[index - 1], 0.0
        after = self.stamps[index]
        if after - before > gap_ns:
            return f'has a gap of {(after - before) / NS_PER_S:.2f} s around the image'
        weight = (stamp_ns - before) / (after - before)
        return self.samples[index - 1], self.samples[index], weight

    def nearest(self, stamp_ns: int, gap_ns: int) -> S | None:
        """Return the sample nearest to a stamp, None if all are further away than the gap."""
        index = bisect.bisect_left(self.stamps, stamp_ns)
        near = [i for i in (index - 1, index) if 0 <= i < len(self.stamps)]
        near = [i for i in near if abs(self.stamps[i] - stamp_ns) <= gap_ns]
        if not near:
            return None
        return self.samples[min(near, key=lambda i: abs(self.stamps[i] - stamp_ns))]

    def clear(self) -> None:
        self.stamps.clear()
        self.samples.clear()


class PoseBuffer:
    """Collects fixes, attitudes and heights; answers with the pose at an image stamp.

    All methods may be called from any thread. Bad samples are left out; they and time
    jumps are counted in `unusual`.

    Args:
        size: Samples kept per source.
        max_gap_s: Longest distance between neighbouring samples, and largest age of the last one.
        mount: Rotation from the camera optical frame to the body, used when no gimbal reports.
    """

    def __init__(
        self, *, size: int = 512, max_gap_s: float = 0.5, mount: Quaternion = NADIR_MOUNT
    ) -> None:
        self._gap_ns = int(max_gap_s * NS_PER_S)
        self._mount = mount
        self._fixes: _Ring[Fix] = _Ring(size)
        self._attitudes: _Ring[Quaternion] = _Ring(size)
        self._gimbals: _Ring[Quaternion] = _Ring(size)
        self._heights: _Ring[float] = _Ring(size)
        self._changed = threading.Condition()
        self.unusual: Counter[str] = Counter()

    def add_fix(self, stamp_ns: int, fix: Fix) -> None:
        """Add a position. NaN, or a latitude or longitude off the globe, is refused."""
        ok = (
            abs(fix.latitude_deg) <= 90.0
            and abs(fix.longitude_deg) <= 180.0
            and math.isfinite(fix.altitude_m)
        )
        self._add('fix', self._fixes, stamp_ns, fix, ok=ok)

    def add_attitude(self, stamp_ns: int, orientation: Quaternion) -> None:
        """Add the rotation from body (FLU) to ENU."""
        self._add('imu', self._attitudes, stamp_ns, orientation, ok=_is_unit(orientation))

    def add_gimbal(self, stamp_ns: int, orientation: Quaternion) -> None:
        """Add the rotation from the camera optical frame to ENU, as a gimbal reports it."""
        self._add('gimbal', self._gimbals, stamp_ns, orientation, ok=_is_unit(orientation))

    def add_height(self, stamp_ns: int, height_m: float) -> None:
        """Add a height above the ground [m].

        Height messages carry no stamp, so theirs is the time of arrival; the nearest one is used.
        """
        self._add('height', self._heights, stamp_ns, height_m, ok=math.isfinite(height_m))

    def at(self, stamp_ns: int) -> Pose | NoPose:
        """Interpolate the pose to an image stamp [ns]."""
        with self._changed:
            fixes = self._fixes.around(stamp_ns, self._gap_ns)
            gimbals = self._gimbals.around(stamp_ns, self._gap_ns)
            attitudes = self._attitudes.around(stamp_ns, self._gap_ns)
            height = self._heights.nearest(stamp_ns, self._gap_ns)
        if isinstance(fixes, str):
            return NoPose(f'position {fixes}')
        if not isinstance(gimbals, str):
            orientation: Quaternion | None = slerp(*gimbals)
        elif not isinstance(attitudes, str):
            orientation = multiply(slerp(*attitudes), self._mount)
        else:
            orientation = None
        first, second, weight = fixes
        # The short way round the date line.
        turn = (second.longitude_deg - first.longitude_deg + 180.0) % 360.0 - 180.0
        longitude = (first.longitude_deg + turn * weight + 180.0) % 360.0 - 180.0
        return Pose(
            stamp_ns=stamp_ns,
            latitude_deg=_mix(first.latitude_deg, second.latitude_deg, weight),
            longitude_deg=longitude,
            altitude_m=_mix(first.altitude_m, second.altitude_m, weight),
            height_m=height,
            orientation=orientation,
            position_covariance=first.covariance,
        )

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

    def _add(self, source: str, ring: _Ring[S], stamp_ns: int, sample: S, *, ok: bool) -> None:
        with self._changed:
            if not ok:
                self.unusual[f'{source}_invalid'] += 1
                return
            if event := ring.add(stamp_ns, sample):
                self.unusual[f'{source}_{event}'] += 1
            self._changed.notify_all()


def _mix(first: float, second: float, weight: float) -> float:
    return first + (second - first) * weight


def _is_unit(q: Quaternion) -> bool:
    norm = math.hypot(*q)
    return math.isfinite(norm) and abs(norm - 1.0) < 1e-2


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Compose two rotations: first `b`, then `a`."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def slerp(a: Quaternion, b: Quaternion, weight: float) -> Quaternion:
    """Rotate evenly from `a` (weight 0) to `b` (weight 1) the short way; the result is a unit."""
    dot = sum(p * q for p, q in zip(a, b, strict=False))
    if dot < 0.0:
        b, dot = (-b[0], -b[1], -b[2], -b[3]), -dot
    angle = math.acos(min(1.0, dot))
    if angle < 1e-6:
        p, q = 1.0 - weight, weight
    else:
        p, q = (math.sin(f * angle) / math.sin(angle) for f in (1.0 - weight, weight))
    mixed = tuple(p * s + q * t for s, t in zip(a, b, strict=False))
    norm = math.hypot(*mixed)
    if norm == 0.0:
        raise PoseError(f'attitude: found quaternions {a} and {b}; expected unit quaternions.')
    return (mixed[0] / norm, mixed[1] / norm, mixed[2] / norm, mixed[3] / norm)


def from_roll_pitch_yaw(roll: float, pitch: float, yaw: float) -> Quaternion:
    """Return the rotation by roll, pitch and yaw about the fixed x, y and z axes, in turn [rad]."""
    about_x = (math.sin(roll / 2.0), 0.0, 0.0, math.cos(roll / 2.0))
    about_y = (0.0, math.sin(pitch / 2.0), 0.0, math.cos(pitch / 2.0))
    about_z = (0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0))
    return multiply(about_z, multiply(about_y, about_x))
