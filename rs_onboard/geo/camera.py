# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The camera: pinhole intrinsics of the image as it arrives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rs_onboard.geo.errors import CameraError


@dataclass(frozen=True)
class CameraModel:
    """Intrinsics in pixels of the image they come with (binning and region of interest applied).

    Attributes:
        width: Image width [px].
        height: Image height [px].
        fx: Focal length along x [px].
        fy: Focal length along y [px].
        cx: Principal point, x [px].
        cy: Principal point, y [px].
        distortion_model: ROS name (`plumb_bob`, `rational_polynomial`, `equidistant`) or empty.
        distortion: Its coefficients.
        pixel_sigma: Standard deviation of a pixel along each axis, of the calibration and of what
            is placed [px].
        focal_sigma: Standard deviation of the focal length, as a share of it.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = ''
    distortion: tuple[float, ...] = ()
    pixel_sigma: float = 0.0
    focal_sigma: float = 0.0

    def __post_init__(self) -> None:
        """Refuse intrinsics that no camera has.

        Raises:
            CameraError: A size or focal length is not positive, or a value is not finite.
        """
        values = (
            *(self.fx, self.fy, self.cx, self.cy, *self.distortion),
            *(self.pixel_sigma, self.focal_sigma),
        )
        if not all(math.isfinite(value) for value in values):
            raise CameraError(
                f'camera: found values {values}; expected finite numbers. Calibrate the camera.'
            )
        if self.width < 1 or self.height < 1 or self.fx <= 0 or self.fy <= 0:
            raise CameraError(
                f'camera: found {self.width}x{self.height} px with focal lengths fx={self.fx:g}, '
                f'fy={self.fy:g} px; expected positive sizes and focal lengths. An all-zero '
                'camera_info means an uncalibrated camera: calibrate it or publish its intrinsics.'
            )

    def scaled_to(self, width: int, height: int) -> CameraModel:
        """Return the same camera for an image resampled to width x height [px]."""
        sx, sy = width / self.width, height / self.height
        return CameraModel(
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            distortion_model=self.distortion_model,
            distortion=self.distortion,
            pixel_sigma=self.pixel_sigma * math.sqrt(sx * sy),
            focal_sigma=self.focal_sigma,
        )
