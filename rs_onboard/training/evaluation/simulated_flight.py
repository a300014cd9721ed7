# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Fly a camera over a picture of the ground: true and believed poses, light, motion and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.reference.view import STEP, GroundGrid
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.geo.wgs84 import offset_to_wgs84

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rs_onboard.geo.reference.picture import PictureMap

    Image = NDArray[np.uint8]

STEP_NS = 1_000_000_000
# Altitude of the ground [m]; any will do.
GROUND_M = 100.0


@dataclass(frozen=True)
class Disturbance:
    """What a real flight adds, as standard deviations of one frame.

    Attributes:
        position_m: Receiver, east and north [m].
        height: Height above the ground, as a share of it.
        tilt_deg: Roll and pitch as reported [deg].
        yaw_deg: Heading as reported [deg].
        sway_deg: True roll and pitch of the camera, which the pose knows up to `tilt_deg` [deg].
        gamma: Logarithm of the gamma of the light.
        gain: Logarithm of the brightness of each channel.
        blur_px: Length of the motion blur [px of the frame].
        noise: Of the sensor [grey levels].
    """

    position_m: float = 3.0
    height: float = 0.02
    tilt_deg: float = 1.0
    yaw_deg: float = 2.0
    sway_deg: float = 2.0
    gamma: float = 0.15
    gain: float = 0.06
    blur_px: float = 1.5
    noise: float = 2.5

    def scaled(self, share: float) -> Disturbance:
        """Return it so many times as strong."""
        return Disturbance(**{name: value * share for name, value in vars(self).items()})


@dataclass(frozen=True)
class FlownFrame:
    """A frame of a simulated flight.

    Attributes:
        number: Its number, from 0.
        image: (H, W, 3) uint8 RGB.
        camera: Intrinsics.
        truth: Where the camera was.
        believed: Where the vehicle thinks it was.
    """

    number: int
    image: Image
    camera: CameraModel
    truth: Pose
    believed: Pose


def survey_camera(width: int, height: int, *, bent: bool = True) -> CameraModel:
    """Return a camera of 65 degrees across with the distortion of a cheap lens, or none."""
    focal = width / 2 / math.tan(math.radians(32.5))
    return CameraModel(
        width=width,
        height=height,
        fx=focal,
        fy=focal,
        cx=(width - 1) / 2,
        cy=(height - 1) / 2,
        distortion_model='plumb_bob' if bent else '',
        distortion=(-0.06, 0.01, 5e-4, -5e-4, 0.0) if bent else (),
    )


def lawnmower(
    size_m: tuple[float, float], footprint_m: tuple[float, float], *, ahead: float, beside: float
) -> list[tuple[float, float, float]]:
    """Plan east, north [m from the middle] and heading [deg] over a region, strip by strip.

    Args:
        size_m: East and north extent of the region [m].
        footprint_m: Width and length of a footprint [m].
        ahead: Share that a footprint has in common with the next.
        beside: Share that strips have in common.
    """
    across, along = footprint_m
    half_x, half_y = ((side - reach) / 2 for side, reach in zip(size_m, footprint_m, strict=True))
    if min(half_x, half_y) < 0:
        half_x, half_y = max(half_x, 0.0), max(half_y, 0.0)
    columns = max(1, math.ceil(2 * half_x / (across * (1 - beside))) + 1)
    rows = max(1, math.ceil(2 * half_y / (along * (1 - ahead))) + 1)
    plan = []
    for column, x in enumerate(np.linspace(-half_x, half_x, columns).tolist()):
        back = column % 2 == 1
        strip = np.linspace(half_y if back else -half_y, -half_y if back else half_y, rows)
        plan += [(x, y, 180.0 if back else 0.0) for y in strip.tolist()]
    return plan


def fly(
    ground: PictureMap,
    camera: CameraModel,
    height_m: float,
    plan: list[tuple[float, float, float]],
    middle: tuple[float, float],
    disturbance: Disturbance,
    *,
    seed: int = 0,
) -> Iterator[FlownFrame]:
    """Yield what a camera sees that flies over a picture.

    Args:
        ground: What is on the ground.
        camera: Intrinsics.
        height_m: Height above the ground [m].
        plan: East, north [m] and heading [deg] of each frame.
        middle: Latitude and longitude [deg] that the plan is measured from.
        disturbance: What the flight adds.
        seed: Seed of all of it.
    """
    rng = np.random.default_rng(seed)
    for number, (east, north, heading) in enumerate(plan):
        sway = rng.normal(0, disturbance.sway_deg, 2)
        truth = pose_over(middle, (east, north, height_m), (*sway, heading), number)
        offset = rng.normal(0, disturbance.position_m, 2)
        height = height_m * (1 + rng.normal(0, disturbance.height))
        told = sway + rng.normal(0, disturbance.tilt_deg, 2)
        yaw = heading + rng.normal(0, disturbance.yaw_deg)
        believed = pose_over(
            middle, (east + offset[0], north + offset[1], height), (*told, yaw), number
        )
        clear = photograph(ground.image, ground, camera, truth)
        image = spoil(clear, disturbance, rng)
        yield FlownFrame(number, image, camera, truth, believed)


