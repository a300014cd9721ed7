# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A photograph as ground, a map of it, and a camera above it, known to a fraction of a pixel."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import MapError
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.mercator import TILE, from_pixels, resolution_m, to_pixels
from rs_onboard.geo.reference.build import MapText, MapWriter
from rs_onboard.geo.reference.source import Bounds, MapInfo, MapTile
from rs_onboard.geo.reference.view import keys_within
from rs_onboard.geo.rotation import NADIR_MOUNT, multiply
from rs_onboard.geo.wgs84 import offset_to_wgs84
from rs_onboard.perception.frame import Frame, FrameHeader

IMAGES = Path(__file__).parent / 'data' / 'images'
LATITUDE, LONGITUDE = 47.3, 8.5
ZOOM = 19
# 0.2 m/px at this zoom and latitude.
CAMERA = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5)
STAMP_NS = 1_700_000_000_000_000_000


def photograph(height=900, width=1100):
    """Return real ground, (height, width, 3) uint8 RGB."""
    picture = cv2.imread(str(IMAGES / 'aerial.jpg'))[:, :, ::-1]
    return np.ascontiguousarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC))


class PictureMap:
    """A picture of ground as a map, its middle at the place above."""

    def __init__(self, picture, *, date='2021-07-14', seen=None, broken=False):
        self.picture, self.broken = picture, broken
        self.seen = np.ones(picture.shape[:2], bool) if seen is None else seen
        middle = to_pixels(np.array([LONGITUDE, LATITUDE]), ZOOM)
        self.origin = np.floor(middle - np.array(picture.shape[1::-1]) / 2).astype(int)
        ends = np.array([self.origin, self.origin + picture.shape[1::-1]], float)
        (west, north), (east, south) = from_pixels(ends, ZOOM).tolist()
        bounds = Bounds(west, south, east, north)
        gsd = resolution_m(LATITUDE, ZOOM)
        self.info = MapInfo(
            Path('picture.mbtiles'), 'picture', date, gsd, bounds, ZOOM, ZOOM, TILE, ''
        )

    def read(self, key):
        if self.broken:
            raise MapError('picture.mbtiles: tile is no image')
        left, top = np.array([key.column, key.row]) * TILE - self.origin
        x, y = np.meshgrid(left + np.arange(TILE), top + np.arange(TILE))
        height, width = self.picture.shape[:2]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
        return MapTile(self.picture[y, x], inside & self.seen[y, x])

    def close(self):
        pass


def write_map(path, picture, **options):
    """Write a picture as an MBTiles file; tiles are PNG at the edges, JPEG within."""
    source = PictureMap(picture, **options)
    text = MapText(source.info.name, source.info.date, source.info.gsd_m)
    west, south, east, north = source.info.bounds
    writer = MapWriter(path, text)
    for key in keys_within(np.array([(west, north), (east, south)]), ZOOM):
        writer.add(key, source.read(key))
    writer.finish()
    return path


def pose_above(pose, east_m=0.0, north_m=0.0, *, yaw_deg=0.0, tilt_deg=0.0, **changes):
    """Move and turn a nadir pose."""
    yaw, tilt = math.radians(yaw_deg), math.radians(tilt_deg)
    turn = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
    lean = (0.0, math.sin(tilt / 2), 0.0, math.cos(tilt / 2))
    place = offset_to_wgs84(np.array([[east_m, north_m]]), LATITUDE, LONGITUDE)[0]
    values = {
        'latitude_deg': float(place[1]),
        'longitude_deg': float(place[0]),
        'orientation': multiply(multiply(turn, lean), NADIR_MOUNT),
    }
    return dataclasses.replace(pose, **{**values, **changes})


def fly(picture, pose, *, believed=None, camera=CAMERA, number=0):
    """Take a frame of a picture from a pose; the frame believes another one, if one is given."""
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    pixels = np.stack((x, y), axis=-1).reshape(-1, 2).astype(float)
    places = to_pixels(locate(pixels, camera, pose).wgs84, ZOOM)
    local = (places - PictureMap(picture).origin - 0.5).astype(np.float32)
    columns, rows = (local[:, i].reshape(camera.height, camera.width) for i in (0, 1))
    image = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR)
    stamp_ns = STAMP_NS + number * 1_000_000_000
    header = FrameHeader(stamp_ns, 'camera', number, camera.height, camera.width)
    seen_as = dataclasses.replace(believed or pose, stamp_ns=stamp_ns)
    return Frame(header, image, camera, seen_as, '')
