# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Footprints of known geometry; distortion and offsets against independent formulas."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.footprint import footprint, locate, visible_ground, within_date_line
from rs_onboard.geo.lens import MOST_REMEMBERED, bearing
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT, from_roll_pitch_yaw, multiply
from rs_onboard.geo.wgs84 import offset_to_wgs84, wgs84_to_offset

CAMERA = CameraModel(400, 300, 500.0, 500.0, 199.5, 149.5)
CORNERS = np.array([(-0.5, -0.5), (399.5, -0.5), (399.5, 299.5), (-0.5, 299.5)])


def attitude(roll_deg=0.0, pitch_deg=0.0, yaw_deg=0.0):
    angles = (math.radians(angle) for angle in (roll_deg, pitch_deg, yaw_deg))
    return multiply(from_roll_pitch_yaw(*angles), NADIR_MOUNT)


def pose_with(**changes):
    return dataclasses.replace(Pose(0, 46.0, 7.0, 600.0, 100.0, attitude(yaw_deg=90.0)), **changes)


def offsets_of(pixels, orientation, height_m):
    return locate(pixels, CAMERA, pose_with(orientation=orientation, height_m=height_m)).offsets


def test_a_nadir_view_northwards_is_a_rectangle_below_the_camera():
    # 100 m and 500 px: 0.2 m a pixel, 80 x 60 m.
    offsets = offsets_of(CORNERS, attitude(yaw_deg=90.0), 100.0)
    expected = [(-40, 30), (40, 30), (40, -30), (-40, -30)]
    assert offsets == pytest.approx(np.array(expected, float), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(-180, 180), st.floats(1, 4000))
def test_turning_and_climbing_turn_and_enlarge_the_rectangle(yaw, height):
    offsets = offsets_of(CORNERS, attitude(yaw_deg=yaw), height)
    nose = math.radians(yaw)
    ahead, right = (
        np.array([math.cos(nose), math.sin(nose)]),
        np.array([math.sin(nose), -math.cos(nose)]),
    )
    sizes = np.array([(0.3, -0.4), (0.3, 0.4), (-0.3, 0.4), (-0.3, -0.4)]) * height
    expected = sizes[:, :1] * ahead + sizes[:, 1:] * right
    assert offsets == pytest.approx(expected, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize('pitch_deg', [-30.0, -10.0, 15.0])
def test_a_tilted_view_reaches_as_far_as_its_rays(pitch_deg):
    centre, top = np.array([(199.5, 149.5)]), np.array([(199.5, -0.5)])
    looking = attitude(pitch_deg=pitch_deg, yaw_deg=90.0)
    tilt, half_view = math.radians(-pitch_deg), math.atan(150 / 500)
    ((east, north),) = offsets_of(centre, looking, 100.0)
    assert (east, north) == (pytest.approx(0.0, abs=1e-9), pytest.approx(100 * math.tan(tilt)))
    ((_, far),) = offsets_of(top, looking, 100.0)
    assert far == pytest.approx(100 * math.tan(tilt + half_view))


def test_rays_at_and_above_the_horizon_meet_no_ground():
    looking = attitude(pitch_deg=-75.0)
    rows = np.array([(199.5, -0.5), (199.5, 149.5), (199.5, 299.5)])
    known = ~np.isnan(offsets_of(rows, looking, 100.0)).any(axis=1)
    # The top looks 2 degrees above the horizon, the centre 15 and the bottom 32 below.
    assert known.tolist() == [False, True, True]
    level = attitude(pitch_deg=-86.0)
    assert np.isnan(offsets_of(rows[1:2], level, 100.0)).all()


def test_corners_go_clockwise_from_the_top_left_of_the_image():
    shape = footprint(CAMERA, pose_with())
    assert shape.reason == ''
    north, south = 46.0 + 30 / 111_150, 46.0 - 30 / 111_150
    assert shape.corners[:, 1] == pytest.approx([north, north, south, south], abs=2e-7)
    assert (shape.corners[:, 0] - 7.0 > 0).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ('camera', 'pose', 'reason'),
    [
        (None, pose_with(), 'camera intrinsics unknown'),
        (CAMERA, None, 'pose unknown'),
        (CAMERA, pose_with(height_m=None), 'height above ground unknown'),
        (CAMERA, pose_with(height_m=0.0), 'height above ground unknown'),
        (CAMERA, pose_with(orientation=None), 'attitude unknown'),
        (CAMERA, pose_with(orientation=attitude(pitch_deg=-80.0)), 'reaches the horizon'),
        (
            dataclasses.replace(CAMERA, distortion_model='fov', distortion=(1.0,)),
            pose_with(),
            "found distortion model 'fov' with 1 coefficients; expected plumb_bob",
        ),
    ],
)
def test_what_stands_against_a_footprint_is_said(camera, pose, reason):
    corners, found = footprint(camera, pose)
    assert corners is None
    assert reason in found