def pose_over(
    middle: tuple[float, float],
    place: tuple[float, float, float],
    angles_deg: tuple[float, float, float],
    number: int,
) -> Pose:
    """Return a pose at east, north, height [m] with roll, pitch, heading [deg] of the camera."""
    east, north, height = place
    roll, pitch, heading = (math.radians(value) for value in angles_deg)
    # ENU yaw counts from east, counter-clockwise; at heading 0 the picture's top is north.
    body = from_roll_pitch_yaw(roll, pitch, math.pi / 2 - heading)
    ((longitude, latitude),) = offset_to_wgs84(np.array([[east, north]]), *middle)
    return Pose(
        stamp_ns=number * STEP_NS,
        latitude_deg=float(latitude),
        longitude_deg=float(longitude),
        altitude_m=GROUND_M + height,
        height_m=height,
        orientation=multiply(body, NADIR_MOUNT),
    )


def photograph(
    values: Image, ground: PictureMap, camera: CameraModel, pose: Pose, *, nearest: bool = False
) -> Image:
    """Return what a camera sees of a picture, or of values that lie as it does; 0 beyond it.

    Args:
        values: (H, W) or (H, W, 3) uint8, of the size of the picture.
        ground: The picture, for its place.
        camera: Intrinsics.
        pose: Where the camera is.
        nearest: Whether to take the nearest value, for labels.
    """
    # Over 16 px the lens and the perspective are straight to a hundredth of one.
    sparse = ground.pixels_of(GroundGrid.of(camera, pose).points).astype(np.float32)
    x, y = np.meshgrid(
        np.arange(camera.width, dtype=np.float32) / STEP,
        np.arange(camera.height, dtype=np.float32) / STEP,
    )
    found = np.asarray(cv2.remap(sparse, x, y, cv2.INTER_LINEAR), np.float32)
    # A camera integrates over its pixels: where they are coarser than the picture, it is reduced.
    step = float(np.median(np.linalg.norm(np.diff(sparse, axis=1), axis=2))) / STEP
    if step > 1.0 and not nearest:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), 0.4 * step), np.uint8)
    columns, rows = np.ascontiguousarray(found[..., 0]), np.ascontiguousarray(found[..., 1])
    flag = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(values, columns, rows, flag), np.uint8)


def spoil(image: Image, disturbance: Disturbance, rng: np.random.Generator) -> Image:
    """Add the light, the motion and the noise of a flight."""
    gamma = math.exp(rng.normal(0, disturbance.gamma))
    gains = np.exp(rng.normal(0, disturbance.gain, 3))
    levels = np.linspace(0, 1, 256)[:, np.newaxis] ** gamma * gains * 255
    lit = cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8)[np.newaxis])
    length = abs(rng.normal(0, disturbance.blur_px))
    direction = rng.uniform(0, math.pi)
    if length > 0.3:
        lit = cv2.filter2D(lit, -1, _streak(length, direction))
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(disturbance.noise)
    return np.clip(np.rint(np.asarray(lit, np.float32) + noise), 0, 255).astype(np.uint8)


def without_light(disturbance: Disturbance) -> Disturbance:
    """Return a disturbance of the pose alone."""
    return replace(disturbance, gamma=0.0, gain=0.0, blur_px=0.0, noise=0.0)


def _streak(length: float, direction: float) -> NDArray[np.float32]:
    """Return the kernel of a motion [px, rad]: points along the way, spread over pixels."""
    half = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float64)
    for part in np.linspace(-0.5, 0.5, 33):
        x = half + part * length * math.cos(direction)
        y = half + part * length * math.sin(direction)
        column, row = math.floor(x), math.floor(y)
        for dy in (0, 1):
            for dx in (0, 1):
                kernel[row + dy, column + dx] += (1 - abs(x - column - dx)) * (
                    1 - abs(y - row - dy)
                )
    return np.asarray(kernel / kernel.sum(), np.float32)
