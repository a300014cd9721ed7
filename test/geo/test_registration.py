# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Registration finds known motions and keeps its gate shut for everything else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.geo.errors import RegistrationError
from rs_onboard.geo.registration import MATCHERS, Registrar, RegistrationLimits

IMAGES = Path(__file__).parents[1] / 'data' / 'images'
GSD = 0.1
SIZE = (480, 640)


@pytest.fixture(scope='module')
def ground():
    """Return a photograph of ground, enlarged so that views can be cut from it."""
    picture = cv2.imread(str(IMAGES / 'aerial.jpg'))[:, :, ::-1]
    return np.ascontiguousarray(cv2.resize(picture, (1000, 760), interpolation=cv2.INTER_CUBIC))


def motion(turn_deg=0.0, scale=1.0, x=0.0, y=0.0, tilt=0.0):
    """Return the motion of a view against its frame."""
    height, width = SIZE
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, scale)
    matrix[:2, 2] += (x, y)
    matrix[2, 0] = tilt
    return matrix


def pair(ground, matrix, *, blur=0.0, gamma=1.0):
    """Cut a frame, and the view that `matrix` moves onto it."""
    height, width = SIZE
    frame = np.ascontiguousarray(ground[140 : 140 + height, 180 : 180 + width])
    to_ground = np.array([[1, 0, 180], [0, 1, 140], [0, 0, 1]], float) @ matrix
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpPerspective(ground, to_ground, (width, height), flags=flags)
    whole = np.ones(ground.shape[:2], np.uint8)
    seen = cv2.warpPerspective(whole, to_ground, (width, height), flags=flags)
    if blur:
        view = cv2.GaussianBlur(view, (0, 0), blur)
    view = (255 * (view / 255.0) ** gamma).astype(np.uint8)
    return frame, view, seen > 0


def corner_error(found, expected):
    height, width = SIZE
    corners = np.array([(0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)], float)
    places = [corners @ np.asarray(matrix).T for matrix in (found, expected)]
    ends = [p[:, :2] / p[:, 2:] for p in places]
    return float(np.linalg.norm(ends[0] - ends[1], axis=1).max())


MOTIONS = [
    motion(),
    motion(x=45.0, y=-30.0),
    motion(turn_deg=4.5, scale=1.06, x=-20.0),
    motion(turn_deg=-2.0, scale=0.93, y=25.0, tilt=6e-5),
]


@pytest.mark.parametrize('matcher', MATCHERS)
@pytest.mark.parametrize('matrix', MOTIONS)
def test_a_known_motion_is_found_to_a_pixel(ground, matrix, matcher):
    frame, view, seen = pair(ground, matrix)
    found = Registrar(matcher).register(frame, view, seen, GSD)
    assert corner_error(found.homography, matrix) < (2.5 if matcher == 'gradient' else 1.2)
    assert found.inliers >= 10
    assert found.agreement > 0.5


def test_the_measures_of_a_motion_are_those_it_was_made_with(ground):
    matrix = motion(turn_deg=-4.0, scale=1.08, x=30.0, y=12.0)
    frame, view, seen = pair(ground, matrix)
    found = Registrar().register(frame, view, seen, GSD)
    # OpenCV turns counter-clockwise for positive angles.
    assert found.turn_deg == pytest.approx(4.0, abs=0.3)
    assert found.scale == pytest.approx(1.08, abs=0.01)
    assert found.shift_px == pytest.approx((30.0, 12.0), abs=1.0)
    assert 0.7 < found.overlap <= 1.0


def test_gradients_match_a_blurred_map_of_other_light(ground):
    frame, view, seen = pair(ground, MOTIONS[2], blur=3.0, gamma=2.2)
    found = Registrar().register(frame, view, seen, GSD)
    assert corner_error(found.homography, MOTIONS[2]) < 4.0


@pytest.mark.parametrize('matcher', MATCHERS)
def test_another_place_is_not_believed(ground, matcher):
    frame, _, seen = pair(ground, motion())
    other = cv2.flip(np.ascontiguousarray(cv2.resize(ground[:300, :400], SIZE[::-1])), -1)
    with pytest.raises(RegistrationError, match=r'needed|believed'):
        Registrar(matcher).register(frame, other, seen, GSD)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda frame, view, seen: (frame // 64, view, seen), 'contrast of'),
        (lambda frame, view, seen: (frame, view, seen & False), 'the map shows 0% of the frame'),
        (lambda frame, view, seen: (frame, view * 0, seen), 'needed|believed'),
        (
            lambda frame, view, seen: (cv2.GaussianBlur(frame, (0, 0), 40.0), view, seen),
            'contrast|needed|believed',
        ),
    ],
)
def test_night_blur_and_holes_are_named(ground, spoil, message):
    frame, view, seen = spoil(*pair(ground, motion()))
    with pytest.raises(RegistrationError, match=message):
        Registrar().register(frame, view, seen, GSD)


def test_a_motion_that_no_pose_explains_is_not_believed(ground):
    frame, view, seen = pair(ground, motion(x=60.0))
    strict = RegistrationLimits(shift_m=5.0)
    with pytest.raises(
        RegistrationError, match=r'a shift of (6|6\.0\d?|5\.9\d?) against .* at most 5 m'
    ):
        Registrar(limits=strict).register(frame, view, seen, GSD)
    frame, view, seen = pair(ground, motion(turn_deg=5.0))
    upright = RegistrationLimits(turn_deg=2.0)
    with pytest.raises(RegistrationError, match='a turn of'):
        Registrar(limits=upright).register(frame, view, seen, GSD)


def test_an_unknown_matcher_is_refused():
    with pytest.raises(RegistrationError, match="found matcher 'surf'; expected one of gradient"):
        Registrar('surf')


@pytest.mark.parametrize('matcher', MATCHERS)
@pytest.mark.parametrize(
    'folded', [np.zeros((3, 3)), np.diag([1.0, 0.0, 1.0]), np.diag([-1.0, 1.0, 1.0])]
)
def test_a_motion_that_folds_the_frame_is_refused(ground, monkeypatch, matcher, folded):
    def fold(source, *_args, **_more):
        return folded, np.ones((len(source), 1), np.uint8) > 0

    monkeypatch.setattr('rs_onboard.geo.registration.cv2.findHomography', fold)
    monkeypatch.setattr('rs_onboard.geo.motion.solve_motion', lambda *_: folded)
    with pytest.raises(RegistrationError, match=r'mirrored or folded|0 of \d+ matches agree'):
        Registrar(matcher).register(*pair(ground, motion()), GSD)
