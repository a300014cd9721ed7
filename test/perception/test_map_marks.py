# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""North is where the ground says it is, a bar is as long as it says; both only where known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.lettering import Style
from rs_onboard.perception.map_marks import (
    MapMarks,
    north_in_image,
    round_distance,
    scale_across,
    scale_bar,
)

WIDTH, HEIGHT, FOCAL = 640, 480, 500.0
CAMERA = CameraModel(width=WIDTH, height=HEIGHT, fx=FOCAL, fy=FOCAL, cx=WIDTH / 2, cy=HEIGHT / 2)


def pose(roll=0.0, pitch=0.0, yaw=0.0, height=50.0):
    """Return a pose with a camera that looks down from a body of this attitude (ENU, FLU)."""
    body = from_roll_pitch_yaw(roll, pitch, yaw)
    return Pose(0, 46.8, -92.0, 200.0, height, multiply(body, NADIR_MOUNT))


def frame(at):
    header = FrameHeader(0, 'camera', 0, HEIGHT, WIDTH)
    return Frame(header, np.full((HEIGHT, WIDTH, 3), 90, np.uint8), CAMERA, at, '')


@given(
    roll=st.floats(-0.6, 0.6),
    pitch=st.floats(-0.6, 0.6),
    yaw=st.floats(-math.pi, math.pi),
)
def test_a_step_along_the_arrow_leads_north_on_the_ground(roll, pitch, yaw):
    at = pose(roll, pitch, yaw)
    north = north_in_image(at)
    assume(north is not None)
    centre = np.array([CAMERA.cx, CAMERA.cy])
    steps = np.array([centre - 0.01 * np.array(north), centre + 0.01 * np.array(north)])
    ground = locate(steps, CAMERA, at).offsets
    east, ahead = ground[1] - ground[0]
    assert ahead > 0.0
    assert abs(east) < 0.02 * ahead


def test_with_the_nose_to_the_north_the_arrow_points_up_and_to_the_east_it_points_left():
    # Yaw is counter-clockwise from east.
    assert north_in_image(pose(yaw=math.pi / 2)) == pytest.approx((0.0, -1.0))
    assert north_in_image(pose(yaw=0.0)) == pytest.approx((-1.0, 0.0))


def test_a_view_at_the_horizon_or_without_an_attitude_has_no_north():
    assert north_in_image(None) is None
    assert north_in_image(replace(pose(), orientation=None)) is None
    assert north_in_image(pose(pitch=-math.pi / 2)) is None


@pytest.mark.parametrize('height', [7.0, 50.0, 120.0, 3000.0])
def test_a_bar_is_as_long_on_the_ground_as_it_says(height):
    at = pose(height=height)
    bar = scale_bar(frame(at), WIDTH)
    ends = np.array(
        [[CAMERA.cx - bar.length / 2, CAMERA.cy], [CAMERA.cx + bar.length / 2, CAMERA.cy]]
    )
    ground = locate(ends, CAMERA, at).offsets
    metres = float(np.linalg.norm(ground[1] - ground[0]))
    number, unit = bar.text.split()
    assert metres == pytest.approx(float(number) * {'m': 1.0, 'km': 1000.0}[unit], rel=1e-6)
    assert 0.08 * WIDTH < bar.length <= 0.22 * WIDTH * 1.001


def test_an_oblique_view_says_that_its_bar_holds_at_the_centre():
    assert scale_bar(frame(pose(pitch=0.02)), WIDTH).text == '10 m'
    assert scale_bar(frame(pose(pitch=0.3)), WIDTH).text.endswith('m at the centre')
    assert scale_bar(frame(pose(pitch=math.pi / 2)), WIDTH) is None
    assert scale_bar(frame(replace(pose(), height_m=None)), WIDTH) is None
    assert scale_bar(None, WIDTH) is None


@pytest.mark.parametrize('tilt', [0.1, 0.5])
def test_the_bar_lies_along_the_rows_whichever_way_the_view_is_tilted(tilt):
    across = 50.0 / math.cos(tilt) / FOCAL
    # With the nose to the top of the image, pitch tilts the view along its columns.
    assert scale_across(frame(pose(pitch=tilt))) == pytest.approx(across, rel=1e-3)
    assert scale_across(frame(pose(roll=tilt))) == pytest.approx(across / math.cos(tilt), rel=1e-3)


@given(st.floats(1e-3, 1e6))
def test_round_distances_are_one_two_or_five_and_fill_a_good_part(most):
    step = round_distance(most)
    assert step <= most * 1.00001
    assert step > most / 2.6
    assert round(step / 10.0 ** math.floor(math.log10(step) + 1e-9), 6) in {1.0, 2.0, 5.0}


def test_marks_are_drawn_where_they_said_and_nowhere_else():
    marks = MapMarks(frame(pose()), 1.0, (WIDTH, HEIGHT), Style(14))
    canvas = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    marks.draw(canvas)
    changed = (canvas != 90).any(axis=2)
    places = np.zeros_like(changed)
    for rect in marks.rects():
        assert rect.within(WIDTH, HEIGHT)
        place = (
            slice(rect.top, rect.top + rect.height),
            slice(rect.left, rect.left + rect.width),
        )
        assert changed[place].any()
        places[place] = True
    assert len(marks.rects()) == 2
    assert not (changed & ~places).any()


def test_nothing_is_drawn_without_a_pose_or_on_a_picture_too_small_for_it():
    canvas = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    MapMarks(frame(None), 1.0, (WIDTH, HEIGHT), Style(14)).draw(canvas)
    assert (canvas == 90).all()
    small = np.full((20, 30, 3), 90, np.uint8)
    MapMarks(frame(pose()), 1.0, (30, 20), Style(14)).draw(small)
    assert (small == 90).all()