@settings(max_examples=25, deadline=None)
@given(st.floats(-90, -62), st.floats(-180, 180))
def test_of_a_view_that_reaches_the_horizon_the_ground_below_it_is_the_footprint(pitch, yaw):
    pose = pose_with(orientation=attitude(pitch_deg=pitch, yaw_deg=yaw))
    assert footprint(CAMERA, pose).corners is None or pitch > -68.4
    outline = wgs84_to_offset(visible_ground(CAMERA, pose), 46.0, 7.0)
    # In a frame that looks east: nothing closer than the lowest ray, nothing beyond 5 degrees.
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    ahead, aside = (outline @ np.array([(c, -s), (s, c)])).T
    nearest = 100 / math.tan(math.radians(90 + pitch) + math.atan(150 / 500))
    assert ahead.min() == pytest.approx(nearest, rel=1e-6)
    distances = np.hypot(ahead, aside)
    highest = math.radians(90 + pitch) - math.atan(150 / 500)
    if highest < math.radians(4.5):
        assert distances.max() == pytest.approx(100 / math.tan(math.radians(5)), rel=1e-3)
    assert area(outline) == pytest.approx(-signed(outline))


def signed(corners):
    x, y = corners.T
    return np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2


def test_a_view_of_the_sky_alone_shows_no_ground():
    assert visible_ground(CAMERA, pose_with(orientation=attitude(pitch_deg=-120.0))) is None
    assert visible_ground(CAMERA, pose_with(orientation=None)) is None


