# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Lay a reference map under a frame pixel upon pixel, or say by name why it cannot be done.

The pose predicts what the map shows; the registration says by how much the pose is wrong; then the
map is seen once more, through the corrected pose. So its pixels are interpolated once, and what is
found in the frame gets its place from the map and not from the receiver.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rs_onboard.geo.errors import MapError, PoseError, RegistrationError
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.gsd import ground_scale
from rs_onboard.geo.homography import project, rescaling
from rs_onboard.geo.position import position_from
from rs_onboard.geo.reference.prefetch import Prefetcher
from rs_onboard.geo.reference.view import GroundGrid, grid_pixels
from rs_onboard.perception.change import AlignedPair
from rs_onboard.perception.map_match import MapFit, MapMatch
from rs_onboard.perception.radiometry import detail, match_light, unfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.geo.gsd import GroundScale
    from rs_onboard.geo.pose import Pose
    from rs_onboard.geo.position import PositionFix
    from rs_onboard.geo.reference.view import ReferenceMap, ReferenceView
    from rs_onboard.geo.registration import Registrar, Registration
    from rs_onboard.perception.frame import Frame
    from rs_onboard.perception.map_match import MatchState

# Frames are compared at this long side at least [px], which registration needs to be exact.
LEAST_SIDE = 960
# Stamps before 2000 are simulation time or a clock that was never set.
YEAR_2000_NS = 946_684_800 * 1_000_000_000
# Pixels next to unseen ones have some of their black in them, and registration is off by one or so.
MARGIN_PX = 3


class MatchError(ValueError):
    """A frame that cannot be laid on the map.

    Args:
        state: Its name.
        reason: The same in words.
        fit: The motion found, where one was found and not believed.
    """

    def __init__(self, state: MatchState, reason: str, fit: MapFit | None = None) -> None:
        super().__init__(reason)
        self.state = state
        self.fit = fit


@dataclass(frozen=True)
class AlignmentLimits:
    """What is compared.

    Attributes:
        max_tilt_deg: Largest angle between the view and straight down [deg].
        max_age_days: Largest age of the map [days]; 0 takes any.
        least_seen: Least share of the frame that the map must show.
        least_detail: Least share of the map's fine detail that the frame must have, in the
            direction where it has least.
        light: How much of the difference in light between map and frame is taken out, 0 to 1.
    """

    max_tilt_deg: float = 30.0
    max_age_days: float = 0.0
    least_seen: float = 0.3
    least_detail: float = 0.35
    light: float = 0.5


@dataclass(frozen=True)
class Alignment:
    """A frame with the map under it.

    Attributes:
        pair: Map and frame, reduced to what the model needs.
        ground: Where on the ground the pixels of the pair lie, in register.
        match: How the frame lies on the map.
    """

    pair: AlignedPair
    ground: GroundGrid
    match: MapMatch


