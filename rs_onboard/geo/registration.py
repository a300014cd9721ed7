# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Bring a frame and the map as the pose predicts it into register, or say why it cannot be done.

The predicted view already has the scale, direction and perspective of the frame, up to the errors
of the pose. Gradients or features of both are matched, a robust homography is fitted and let
through a gate: too few matches, too little common ground, matches on one spot, a residual or a
motion that no error of the pose explains, or pictures that do not agree each close it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from rs_onboard.geo.correlation import PASSES, place, search
from rs_onboard.geo.errors import RegistrationError
from rs_onboard.geo.features import FeatureMatcher, refine
from rs_onboard.geo.homography import project, rescaling
from rs_onboard.geo.motion import fit_motion, is_sound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Gray = NDArray[np.uint8]

# Not AKAZE, which OpenCV 5 no longer has.
MatcherName = Literal['gradient', 'orb', 'sift']
MATCHERS: tuple[MatcherName, ...] = ('gradient', 'orb', 'sift')

# Frames are matched at this long side: finer costs four times as much for half the residual.
LONG_SIDE = {'gradient': 640, 'orb': 960, 'sift': 960}
RANSAC_PX = 4.0
# How far the best place must stand out among all, in standard deviations of the correlation.
LEAST_PEAK = 7.0
# Fewer matches than this lead nowhere better than the placement of the whole.
LEAST_GUIDES = 6
# The pixels of a frame without contrast: fog, night, a lens cap.
LEAST_CONTRAST = 6.0


@dataclass(frozen=True)
class RegistrationLimits:
    """The gate.

    Attributes:
        inliers: Least matches that agree.
        overlap: Least share of the frame that the map shows.
        spread: Least share of the frame that the agreeing matches stretch over.
        residual_px: Largest median distance of agreeing matches [px of the pictures as they are
            matched, whose long side is `LONG_SIDE`].
        shift_m: Largest motion of the frame's centre against the pose [m].
        turn_deg: Largest rotation against the pose [deg].
        scale: Largest ratio of scales against the pose.
        agreement: Least correlation of the gradients of both pictures in register.
    """

    inliers: int = 10
    overlap: float = 0.3
    spread: float = 0.08
    residual_px: float = 2.6
    shift_m: float = 50.0
    turn_deg: float = 15.0
    scale: float = 1.3
    agreement: float = 0.08


@dataclass(frozen=True)
class Registration:
    """A frame in register with its map.

    Attributes:
        homography: (3, 3) float64, pixels of the predicted view to pixels of the frame.
        inliers: Matches that agree.
        matches: Matches before the robust fit.
        residual_px: Their median distance [px of the frame].
        overlap: Share of the frame that the map shows once in register.
        agreement: Correlation of the gradients of both pictures, -1 to 1.
        shift_px: Motion of the frame's centre against the prediction, x and y [px].
        turn_deg: Rotation against the prediction [deg].
        scale: Scale against the prediction.
        source: (inliers, 2) float64, the matches that agree, x and y [px of the predicted view].
        target: (inliers, 2) float64, where they are in the frame [px].
    """

    homography: NDArray[np.float64]
    inliers: int
    matches: int
    residual_px: float
    overlap: float
    agreement: float
    shift_px: tuple[float, float]
    turn_deg: float
    scale: float
    source: NDArray[np.float64]
    target: NDArray[np.float64]


