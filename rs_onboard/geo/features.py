# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Match corners and blobs of two pictures of one kind, and improve a fit by the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from rs_onboard.geo.homography import project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Gray = NDArray[np.uint8]

FeatureName = Literal['orb', 'sift']
FEATURES = 2500
# Lowe's ratio of the best to the second best match.
RATIO = {'orb': 0.85, 'sift': 0.8}
# Refinement stops at this scale of the matched images; a quarter of the pixels give a tenth of one.
REFINE_SCALE = 0.5
REFINE_STEPS = 30
# A refinement that moves a corner further than this has left the fit [px].
LARGEST_DRIFT_PX = 16.0


class FeatureMatcher:
    """Finds features in two pictures and which of them are one.

    Args:
        name: `orb` or `sift`.
    """

    def __init__(self, name: FeatureName) -> None:
        # OpenCV's own stubs do not know that these are functions of the module, too.
        made: Any = cv2
        self._detector: cv2.Feature2D = (
            made.ORB_create(nfeatures=FEATURES, fastThreshold=7)
            if name == 'orb'
            else made.SIFT_create(nfeatures=FEATURES, contrastThreshold=0.02)
        )
        self._pairs = cv2.BFMatcher(cv2.NORM_HAMMING if name == 'orb' else cv2.NORM_L2)
        self._ratio = RATIO[name]

    def match(
        self, view: Gray, mask: Gray, frame: Gray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Match features; returns places in the view and in the frame, (N, 2) float64 each."""
        there, described = self._detector.detectAndCompute(view, mask)
        here, wanted = self._detector.detectAndCompute(frame, np.full_like(frame, 255))
        none = np.zeros((0, 2))
        if described is None or wanted is None or min(len(there), len(here)) < 2:
            return none, none
        pairs = [
            (best.queryIdx, best.trainIdx)
            for best, second in (
                p for p in self._pairs.knnMatch(described, wanted, 2) if len(p) == 2
            )
            if best.distance < self._ratio * second.distance
        ]
        if not pairs:
            return none, none
        source = np.array([there[a].pt for a, _ in pairs], np.float64)
        target = np.array([here[b].pt for _, b in pairs], np.float64)
        return source, target


def refine(frame: Gray, view: Gray, mask: Gray, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Improve a fit (3, 3) by the pixels themselves; it stays where they disagree."""
    small = np.diag([REFINE_SCALE, REFINE_SCALE, 1.0])
    start = small @ matrix @ np.linalg.inv(small)
    size = tuple(round(side * REFINE_SCALE) for side in frame.shape[::-1])
    here, there, inner = (
        cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (frame, view, mask)
    )
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, REFINE_STEPS, 1e-4)
    # The criterion maps the frame to the view.
    guess = np.linalg.inv(start).astype(np.float32)
    guess /= guess[2, 2]
    try:
        _, refined = cv2.findTransformECC(
            here, there, guess, cv2.MOTION_HOMOGRAPHY, stop, (inner > 127).astype(np.uint8), 5
        )
    except cv2.error:
        return matrix
    better = np.linalg.inv(np.asarray(refined, np.float64))
    better = np.linalg.inv(small) @ (better / better[2, 2]) @ small
    corners = np.array([(0, 0), (frame.shape[1], 0), (frame.shape[1], frame.shape[0])], float)
    drift = np.abs(project(better, corners) - project(matrix, corners)).max()
    return better if drift < LARGEST_DRIFT_PX else matrix
