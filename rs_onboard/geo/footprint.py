# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where on the ground pixels lie: rays through the camera, meeting flat ground or terrain."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.hits import GroundHits, meet_plane
from rs_onboard.geo.lens import bearing
from rs_onboard.geo.rotation import rotation_matrix
from rs_onboard.geo.wgs84 import offset_to_wgs84

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose


# Points on each side of an image whose view is cut by the horizon, and halvings on the way to it:
# from a thousand pixels to a hundredth of one.
BORDER_STEPS = 12
HALVINGS = 17


class Footprint(NamedTuple):
    """The ground a frame shows.

    Attributes:
        corners: (4, 2) float64 longitude, latitude [deg] of the image corners, clockwise from the
            top left; None where unknown.
        reason: Why there is none; empty otherwise.
    """

    corners: NDArray[np.float64] | None
    reason: str


class GroundPoints(NamedTuple):
    """Where on the ground pixels lie.

    Attributes:
        offsets: (N, 2) float64 east and north of the point below the camera [m]; NaN for pixels at
            or near the horizon, or where the terrain is not known. None where nothing is known.
        wgs84: (N, 2) float64 longitude, latitude [deg], likewise.
        reason: Why there are none; empty otherwise.
    """

    offsets: NDArray[np.float64] | None
    wgs84: NDArray[np.float64] | None
    reason: str


def footprint(camera: CameraModel | None, pose: Pose | None) -> Footprint:
    """Project the image corners on flat ground."""
    right, bottom = (camera.width - 0.5, camera.height - 0.5) if camera else (0.5, 0.5)
    pixels = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    ground = locate(pixels, camera, pose)
    if ground.offsets is not None and np.isnan(ground.offsets).any():
        return Footprint(None, 'the view reaches the horizon')
    return Footprint(ground.wgs84, ground.reason)


def visible_ground(camera: CameraModel, pose: Pose) -> NDArray[np.float64] | None:
    """Return the outline of the ground in a view of which a part shows none.

    The border of the image is followed; where it shows no ground, the last pixel that does, on the
    way from the border to the middle of what shows some.

    Returns:
        (K, 2) float64 longitude, latitude [deg], clockwise seen from above; None where no pixel of
        a coarse grid shows any.
    """
    right, bottom = camera.width - 0.5, camera.height - 0.5
    steps = np.linspace(0.0, 1.0, BORDER_STEPS, endpoint=False)[:, np.newaxis]
    corners = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    border = np.concatenate(
        [a + (b - a) * steps for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )
    x, y = np.meshgrid(np.linspace(-0.5, right, 17), np.linspace(-0.5, bottom, 17))
    inside = np.stack((x.ravel(), y.ravel()), axis=1)
    seen = inside[_shows_ground(inside, camera, pose)]
    if not len(seen):
        return None
    middle = seen[np.argmin(np.linalg.norm(seen - seen.mean(axis=0), axis=1))]
    near, far = np.broadcast_to(middle, border.shape).copy(), border.copy()
    whole = _shows_ground(border, camera, pose)
    near[whole] = border[whole]
    for _ in range(HALVINGS):
        between = (near + far) / 2.0
        shows = _shows_ground(between, camera, pose)[:, np.newaxis]
        near, far = np.where(shows, between, near), np.where(shows, far, between)
    return locate(near, camera, pose).wgs84


def _shows_ground(
    pixels: NDArray[np.float64], camera: CameraModel, pose: Pose
) -> NDArray[np.bool_]:
    offsets = locate(pixels, camera, pose).offsets
    if offsets is None:
        return np.zeros(len(pixels), np.bool_)
    shows: NDArray[np.bool_] = np.logical_not(np.isnan(offsets[:, 0]))
    return shows


def locate(
    pixels: NDArray[np.float64], camera: CameraModel | None, pose: Pose | None
) -> GroundPoints:
    """Project pixels (N, 2) float64, x and y with centres at whole numbers, on the ground."""
    hits = sight(pixels, camera, pose)
    if isinstance(hits, str):
        return GroundPoints(None, None, hits)
    assert pose is not None
    offsets = hits.points[:, :2]
    return GroundPoints(
        offsets, offset_to_wgs84(offsets, pose.latitude_deg, pose.longitude_deg), ''
    )


def sight(
    pixels: NDArray[np.float64], camera: CameraModel | None, pose: Pose | None
) -> GroundHits | str:
    """Follow the rays of pixels (N, 2) float64 to the ground; returns why not where it cannot."""
    if camera is None or pose is None:
        return 'camera intrinsics unknown' if camera is None else 'pose unknown'
    why = f' ({pose.unknown})' if pose.unknown else ''
    if pose.height_m is None or pose.height_m <= 0.0:
        return f'height above ground unknown{why}'
    if pose.orientation is None:
        return f'attitude unknown{why}'
    try:
        rays = bearing(pixels, camera) @ rotation_matrix(pose.orientation).T
    except CameraError as exc:
        return str(exc)
    if pose.terrain is None:
        return meet_plane(rays, pose.height_m)
    return pose.terrain.meet(rays, pose.latitude_deg, pose.longitude_deg, pose.altitude_m)


def within_date_line(rings: Sequence[NDArray[np.float64]]) -> list[list[NDArray[np.float64]]]:
    """Cut a polygon where it crosses the date line.

    Args:
        rings: Its outline and holes, (N, 2) float64 longitude, latitude [deg] each; longitudes may
            run beyond +-180.

    Returns:
        The parts, each of rings (K, 2) with longitudes from -180 to 180, in the same sense of
        rotation.
    """
    if np.abs(rings[0][:, 0]).max() <= 180.0:
        return [list(rings)]
    parts = []
    for turn in (-360.0, 0.0, 360.0):
        moved = [ring + np.array([turn, 0.0]) for ring in rings]
        cut = [_clip(_clip(ring, -1.0), 1.0) for ring in moved]
        if len(cut[0]):
            parts.append([ring for ring in cut if len(ring)])
    return parts


def _clip(corners: NDArray[np.float64], side: float) -> NDArray[np.float64]:
    """Keep what lies on this side of the date line: west of +180 for 1, east of -180 for -1."""
    beyond = corners[:, 0] * side - 180.0 if len(corners) else np.empty(0)
    kept = []
    for here, there, a, b in zip(
        corners, np.roll(corners, -1, axis=0), beyond, np.roll(beyond, -1), strict=True
    ):
        if a < 0.0:
            kept.append(here)
        if (a < 0.0) != (b < 0.0):
            kept.append(np.array([180.0 * side, here[1] + (there[1] - here[1]) * a / (a - b)]))
    return np.array(kept).reshape(-1, 2)
