# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A photograph of ground with known corners, and the pictures that a camera takes above it."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.reference.picture import PictureMap
from rs_onboard.geo.rotation import NADIR_MOUNT, multiply
from rs_onboard.geo.wgs84 import offset_to_wgs84

IMAGE = Path(__file__).parents[2] / 'data' / 'images' / 'aerial.jpg'
LATITUDE, LONGITUDE = 47.3, 8.5
HEIGHT_M = 60.0
GROUND_M = (240.0, 180.0)
CAMERA = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)


def ground_map():
    """Return a photograph, 240 by 180 m, of 15 cm a pixel."""
    picture = cv2.imread(str(IMAGE))[:, :, ::-1]
    image = np.ascontiguousarray(cv2.resize(picture, (1600, 1200), interpolation=cv2.INTER_CUBIC))
    x, y = GROUND_M[0] / 2, GROUND_M[1] / 2
    offsets = np.array([(-x, y), (x, y), (x, -y), (-x, -y)])
    corners = offset_to_wgs84(offsets, LATITUDE, LONGITUDE)
    return PictureMap(image, corners, name='ground', date='2021-07')


def about(axis, degrees):
    half = math.radians(degrees) / 2
    return *(math.sin(half) * (index == axis) for index in range(3)), math.cos(half)


def pose_at(east=0.0, north=0.0, up=0.0, turns=(0.0, 0.0, 20.0), stamp_ns=0):
    """Return a pose above the middle of the ground, tilted and turned [deg]."""
    orientation = NADIR_MOUNT
    for axis in (2, 1, 0):
        orientation = multiply(about(axis, turns[axis]), orientation)
    ((longitude, latitude),) = offset_to_wgs84(np.array([[east, north]]), LATITUDE, LONGITUDE)
    return Pose(stamp_ns, float(latitude), float(longitude), 400.0 + up, HEIGHT_M + up, orientation)


def photograph(ground, pose, camera=CAMERA):
    """Take the picture that a camera at a pose would take, (H, W, 3) uint8."""
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    pixels = np.stack((x, y), axis=-1).reshape(-1, 2).astype(float)
    places = ground.pixels_of(locate(pixels, camera, pose).wgs84)
    columns, rows = np.moveaxis(places.reshape(*x.shape, 2).astype(np.float32), -1, 0)
    return cv2.remap(ground.image, columns, rows, cv2.INTER_LINEAR)