class Aligner:
    """Lays a map under frames.

    Args:
        reference: The map.
        registrar: Finds the motion between a frame and the view that its pose predicts.
        limits: What is compared.
        model_gsd_m: Ground sample distance that the change model wants [m/px]; None keeps frames
            as large as registration wants them.
    """

    def __init__(
        self,
        reference: ReferenceMap,
        registrar: Registrar,
        limits: AlignmentLimits,
        model_gsd_m: float | None,
    ) -> None:
        self.reference = reference
        self.registrar = registrar
        self.limits = limits
        self._model_gsd_m = model_gsd_m
        self._ahead = Prefetcher(reference)

    def align(self, frame: Frame) -> Alignment:
        """Lay the map under a frame.

        Raises:
            MatchError: It cannot be done; says why.
        """
        camera, pose, scale = self._seen_from(frame)
        self._check_age(pose.stamp_ns)
        small, camera = self._reduced(frame, camera, scale)
        if trouble := unfit(small.image):
            raise MatchError(*trouble)
        gsd = ground_scale(camera, pose)
        assert gsd.gsd_m is not None
        predicted = self._ground(camera, pose)
        view = self._view(predicted)
        self._ahead.look(pose.stamp_ns, predicted)
        self._check_seen(view)
        found = self._register(small.image, view, gsd.gsd_m)
        ground = moved_grid(predicted, found.homography, camera, pose)
        exact = self._view(ground)
        seen = inner(exact.seen)
        fit = map_fit(found, gsd.gsd_m, frame.image.shape[1] / small.image.shape[1], seen)
        self._check_pair(small.image, exact, seen, fit)
        before = match_light(exact.image, small.image, seen, self.limits.light)
        pair = AlignedPair(
            small.header, before, small.image, None if bool(seen.all()) else seen, gsd
        )
        match = replace(
            self.match_of(frame),
            state='registered',
            fit=fit,
            corners=corners_of(ground),
            position=_position(found, camera, pose),
        )
        return Alignment(pair, ground, match)

    def match_of(self, frame: Frame, fault: MatchError | None = None) -> MapMatch:
        """Describe a frame before it is in register, or one that never gets there."""
        info = self.reference.info
        return MapMatch(
            state='failed' if fault is None else fault.state,
            reason='' if fault is None else str(fault),
            map_name=info.name,
            map_date=info.date,
            camera=frame.camera,
            pose=frame.pose,
            pose_reason=frame.pose_reason,
            fit=None if fault is None else fault.fit,
        )

    def _seen_from(self, frame: Frame) -> tuple[CameraModel, Pose, GroundScale]:
        camera, pose = frame.camera, frame.pose
        if camera is None:
            raise MatchError('no_camera', 'camera intrinsics unknown: publish or calibrate them')
        if pose is None:
            raise MatchError('no_pose', f'no pose: {frame.pose_reason}')
        tilt = pose.tilt_rad()
        if tilt is None:
            raise MatchError('no_attitude', 'attitude unknown: without it the view is anywhere')
        tilt_deg = math.degrees(tilt)
        if tilt_deg >= 90.0:
            raise MatchError(
                'above_horizon',
                f'the camera looks {tilt_deg - 90.0:.0f} deg above the horizon. Check the gimbal, '
                'which may be mounted upside down, and camera_mount_rpy_deg.',
            )
        if tilt_deg > self.limits.max_tilt_deg:
            raise MatchError(
                'too_oblique',
                f'the camera is tilted by {tilt_deg:.0f} deg; at most '
                f'{self.limits.max_tilt_deg:g} deg can be compared with a map.',
            )
        scale = ground_scale(camera, pose)
        if scale.gsd_m is None:
            raise MatchError('no_height', scale.reason)
        return camera, pose, scale

    def _check_age(self, stamp_ns: int) -> None:
        limit, info = self.limits.max_age_days, self.reference.info
        if not limit:
            return
        taken = first_day(info.date)
        if taken is None:
            raise MatchError(
                'map_undated',
                f'{info.path}: found date {info.date!r}; expected one, because maps may be at most '
                f'{limit:g} days old. Build it with a date, or set change.max_age_days to 0.',
            )
        if stamp_ns < YEAR_2000_NS:
            raise MatchError(
                'no_clock',
                f'the stamp of the frame, {stamp_ns / 1e9:.0f} s, is none of this century, and the '
                'age of the map cannot be told. Set the clock.',
            )
        age = (datetime.fromtimestamp(stamp_ns // 10**9, timezone.utc) - taken) / timedelta(days=1)
        if age > limit:
            raise MatchError(
                'map_too_old',
                f'the map {info.name} is of {info.date}, {age:.0f} days before the frame; at most '
                f'{limit:g} days are allowed. Give a newer map, or raise change.max_age_days.',
            )

    def _reduced(
        self, frame: Frame, camera: CameraModel, scale: GroundScale
    ) -> tuple[Frame, CameraModel]:
        """Reduce a frame to what model and registration need."""
        height, width = frame.image.shape[:2]
        assert scale.gsd_m is not None
        finest = scale.gsd_m / self._model_gsd_m if self._model_gsd_m else 0.0
        share = max(finest, LEAST_SIDE / max(height, width))
        if share >= 1.0:
            return frame, camera
        size = max(1, round(width * share)), max(1, round(height * share))
        image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        header = replace(frame.header, height=size[1], width=size[0])
        return replace(frame, header=header, image=image), camera.scaled_to(*size)

    @staticmethod
    def _ground(camera: CameraModel, pose: Pose) -> GroundGrid:
        try:
            return GroundGrid.of(camera, pose)
        except PoseError as exc:
            raise MatchError('no_camera', str(exc)) from None

    def _view(self, grid: GroundGrid) -> ReferenceView:
        try:
            return self.reference.view(grid)
        except MapError as exc:
            raise MatchError('off_map', str(exc)) from None

    def _check_seen(self, view: ReferenceView) -> None:
        share = float(view.seen.mean())
        if share >= self.limits.least_seen:
            return
        shown = f'the map shows {share:.0%} of the frame; at least {self.limits.least_seen:.0%} is '
        if view.faults:
            raise MatchError('map_damaged', f'{shown}needed. {view.faults[0]}')
        raise MatchError('map_hole', f'{shown}needed. The map has a hole here, or ends here.')

    def _register(
        self, image: NDArray[np.uint8], view: ReferenceView, gsd_m: float
    ) -> Registration:
        try:
            return self.registrar.register(image, view.image, view.seen, gsd_m)
        except RegistrationError as exc:
            self._blame_blur(image, view.image, view.seen, str(exc))
            raise MatchError('not_registered', str(exc)) from None

    def _check_pair(
        self,
        image: NDArray[np.uint8],
        exact: ReferenceView,
        seen: NDArray[np.bool_],
        fit: MapFit,
    ) -> None:
        """Refuse what is in register and still cannot be compared."""
        if fit.overlap < self.limits.least_seen:
            state: MatchState = 'map_damaged' if exact.faults else 'map_hole'
            raise MatchError(
                state,
                f'in register the map shows {fit.overlap:.0%} of the frame; at least '
                f'{self.limits.least_seen:.0%} is needed. {" ".join(exact.faults[:1])}'.rstrip(),
                fit,
            )
        self._blame_blur(image, exact.image, seen, '', fit)

    def _blame_blur(
        self,
        image: NDArray[np.uint8],
        view: NDArray[np.uint8],
        seen: NDArray[np.bool_],
        consequence: str,
        fit: MapFit | None = None,
    ) -> None:
        """Refuse a frame that is blurred: against a sharp map everything has changed."""
        ours, theirs = detail(image, seen), detail(view, seen)
        share = float((ours[theirs > 0] / theirs[theirs > 0]).min(initial=1.0))
        if share < self.limits.least_detail:
            text = f'the frame has {share:.0%} of the fine detail of the map; at least '
            text += f'{self.limits.least_detail:.0%} is needed. Motion blur, or out of focus.'
            raise MatchError('blurred', f'{text} {consequence}'.rstrip(), fit)


def _position(found: Registration, camera: CameraModel, pose: Pose) -> PositionFix | None:
    """Find the camera's place; a frame may lie on the map and still fix none."""
    try:
        return position_from(found, camera, pose)
    except RegistrationError:
        return None


def moved_grid(
    predicted: GroundGrid, homography: NDArray[np.float64], camera: CameraModel, pose: Pose
) -> GroundGrid:
    """Return where pixels lie once a motion of the predicted view to the frame is known.

    Args:
        predicted: Where they lie by the pose.
        homography: (3, 3), pixels of the predicted view to pixels of the frame.
        camera: Intrinsics.
        pose: The pose.
    """
    pixels = grid_pixels(predicted.height, predicted.width)
    back = np.asarray(np.linalg.inv(homography), np.float64)
    before = project(back, pixels.reshape(-1, 2))
    places = locate(before, camera, pose).wgs84
    assert places is not None
    return GroundGrid(places.reshape(pixels.shape), predicted.height, predicted.width)


def map_fit(found: Registration, gsd_m: float, enlarge: float, seen: NDArray[np.bool_]) -> MapFit:
    """Describe a registration of a reduced frame in pixels of the frame itself."""
    whole = rescaling(enlarge)
    homography = whole @ found.homography @ np.linalg.inv(whole)
    return MapFit(
        homography=homography / homography[2, 2],
        inliers=found.inliers,
        matches=found.matches,
        residual_px=found.residual_px * enlarge,
        overlap=float(seen.mean()),
        agreement=found.agreement,
        shift_m=math.hypot(*found.shift_px) * gsd_m,
        turn_deg=found.turn_deg,
        scale=found.scale,
    )


def inner(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out what is next to unseen pixels; the border of the image itself stays."""
    if bool(seen.all()):
        return seen
    kernel = np.ones((2 * MARGIN_PX + 1, 2 * MARGIN_PX + 1), np.uint8)
    return np.asarray(cv2.erode(seen.astype(np.uint8), kernel) > 0, np.bool_)


def corners_of(ground: GroundGrid) -> NDArray[np.float64] | None:
    """Return (4, 2) longitude, latitude of the corners of a frame, clockwise from the top left."""
    right, bottom = ground.width - 1.0, ground.height - 1.0
    corners = ground.at(np.array([(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)]))
    return corners if bool(np.isfinite(corners).all()) else None


def first_day(date: str) -> datetime | None:
    """Return the first day that a date (`2021-07-14`, `2021-07` or `2021`) may mean."""
    parts = date.split('-')
    try:
        numbers = [int(part) for part in parts]
        year, month, day = (*numbers, 1, 1)[:3]
        return datetime(year, month, day, tzinfo=timezone.utc) if len(parts) <= 3 else None
    except ValueError:
        return None
