# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Poses between poses, for flights whose photographs are seconds apart.

The result is a guess: nobody measured there. A drone that turned between two photographs did not
fly the straight line. So this is off unless asked for, and a position covariance, where there is
one, grows by half the distance to the nearer measurement.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_onboard.geo.rotation import slerp
from rs_onboard.replay.messages import COVARIANCE_UNKNOWN, MessageMaker, stamp_of
from rs_onboard.replay.topics import FIX, FRAMES, GIMBAL, HEIGHT, IMU

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rosbags.typesys.store import Typestore

    Mixer = Callable[[MessageMaker, Any, Any, float], object | None]

METRES_PER_DEGREE = 111_320.0


def densify(
    type_name: str,
    samples: Iterable[tuple[int, object]],
    rate_hz: float,
    store: Typestore,
) -> Iterator[tuple[int, object]]:
    """Yield messages between neighbouring samples on an even time grid.

    The grid starts at the first sample; samples themselves are not repeated. Pairs closer than one
    period, and pairs one of which is unknown, get nothing between them.

    Args:
        type_name: One of the keys of `MIXERS`.
        samples: Log time (ns) and decoded message, in time order.
        rate_hz: Grid frequency.
        store: Definitions the new messages are made of.

    Yields:
        Log time (ns) and message.
    """
    maker = MessageMaker(store)
    period = 1e9 / rate_hz
    start: int | None = None
    for (before, first), (after, second) in pairwise(samples):
        start = before if start is None else start
        if after - before <= period:
            continue
        index = math.floor((before - start) / period) + 1
        while (moment := start + round(index * period)) < after:
            index += 1
            if moment <= before:
                continue
            message = MIXERS[type_name](maker, first, second, (moment - before) / (after - before))
            if message is not None:
                yield moment, message


def _mix_stamps(first: Any, second: Any, weight: float) -> int:
    before, after = stamp_of(first), stamp_of(second)
    return before + round((after - before) * weight)


def _mix_fix(maker: MessageMaker, first: Any, second: Any, weight: float) -> object | None:
    if min(first.status.status, second.status.status) < 0:
        return None
    # The short way round the date line.
    turn = (second.longitude - first.longitude + 180) % 360 - 180
    covariance = np.zeros(9)
    kinds = (first.position_covariance_type, second.position_covariance_type)
    if COVARIANCE_UNKNOWN not in kinds:
        east = turn * math.cos(math.radians(first.latitude)) * METRES_PER_DEGREE
        north = (second.latitude - first.latitude) * METRES_PER_DEGREE
        spread = (min(weight, 1 - weight) * math.hypot(east, north) / 2) ** 2
        covariance = (1 - weight) * first.position_covariance + weight * second.position_covariance
        covariance = covariance + np.diag([spread, spread, 0.0]).reshape(9)
    return maker.make(
        FIX,
        header=maker.header(_mix_stamps(first, second, weight), FRAMES.body),
        status=first.status,
        latitude=first.latitude + (second.latitude - first.latitude) * weight,
        longitude=(first.longitude + turn * weight + 180) % 360 - 180,
        altitude=first.altitude + (second.altitude - first.altitude) * weight,
        position_covariance=covariance,
        position_covariance_type=min(kinds),
    )


def _mix_rotations(maker: MessageMaker, first: Any, second: Any, weight: float) -> object:
    return maker.quaternion(
        slerp(
            (first.x, first.y, first.z, first.w), (second.x, second.y, second.z, second.w), weight
        )
    )


def _mix_imu(maker: MessageMaker, first: Any, second: Any, weight: float) -> object | None:
    if min(first.orientation_covariance[0], second.orientation_covariance[0]) < 0:
        return None
    missing = np.array([-1.0, *[0.0] * 8])
    return maker.make(
        IMU,
        header=maker.header(_mix_stamps(first, second, weight), first.header.frame_id),
        orientation=_mix_rotations(maker, first.orientation, second.orientation, weight),
        orientation_covariance=np.maximum(
            first.orientation_covariance, second.orientation_covariance
        ),
        angular_velocity=first.angular_velocity,
        angular_velocity_covariance=missing,
        linear_acceleration=first.linear_acceleration,
        linear_acceleration_covariance=missing,
    )


def _mix_gimbal(maker: MessageMaker, first: Any, second: Any, weight: float) -> object:
    return maker.make(
        GIMBAL,
        header=maker.header(_mix_stamps(first, second, weight), first.header.frame_id),
        quaternion=_mix_rotations(maker, first.quaternion, second.quaternion, weight),
    )


def _mix_height(maker: MessageMaker, first: Any, second: Any, weight: float) -> object:
    return maker.make(HEIGHT, data=first.data + (second.data - first.data) * weight)


MIXERS: Mapping[str, Mixer] = {
    FIX: _mix_fix,
    IMU: _mix_imu,
    GIMBAL: _mix_gimbal,
    HEIGHT: _mix_height,
}
