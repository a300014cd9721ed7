# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Edge targets of the body/edge head, made from label masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.training.data.sample import IGNORE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Grey values of the six ISPRS classes in the authors' palette. A Laplacian answers on the darker
# side of a boundary, so these values decide which side an edge lies on; further classes get values
# spread over the gaps.
GREYS = np.array([29, 76, 226, 255, 179, 150, 51, 102, 203, 127, 240, 90], np.uint8)
LAPLACIAN = np.array([[2, 0, 2], [0, -8, 0], [2, 0, 2]], np.float32)


def edge_target(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mark the boundaries of a label mask.

    Args:
        mask: (H, W) uint8 class ids, 255 ignored.

    Returns:
        (H, W) uint8: 1 near a boundary, 0 elsewhere, 255 ignored.
    """
    ignored = mask == IGNORE
    grey = np.where(ignored, 0, GREYS[np.where(ignored, 0, mask) % len(GREYS)]).astype(np.uint8)
    answer = cv2.filter2D(grey, cv2.CV_8U, LAPLACIAN)
    edges = (cv2.GaussianBlur(answer, (5, 5), 0) > 0).astype(np.uint8)
    return np.where(ignored, np.uint8(IGNORE), edges)
