# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated camera sees what a real one would, and knows as little about where it is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.reference.picture import PictureMap
from rs_onboard.geo.wgs84 import offset_to_wgs84, wgs84_to_offset
from rs_onboard.training.evaluation.simulated_flight import (
    Disturbance,
    fly,
    lawnmower,
    photograph,
    pose_over,
    spoil,
    survey_camera,
    without_light,
)

MIDDLE = (30.0, -97.0)
STILL = Disturbance().scaled(0.0)


@pytest.fixture(scope='module')
def ground():
    """Return ground of 400 by 300 m whose colours say where one is: x, y, and a pattern."""
    x, y = np.meshgrid(np.arange(800) / 800 * 255, np.arange(600) / 600 * 255)
    image = np.stack((x, y, 128 + 60 * np.sin(x / 3) * np.cos(y / 4)), axis=-1).astype(np.uint8)
    offsets = np.array([(-200.0, 150.0), (200.0, 150.0), (200.0, -150.0), (-200.0, -150.0)])
    return PictureMap(image, offset_to_wgs84(offsets, *MIDDLE), name='ground')


@pytest.mark.parametrize('bent', [False, True])
@pytest.mark.parametrize('heading', [0.0, 90.0, 200.0])
def test_every_pixel_shows_the_ground_that_its_ray_meets(ground, heading, bent):
    camera = survey_camera(320, 200, bent=bent)
    pose = pose_over(MIDDLE, (10.0, -20.0, 120.0), (2.0, -1.0, heading), 0)
    image = photograph(ground.image, ground, camera, pose)
    pixels = np.array([(0.0, 0.0), (319.0, 199.0), (160.0, 100.0), (30.0, 170.0)])
    offsets = wgs84_to_offset(locate(pixels, camera, pose).wgs84, *MIDDLE)
    expected = np.stack(
        ((offsets[:, 0] + 200) / 400 * 255, (150 - offsets[:, 1]) / 300 * 255), axis=1
    )
    found = np.array([image[int(y), int(x), :2] for x, y in pixels], float)
    assert np.abs(found - expected).max() < 2.5


def test_at_heading_0_the_top_of_the_picture_is_north(ground):
    camera = survey_camera(320, 200)
    image = photograph(ground.image, ground, camera, pose_over(MIDDLE, (0, 0, 100), (0, 0, 0), 0))
    # The second channel grows to the south, the first to the east.
    assert image[10, 160, 1] < image[190, 160, 1]
    assert image[100, 10, 0] < image[100, 310, 0]


def test_strips_cover_the_region_with_the_overlap_that_was_asked_for():
    plan = lawnmower((400.0, 300.0), (100.0, 60.0), ahead=0.6, beside=0.25)
    places = np.array([row[:2] for row in plan])
    assert np.abs(places).max(axis=0).tolist() == [150.0, 120.0]
    columns = np.unique(places[:, 0])
    assert np.diff(columns).max() <= 75.0 + 1e-9
    first = places[places[:, 0] == columns[0]]
    assert np.abs(np.diff(first[:, 1])).max() <= 24.0 + 1e-9
    assert {row[2] for row in plan} == {0.0, 180.0}
    # One strip goes up, the next down: neighbours in time are neighbours on the ground.
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() <= 75.0 + 1e-9
    assert len(lawnmower((10.0, 10.0), (100.0, 60.0), ahead=0.5, beside=0.5)) == 1


def test_what_the_vehicle_believes_is_off_by_what_was_asked_for(ground):
    camera, noise = survey_camera(64, 40), Disturbance(position_m=5.0, tilt_deg=1.0)
    plan = [(0.0, 0.0, 0.0)] * 120
    offsets = []
    for frame in fly(ground, camera, 100.0, plan, MIDDLE, noise):
        there, here = (
            np.array([[pose.longitude_deg, pose.latitude_deg]])
            for pose in (frame.believed, frame.truth)
        )
        offsets.append((wgs84_to_offset(there, *MIDDLE) - wgs84_to_offset(here, *MIDDLE))[0])
    assert np.std(offsets) == pytest.approx(5.0, rel=0.2)
    exact = next(fly(ground, camera, 100.0, plan, MIDDLE, STILL))
    assert exact.believed == exact.truth
    clear = photograph(ground.image, ground, camera, exact.truth)
    np.testing.assert_array_equal(exact.image, clear)


def test_the_same_seed_gives_the_same_flight(ground):
    camera, plan = survey_camera(64, 40), [(0.0, 0.0, 0.0), (5.0, 5.0, 90.0)]
    first, second = (
        list(fly(ground, camera, 100.0, plan, MIDDLE, Disturbance(), seed=4)) for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert one.believed == other.believed


def test_light_and_motion_change_a_picture_and_nothing_else_does(ground):
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(spoil(ground.image, STILL, rng), ground.image)
    lit = spoil(ground.image, Disturbance(blur_px=0.0, noise=0.0, gamma=0.3), rng)
    assert np.abs(lit.astype(int) - ground.image).mean() > 2
    blurred = spoil(ground.image, Disturbance(0, 0, 0, 0, 0, 0, 0, 20.0, 0), rng)
    rough = [np.abs(np.diff(image[..., 2].astype(int))).mean() for image in (ground.image, blurred)]
    assert rough[1] < rough[0]
    dark = without_light(Disturbance())
    assert (dark.gamma, dark.gain, dark.blur_px, dark.noise) == (0.0, 0.0, 0.0, 0.0)
    assert math.isclose(dark.position_m, Disturbance().position_m)
