# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A camera frame on its way through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rs_onboard.perception.errors import FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.pose import Pose


@dataclass(frozen=True)
class FrameHeader:
    """What every result repeats of its image.

    Attributes:
        stamp_ns: Capture time of the image, node clock [ns].
        frame_id: Frame of the camera.
        sequence: Number of the frame since start, from 0.
        height: Image height [px].
        width: Image width [px].
        received_ns: Arrival on the steady clock [ns]; 0 where nobody measures (replay).
    """

    stamp_ns: int
    frame_id: str
    sequence: int
    height: int
    width: int
    received_ns: int = 0


@dataclass(frozen=True)
class Frame:
    """One image with what is known about it.

    Attributes:
        header: Stamp, frame and size.
        image: (H, W, 3) uint8, RGB; treated as read-only by everyone.
        camera: Intrinsics, None where none are known.
        pose: Camera pose at the stamp, None where none is known.
        pose_reason: Why there is no pose; empty with a pose.
    """

    header: FrameHeader
    image: NDArray[np.uint8]
    camera: CameraModel | None = None
    pose: Pose | None = None
    pose_reason: str = 'no pose source'

    def __post_init__(self) -> None:
        """Check that image and header agree.

        Raises:
            FrameError: The array is not (H, W, 3) uint8 of the header's size.
        """
        expected = (self.header.height, self.header.width, 3)
        if self.image.shape != expected or self.image.dtype != np.uint8:
            raise FrameError(
                f'frame {self.header.sequence}: found {self.image.shape} {self.image.dtype}; '
                f'expected {expected} uint8 (height, width, RGB). '
                'Convert it where it enters.'
            )
        if 0 in expected:
            raise FrameError(
                f'frame {self.header.sequence}: found an empty image of shape {self.image.shape}; '
                'expected at least one pixel.'
            )
