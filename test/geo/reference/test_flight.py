# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A flight whose poses are wrong by metres becomes a map that is right by pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from flown_ground import CAMERA, GROUND_M, HEIGHT_M, ground_map, photograph, pose_at

from rs_onboard.geo.errors import MapError
from rs_onboard.geo.reference.build import MapText, MapWriter
from rs_onboard.geo.reference.flight import (
    Take,
    flight_date,
    rectified,
    survey_flight,
    write_flight,
)
from rs_onboard.geo.reference.mosaic import Mosaic
from rs_onboard.geo.reference.opening import open_map
from rs_onboard.geo.reference.survey import Placed, Survey, ground_to_pixels
from rs_onboard.geo.reference.view import GroundGrid, ReferenceMap
from rs_onboard.geo.registration import Registrar

STAMP_NS = 1_600_000_000 * 10**9
PLACES = [(x, y) for y in (-22.0, 22.0) for x in (-40.0, -20.0, 0.0, 20.0, 40.0)]


@pytest.fixture(scope='module')
def flight():
    """Return a flight over ground, with the poses a poor receiver and compass give."""
    ground, rng = ground_map(), np.random.default_rng(11)
    takes = []
    for number, (east, north) in enumerate(PLACES):
        truth = pose_at(east, north, turns=(*rng.normal(0, 0.5, 2), 10.0))
        told = pose_at(
            east + rng.normal(0, 2.0),
            north + rng.normal(0, 2.0),
            turns=(0.0, 0.0, 10.0 + rng.normal(0, 2.0)),
            stamp_ns=STAMP_NS + number * 10**9,
        )
        takes.append(Take(number, photograph(ground, truth), CAMERA, told))
    return ground, takes


def test_a_flight_becomes_a_map_of_which_frames_can_be_registered(flight, tmp_path):
    ground, takes = flight
    survey = survey_flight(takes, Survey(('gradient',)))
    path = tmp_path / 'flight.mbtiles'
    writer = MapWriter(path, MapText('flight', flight_date(survey)))
    built = write_flight(survey, takes, writer, beside=path)
    report = survey.report
    assert len(survey.shots) == len(takes)
    assert report.alone == 0
    assert report.after_m < 0.35
    assert report.before_m > 1.0
    assert sum(built.tiles.values()) > 20
    assert [file.name for file in tmp_path.iterdir()] == ['flight.mbtiles']
    source = open_map(path)
    assert source.info.date == '2020-09-13'
    # Seen from above its middle, it is the ground, but for the shift that all poses have in common.
    grid = GroundGrid.of(CAMERA, pose_at(0.0, 0.0))
    made, truth = (ReferenceMap(one).view(grid) for one in (source, ground))
    assert made.seen.all()
    gsd = HEIGHT_M / CAMERA.fx
    found = Registrar().register(truth.image, made.image, made.seen, gsd)
    assert found.residual_px < 1.5
    assert abs(found.turn_deg) < 1.5
    assert found.scale == pytest.approx(1.0, abs=0.03)
    assert np.hypot(*found.shift_px) * gsd < 2.5


def test_frames_that_show_nothing_new_or_cannot_be_placed_are_counted(flight):
    _, takes = flight
    first = takes[0]
    bad = [
        first._replace(sequence=100),
        first._replace(camera=None),
        first._replace(pose=None),
        first._replace(pose=dataclasses.replace(first.pose, height_m=None)),
        first._replace(pose=dataclasses.replace(first.pose, height_m=1.0)),
        first._replace(pose=pose_at(60.0, turns=(55.0, 0.0, 0.0))),
    ]
    survey = survey_flight([first, *bad], Survey(('gradient',)))
    assert len(survey.shots) == 1
    assert survey.report.left_out == {
        'shows what an earlier one shows': 1,
        'without intrinsics': 1,
        'without pose': 1,
        'without height': 1,
        'below 3 m': 1,
        'tilted by more than 40 deg': 1,
    }
    assert survey.place()[0].gain == 1.0
    assert survey.report.alone == 1


def test_a_flight_without_a_usable_frame_is_refused_with_the_reasons(flight):
    _, takes = flight
    with pytest.raises(MapError, match=r'no frame can be laid on the ground \(2 without pose\)'):
        survey_flight([take._replace(pose=None) for take in takes[:2]])
    with pytest.raises(MapError, match='there is none'):
        survey_flight([])


def test_tiles_that_do_not_fit_into_memory_wait_on_disk(flight, tmp_path):
    _, takes = flight
    whole, tight = (
        Mosaic(21, (47.3, 8.5), folder=tmp_path, most_tiles=most) for most in (10_000, 3)
    )
    for take in takes[:4]:
        centre = np.zeros(2) if take.sequence == 0 else np.array((20.0 * take.sequence, 0.0))
        placed = Placed(ground_to_pixels(CAMERA, take.pose, centre), 1.0)
        assert whole.add(take.image, placed)
        assert tight.add(take.image, placed)
    assert len(tight._tiles) <= 3
    for (key, tile), (other, same) in zip(whole.tiles(), tight.tiles(), strict=True):
        assert key == other
        np.testing.assert_array_equal(tile.image, same.image)


def test_a_distorted_image_is_straightened_to_the_pinhole(flight):
    ground, _ = flight
    lens = dataclasses.replace(
        CAMERA, distortion_model='plumb_bob', distortion=(-0.15, 0.03, 0.001, -0.001, 0.0)
    )
    pose = pose_at()
    straight, camera = rectified(photograph(ground, pose, lens), lens)
    expected = photograph(ground, pose)
    assert camera.distortion == ()
    inner = np.s_[60:-60, 60:-60]
    assert np.abs(straight[inner].astype(int) - expected[inner]).mean() < 4
    same, _ = rectified(expected, CAMERA)
    assert same is expected


def test_the_footprint_of_the_flight_is_on_the_ground():
    # What the other tests fly over is there.
    half = 0.5 * np.array(GROUND_M)
    reach = HEIGHT_M * np.array((319.5, 239.5)) / 500.0
    assert (np.abs(np.array(PLACES)).max(axis=0) + reach < half + 0.5).all()