LENSES = [
    ('', ()),
    ('plumb_bob', ()),
    ('plumb_bob', (-0.3, 0.1, 0.001, -0.0005, 0.0)),
    ('plumb_bob', (0.2, 0.05, 0.0, 0.0, 0.0)),
    ('plumb_bob', (-0.28, 0.08, 0.0, 0.0)),
    ('rational_polynomial', (0.5, 0.1, 0.0, 0.0, 0.01, 0.8, 0.2, 0.02)),
    ('equidistant', (0.05, -0.01, 0.003, -0.001)),
    ('equidistant', (0.0, 0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize(('model', 'coefficients'), LENSES)
def test_undoing_the_distortion_is_the_inverse_of_the_lens(model, coefficients):
    camera = CameraModel(1920, 1080, 1100.0, 1090.0, 950.0, 545.0, model, coefficients)
    x, y = np.meshgrid(np.linspace(-0.8, 0.8, 17), np.linspace(-0.45, 0.45, 11))
    plane = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    matrix = np.array([[1100.0, 0, 950.0], [0, 1090.0, 545.0], [0, 0, 1]])
    project = cv2.fisheye.projectPoints if model == 'equidistant' else cv2.projectPoints
    lens = np.array(coefficients or (0.0,) * 4)
    pixels, _ = project(plane.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), matrix, lens)
    found = bearing(pixels.reshape(-1, 2), camera)
    assert found == pytest.approx(plane, abs=1e-6)


def test_directions_that_are_remembered_are_those_of_their_camera_and_pixels():
    camera = CameraModel(1920, 1080, 1100.0, 1090.0, 950.0, 545.0, *LENSES[2])
    other = dataclasses.replace(camera, distortion=(0.1, 0.0, 0.0, 0.0, 0.0))
    some = np.random.default_rng(1).uniform(0, 1000, (50, 2))
    many = np.tile(some, (MOST_REMEMBERED // 40, 1))
    for lens in (camera, other, camera):
        assert (bearing(some, lens) == bearing(many, lens)[:50]).all()
        assert (bearing(some[::-1], lens) == bearing(many, lens)[49::-1]).all()
    assert not (bearing(some, camera) == bearing(some, other)).all()
    with pytest.raises(ValueError, match='read-only'):
        bearing(some, camera)[0] = 0.0


def test_where_a_lens_model_folds_back_there_is_no_direction():
    # r (1 - 0.4 r^2) grows up to r = 0.91, to 0.61: pixels further out belong to no ray.
    camera = CameraModel(2000, 2000, 1000.0, 1000.0, 999.5, 999.5, 'plumb_bob', (-0.4, 0, 0, 0, 0))
    inside, outside = bearing(np.array([(999.5, 1499.5), (999.5, 1699.5)]), camera)
    assert inside[1] * (1 - 0.4 * inside[1] ** 2) == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(outside[:2]).all()
    assert footprint(camera, pose_with()).corners is None


@pytest.mark.parametrize(
    ('model', 'coefficients'),
    [
        ('fov', (0.9,)),
        ('plumb_bob', (0.1, 0.2, 0.3)),
        ('rational_polynomial', (0.1,) * 5),
        ('equidistant', (0.1,) * 5),
        ('', (0.1,) * 5),
    ],
)
def test_lenses_that_ros_does_not_define_are_refused(model, coefficients):
    camera = dataclasses.replace(CAMERA, distortion_model=model, distortion=coefficients)
    message = f"'{model}' with {len(coefficients)} coefficients; expected plumb_bob with 5"
    with pytest.raises(CameraError, match=message):
        bearing(np.zeros((1, 2)), camera)


def geocentric(longitude_deg, latitude_deg):
    """Earth-centred position on the WGS 84 ellipsoid, from semi-axes and parametric latitude."""
    a, b = 6_378_137.0, 6_356_752.314_245
    longitude, latitude = math.radians(longitude_deg), math.radians(latitude_deg)
    reduced = math.atan2(b * math.sin(latitude), a * math.cos(latitude))
    ring = a * math.cos(reduced)
    return np.array([ring * math.cos(longitude), ring * math.sin(longitude), b * math.sin(reduced)])


@settings(max_examples=100, deadline=None)
@given(
    st.floats(-60, 60),
    st.floats(-180, 180),
    st.floats(-700, 700),
    st.floats(-700, 700),
)
def test_an_offset_lands_where_the_tangent_plane_says(latitude, longitude, east, north):
    ((x, y),) = offset_to_wgs84(np.array([(east, north)]), latitude, longitude)
    phi, lam = math.radians(latitude), math.radians(longitude)
    east_axis = np.array([-math.sin(lam), math.cos(lam), 0.0])
    north_axis = np.array(
        [-math.sin(phi) * math.cos(lam), -math.sin(phi) * math.sin(lam), math.cos(phi)]
    )
    moved = geocentric(x, y) - geocentric(longitude, latitude)
    assert moved @ east_axis == pytest.approx(east, abs=0.15)
    assert moved @ north_axis == pytest.approx(north, abs=0.15)


def square(left, right, bottom=10.0, top=11.0):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def area(corners):
    x, y = corners.T
    return abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def test_polygons_on_one_side_of_the_date_line_stay_as_they_are():
    for corners in (square(7, 8), square(-180, -179), square(179, 180)):
        ((part,),) = within_date_line([corners])
        assert part is corners


@pytest.mark.parametrize('turn', [-1, 1])
def test_polygons_beyond_the_date_line_come_back_on_the_other_side(turn):
    beyond = square(181, 182) if turn > 0 else square(-182, -181)
    ((part,),) = within_date_line([beyond])
    assert part == pytest.approx(beyond - np.array([360.0 * turn, 0.0]))


@settings(max_examples=60, deadline=None)
@given(st.floats(-181, 181), st.floats(0.01, 3), st.floats(-1, 1))
def test_cutting_at_the_date_line_loses_no_ground(left, width, slant):
    corners = square(left, left + width)
    corners[:2, 0] += slant
    parts = [part for (part,) in within_date_line([corners])]
    assert 1 <= len(parts) <= 2
    for part in parts:
        assert np.abs(part[:, 0]).max() <= 180.0
    assert sum(area(part) for part in parts) == pytest.approx(area(corners), abs=1e-9)


def test_a_hole_goes_with_its_side_of_the_date_line():
    outline, holes = (
        square(179, 182),
        [square(179.2, 179.4), square(180.5, 181), square(179.8, 181)],
    )
    west, east = sorted(within_date_line([outline, *holes]), key=lambda part: part[0][0, 0])
    assert [area(ring) for ring in east] == pytest.approx([1.0, 0.2, 0.2])
    assert [area(ring) for ring in west] == pytest.approx([2.0, 0.5, 1.0])
    assert all(np.abs(ring[:, 0]).max() <= 180.0 for part in (west, east) for ring in part)


@settings(max_examples=60, deadline=None)
@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(-2e3, 2e3), st.floats(-2e3, 2e3))
def test_offsets_come_back_from_coordinates_also_across_the_date_line(
    latitude, longitude, east, north
):
    offsets = np.array([(east, north)])
    there = offset_to_wgs84(offsets, latitude, longitude)
    for turn in (0.0, 360.0, -360.0):
        back = wgs84_to_offset(there + np.array([turn, 0.0]), latitude, longitude)
        np.testing.assert_allclose(back, offsets, atol=1e-3)
