# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tiles that are not worth a look: beyond the horizon, off the area of interest, too oblique."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.gsd import local_scales
from rs_onboard.perception.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.geo.area import Area
    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.perception.frame import Frame
    from rs_onboard.perception.tiles import TileGrid

    Mask = NDArray[np.bool_]

# Reasons, as they are counted in reports.
BEYOND_HORIZON, NO_GROUND = 'beyond_horizon', 'no_known_ground'
OFF_AREA, TOO_OBLIQUE = 'off_area', 'too_oblique'


@dataclass(frozen=True)
class TileFilter:
    """Leaves out tiles by what they show.

    Attributes:
        area: What is of interest; None for everything.
        gsd_ratio: A tile whose pixels are so many times coarser or finer on the ground than those
            in the middle of the frame is too oblique; 0 leaves none out for it.
    """

    area: Area | None = None
    gsd_ratio: float = 0.0

    def select(self, grids: Sequence[TileGrid], frame: Frame) -> list[Selection]:
        """Choose the tiles of a frame for each grid; all where nobody knows what they show."""
        if self._is_plain(frame):
            return [Selection.whole(len(grid)) for grid in grids]
        return [self.select_one(grid, frame) for grid in grids]

    def _is_plain(self, frame: Frame) -> bool:
        """Say whether every tile is worth a look, told by the border of the frame alone.

        This is so in a view from above; to look at every tile takes longer than to cut them.
        """
        camera, pose = frame.camera, frame.pose
        if self.area is not None or camera is None or pose is None or pose.terrain is not None:
            return False
        right, bottom = camera.width - 1.0, camera.height - 1.0
        x, y = np.meshgrid((0.0, right / 2.0, right), (0.0, bottom / 2.0, bottom))
        scales = local_scales(np.column_stack((x.ravel(), y.ravel())), camera, pose)
        if scales is None or np.isnan(scales).any():
            return False
        most = float(scales.max() / scales.min())
        return self.gsd_ratio <= 0.0 or most <= self.gsd_ratio

    def select_one(self, grid: TileGrid, frame: Frame) -> Selection:
        """Choose the tiles of a frame by a look at every one of them."""
        whole = Selection.whole(len(grid))
        camera, pose = frame.camera, frame.pose
        corners = _corners(grid)
        ground = locate(corners.reshape(-1, 2), camera, pose)
        if ground.offsets is None or camera is None or pose is None:
            return self._undecided(whole, frame.pose_reason or ground.reason)
        offsets = ground.offsets.reshape(-1, 5, 2)
        known: Mask = np.isfinite(offsets).reshape(-1, 10)
        some: Mask = np.logical_or.reduce(known, axis=1)
        none = NO_GROUND if pose.terrain is not None else BEYOND_HORIZON
        chosen = whole.keep(_numbers(some), none)
        if self.area is not None:
            # A tile that reaches to where no ground is known may have anything in it.
            inside: Mask = np.logical_not(known[:, :8].all(axis=1))
            sure = np.flatnonzero(~inside)
            inside[sure] = self.area.meets(offsets[sure, :4], pose.latitude_deg, pose.longitude_deg)
            chosen = chosen.keep(_numbers(inside), OFF_AREA)
        if self.gsd_ratio > 0.0 and chosen.tiles:
            chosen = chosen.keep(_numbers(self._alike(corners, camera, pose)), TOO_OBLIQUE)
        return chosen

    def _undecided(self, whole: Selection, reason: str) -> Selection:
        if self.area is None:
            return whole
        doubt = f'all tiles looked at, area of interest not applied: {reason}'
        return Selection(whole.tiles, doubt=doubt)

    def _alike(self, corners: NDArray[np.float64], camera: CameraModel, pose: Pose) -> Mask:
        """Say which tiles have about the scale of the middle of the frame at their own middle."""
        middle = np.array([(camera.cx, camera.cy)])
        scales = local_scales(np.concatenate([middle, corners[:, 4]]), camera, pose)
        if scales is None or np.isnan(scales[0]):
            return np.ones(len(corners), np.bool_)
        ratios = scales[1:] / scales[0]
        with np.errstate(invalid='ignore'):
            alike: Mask = np.logical_and(ratios <= self.gsd_ratio, ratios >= 1.0 / self.gsd_ratio)
        return alike


def _corners(grid: TileGrid) -> NDArray[np.float64]:
    """Return the corners of every tile within the frame, and its middle, (N, 5, 2) pixels."""
    found = np.empty((len(grid), 5, 2))
    for index in range(len(grid)):
        left, top, width, height = grid.box(index)
        right, bottom = min(left + width, grid.frame_width), min(top + height, grid.frame_height)
        found[index, :4] = [(left, top), (right, top), (right, bottom), (left, bottom)]
    found[:, 4] = found[:, :4].mean(axis=1)
    # From edges of pixels to centres.
    return found - 0.5


def _numbers(chosen: Mask) -> frozenset[int]:
    return frozenset(np.flatnonzero(chosen).tolist())
