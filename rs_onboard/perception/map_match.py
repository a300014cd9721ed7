# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How a frame lies on a reference map, or what prevents it from being laid there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose
    from rs_onboard.geo.position import PositionFix

MatchState = Literal[
    'registered',
    'no_camera',
    'no_pose',
    'no_height',
    'no_attitude',
    'above_horizon',
    'too_oblique',
    'off_map',
    'map_hole',
    'map_damaged',
    'map_too_old',
    'map_undated',
    'no_clock',
    'dark',
    'overexposed',
    'no_contrast',
    'blurred',
    'not_registered',
    'failed',
]


@dataclass(frozen=True)
class MapFit:
    """The motion between a frame and the view of the map that its pose predicts.

    Attributes:
        homography: (3, 3) float64, pixels of the predicted view to pixels of the frame.
        inliers: Matches that agree.
        matches: Matches before the robust fit.
        residual_px: Their median distance [px of the frame].
        overlap: Share of the frame that the map shows.
        agreement: Correlation of the gradients of both pictures, -1 to 1.
        shift_m: Motion of the frame's centre against the prediction [m].
        turn_deg: Rotation against the prediction [deg].
        scale: Scale against the prediction.
    """

    homography: NDArray[np.float64]
    inliers: int
    matches: int
    residual_px: float
    overlap: float
    agreement: float
    shift_m: float
    turn_deg: float
    scale: float


@dataclass(frozen=True)
class MapMatch:
    """How a frame lies on a reference map.

    Attributes:
        state: `registered`, or the name of what prevents it.
        reason: The same in words; empty when registered.
        map_name: Name of the map.
        map_date: When its images were taken, ISO 8601; empty where nobody knows.
        camera: Intrinsics of the frame, None where none are known.
        pose: The pose that was believed, None where none is known.
        pose_reason: Why there is no pose; empty with one.
        fit: The motion found, None without one.
        corners: (4, 2) float64 longitude, latitude [deg] of the frame's corners in register,
            clockwise from the top left; None without a fit or where a corner sees the horizon.
        position: Where the camera was by the map alone; None without a fit.
    """

    state: MatchState
    reason: str
    map_name: str
    map_date: str
    camera: CameraModel | None = None
    pose: Pose | None = None
    pose_reason: str = ''
    fit: MapFit | None = None
    corners: NDArray[np.float64] | None = None
    position: PositionFix | None = None