class Registrar:
    """Registers frames with predicted views.

    Args:
        matcher: `gradient` finds its way between a photograph and a map of another sensor and year;
            the features `orb` and `sift` need pictures of one kind.
        limits: The gate.

    Raises:
        RegistrationError: There is no such matcher.
    """

    def __init__(
        self, matcher: MatcherName = 'gradient', limits: RegistrationLimits | None = None
    ) -> None:
        if matcher not in MATCHERS:
            raise RegistrationError(
                f'registration: found matcher {matcher!r}; expected one of {", ".join(MATCHERS)}.'
            )
        self.matcher = matcher
        self.limits = limits or RegistrationLimits()
        self._features = None if matcher == 'gradient' else FeatureMatcher(matcher)
        self._contrast = cv2.createCLAHE(2.0, (8, 8))

    def register(
        self,
        frame: NDArray[np.uint8],
        view: NDArray[np.uint8],
        seen: NDArray[np.bool_],
        gsd_m: float,
    ) -> Registration:
        """Register a frame with the view that its pose predicts.

        Args:
            frame: (H, W, 3) uint8 RGB.
            view: (H, W, 3) uint8 RGB, the map in the pixels of the frame.
            seen: (H, W) bool, where the map shows ground.
            gsd_m: Ground sample distance of the frame [m/px].

        Raises:
            RegistrationError: The gate is closed; says which bar of it and by how much.
        """
        scale = min(1.0, LONG_SIDE[self.matcher] / max(frame.shape[:2]))
        share = float(seen.mean())
        if share < self.limits.overlap:
            raise RegistrationError(
                f'the map shows {share:.0%} of the frame; at least {self.limits.overlap:.0%} is '
                'needed. The flight has left the map, or the map has a hole here.'
            )
        ours, theirs = (self._prepare(image, scale) for image in (frame, view))
        mask = cv2.resize(
            seen.astype(np.uint8) * np.uint8(255),
            ours.shape[::-1],
            interpolation=cv2.INTER_NEAREST,
        )
        inner = np.asarray(cv2.erode(mask, np.ones((9, 9), np.uint8)), np.uint8)
        if (contrast := float(ours.std())) < LEAST_CONTRAST:
            raise RegistrationError(
                f'the frame has a contrast of {contrast:.1f} grey levels; at least '
                f'{LEAST_CONTRAST:g} is needed. Night, fog, or a covered lens.'
            )
        if self._features is None:
            source, target, matrix, inlying = self._by_gradients(ours, theirs, inner)
        else:
            source, target = self._features.match(theirs, inner, ours)
            matrix, inlying = self._fit(source, target)
            matrix = refine(ours, theirs, inner, matrix)
        whole = rescaling(1 / scale)
        homography = whole @ matrix @ np.linalg.inv(whole)
        moved = project(matrix, source[inlying])
        residual = float(np.median(np.linalg.norm(moved - target[inlying], axis=1))) / scale
        agreement = gradient_agreement(ours, theirs, inner, matrix)
        found = self._measure(homography, residual, agreement, seen, inlying=inlying)
        found = replace(
            found, source=project(whole, source[inlying]), target=project(whole, target[inlying])
        )
        self._check(found, target[inlying], ours.shape, gsd_m, scale=scale)
        return found

    def _prepare(self, image: NDArray[np.uint8], scale: float) -> Gray:
        """Grey, small, and of even contrast: light differs between frame and map."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if scale < 1.0:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        spread = float(grey.std())
        even = self._contrast.apply(grey)
        return np.asarray(grey if spread < LEAST_CONTRAST else even, np.uint8)

    def _by_gradients(
        self, frame: Gray, view: Gray, mask: Gray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Place the whole, then patches from far to near; returns matches, fit and which agree."""
        coarse = place(frame, view, mask)
        if coarse.peak < LEAST_PEAK:
            raise RegistrationError(
                f'the map stands out by {coarse.peak:.1f} deviations where it fits best; at least '
                f'{LEAST_PEAK:g} are needed. The ground has changed, has no edges, or is another '
                'place.'
            )
        matrix = coarse.matrix
        for one in PASSES[:-1]:
            fit = fit_motion(*search(frame, view, mask, matrix, one), frame.shape)
            # The last pass decides; what is not clear before may be so from here on, too.
            if fit is not None and int(fit[1].sum()) >= LEAST_GUIDES:
                matrix = fit[0]
        source, target = search(frame, view, mask, matrix, PASSES[-1])
        matrix, inlying = self._believed(fit_motion(source, target, frame.shape), len(source))
        return source, target, matrix, inlying

    def _fit(
        self, source: NDArray[np.float64], target: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Fit a homography to most matches; returns it and which agree."""
        found = None
        if len(source) >= self.limits.inliers:
            matrix, agree = cv2.findHomography(
                source, target, cv2.USAC_MAGSAC, RANSAC_PX, maxIters=5000, confidence=0.999
            )
            if matrix is not None:
                found = np.asarray(matrix, np.float64), np.ravel(agree).astype(bool)
        return self._believed(found, len(source))

    def _believed(
        self, found: tuple[NDArray[np.float64], NDArray[np.bool_]] | None, count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Refuse a fit of too few matches."""
        need = self.limits.inliers
        if count < need:
            raise RegistrationError(
                f'{count} matches between frame and map; at least {need} are needed. The ground '
                'has changed, has no features, or is another place.'
            )
        agreeing = 0 if found is None else int(found[1].sum())
        if found is None or agreeing < need:
            raise RegistrationError(
                f'{agreeing} of {count} matches agree on one motion; at least {need} are needed. '
                'The ground has changed, or is another place.'
            )
        if not is_sound(found[0]):
            raise RegistrationError(
                'a mirrored or folded motion against the pose; expected a frame seen from above. '
                'The match is not believed.'
            )
        return found

    def _measure(
        self,
        homography: NDArray[np.float64],
        residual: float,
        agreement: float,
        seen: NDArray[np.bool_],
        *,
        inlying: NDArray[np.bool_],
    ) -> Registration:
        """Describe a fit."""
        height, width = seen.shape
        centre = np.array([[(width - 1) / 2, (height - 1) / 2]])
        steps = centre + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        moved = project(homography, steps)
        across, down = moved[1] - moved[0], moved[2] - moved[0]
        area = float(across[0] * down[1] - across[1] * down[0])
        shown = cv2.warpPerspective(
            seen.astype(np.uint8), homography, (width, height), flags=cv2.INTER_NEAREST
        )
        return Registration(
            homography=homography,
            inliers=int(inlying.sum()),
            matches=len(inlying),
            residual_px=residual,
            overlap=float(np.asarray(shown).mean()),
            agreement=agreement,
            shift_px=(float(moved[0, 0] - centre[0, 0]), float(moved[0, 1] - centre[0, 1])),
            turn_deg=math.degrees(math.atan2(across[1] - down[0], across[0] + down[1])),
            scale=math.sqrt(area) if area > 0 else 0.0,
            source=np.zeros((0, 2)),
            target=np.zeros((0, 2)),
        )

    def _check(
        self,
        found: Registration,
        inliers: NDArray[np.float64],
        shape: tuple[int, ...],
        gsd_m: float,
        *,
        scale: float,
    ) -> None:
        """Close the gate on what is not plausible.

        Raises:
            RegistrationError: Names the first bar.
        """
        limits = self.limits
        hull = cv2.contourArea(cv2.convexHull(inliers.astype(np.float32)))
        spread = hull / (shape[0] * shape[1])
        shift = math.hypot(*found.shift_px) * gsd_m
        ratio = max(found.scale, 1 / found.scale) if found.scale > 0 else math.inf
        residual = found.residual_px * scale
        for name, value, wrong, bar in (
            ('a mirrored or folded motion', found.scale, found.scale <= 0, 'a scale above 0'),
            ('matches over a share of', spread, spread < limits.spread, f'{limits.spread:g}'),
            (
                'a residual of',
                residual,
                residual > limits.residual_px,
                f'at most {limits.residual_px:g} px',
            ),
            ('a shift of', shift, shift > limits.shift_m, f'at most {limits.shift_m:g} m'),
            (
                'a turn of',
                abs(found.turn_deg),
                abs(found.turn_deg) > limits.turn_deg,
                f'at most {limits.turn_deg:g} deg',
            ),
            ('a scale ratio of', ratio, ratio > limits.scale, f'at most {limits.scale:g}'),
            (
                'common ground on a share of',
                found.overlap,
                found.overlap < limits.overlap,
                f'at least {limits.overlap:g}',
            ),
            (
                'gradients that correlate by',
                found.agreement,
                found.agreement < limits.agreement,
                f'at least {limits.agreement:g}',
            ),
        ):
            if wrong:
                raise RegistrationError(
                    f'{name} {value:.3g} against the pose; expected {bar}. The match is not '
                    'believed.'
                )


def gradient_agreement(frame: Gray, view: Gray, mask: Gray, matrix: NDArray[np.float64]) -> float:
    """Correlate the gradient magnitudes of a frame and a view in register; 0 without overlap."""
    size = frame.shape[::-1]
    moved = cv2.warpPerspective(view, matrix, size, flags=cv2.INTER_LINEAR)
    known = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_NEAREST) > 127
    inner = cv2.erode(known.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if int(inner.sum()) < 100:
        return 0.0
    strengths = [gradient(image)[inner].astype(np.float64) for image in (frame, np.asarray(moved))]
    deviations = [values - values.mean() for values in strengths]
    spread = math.sqrt(float((deviations[0] ** 2).sum()) * float((deviations[1] ** 2).sum()))
    return float((deviations[0] * deviations[1]).sum()) / spread if spread > 0 else 0.0


def gradient(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return the gradient magnitude of a smoothed image, (H, W) float32."""
    smooth = cv2.GaussianBlur(np.asarray(image, np.uint8), (0, 0), 2.0)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, ksize=3) for dx in (1, 0))
    return np.asarray(cv2.magnitude(x, y), np.float32)
