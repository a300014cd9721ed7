# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames against a map: what changed is found in its place, and every bad input has its name."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3

import cv2
import numpy as np
import pytest
from flown_maps import (
    CAMERA,
    LATITUDE,
    LONGITUDE,
    STAMP_NS,
    ZOOM,
    PictureMap,
    fly,
    photograph,
    pose_above,
    write_map,
)
from small_frames import model_of, nadir_pose

from rs_onboard.geo.mercator import from_pixels, resolution_m, to_pixels
from rs_onboard.geo.reference.mbtiles import MbTiles
from rs_onboard.geo.reference.view import ReferenceMap
from rs_onboard.inference.errors import ModelError
from rs_onboard.perception.alignment import AlignmentLimits, first_day
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.map_change import ChangeLimits, MapChangeTask, polygon_area

BUILDING = (slice(400, 450), slice(500, 580))
LIMITS = ChangeLimits(candidates=True, threshold=0.4, min_area_m2=40.0)
POSE = pose_above(nadir_pose(60.0))
CELL_M = resolution_m(LATITUDE, ZOOM)


@pytest.fixture(scope='module')
def ground():
    return photograph()


@pytest.fixture(scope='module')
def built(ground):
    """Return the ground with a building that the map does not show."""
    now = ground.copy()
    now[BUILDING] = (250, 40, 40)
    return now


def task_over(ground, limits=LIMITS, **options):
    return MapChangeTask(model_of('change'), ReferenceMap(PictureMap(ground, **options)), limits)


def state_of(result):
    return result.match.state


def test_a_new_building_is_found_in_its_place_though_the_pose_is_wrong(ground, built):
    task = task_over(ground)
    true = pose_above(POSE, east_m=-3.0, north_m=1.0, yaw_deg=35.0, tilt_deg=3.0)
    believed = pose_above(POSE, east_m=0.0, north_m=-1.0, yaw_deg=33.0, tilt_deg=2.0)
    result = task.run(fly(built, true, believed=believed))
    assert result.report.status == 'ok'
    fit = result.match.fit
    assert fit.shift_m == pytest.approx(np.hypot(3.0, 2.0), abs=1.5)
    assert fit.residual_px < 1.0
    (region,) = result.regions
    place = region.place
    assert place.area_m2 == pytest.approx(50 * 80 * CELL_M**2, rel=0.1)
    corners = PictureMap(ground).origin + np.array([(500, 400), (580, 400), (580, 450), (500, 450)])
    expected = to_pixels(from_pixels(corners.astype(float), ZOOM), ZOOM)
    found = to_pixels(place.outline, ZOOM)
    assert found.min(axis=0) == pytest.approx(expected.min(axis=0), abs=2.5)
    assert found.max(axis=0) == pytest.approx(expected.max(axis=0), abs=2.5)
    # The place is that of the map; by the pose it would be metres away.
    assert result.match.corners.shape == (4, 2)
    position = result.match.position
    east, north, _ = position.offset_m
    assert (east, north) == pytest.approx((-3.0, 2.0), abs=3 * position.sigma_m)


def test_unchanged_ground_has_no_regions_whatever_the_light(ground):
    task = task_over(ground)
    frame = fly(ground, POSE, believed=pose_above(POSE, east_m=3.0, yaw_deg=2.0))
    for gain, offset in ((1.0, 0), (0.7, 10), (1.2, -15)):
        light = np.clip(frame.image * gain + offset, 0, 255).astype(np.uint8)
        result = task.run(dataclasses.replace(frame, image=light))
        assert (state_of(result), result.regions) == ('registered', ())


def test_a_frame_larger_than_needed_gives_a_mask_of_its_own_size(ground, built):
    camera = CAMERA.scaled_to(1600, 1200)
    frame = fly(built, POSE, camera=camera)
    result = task_over(ground).run(frame)
    assert result.probability.shape == (1200, 1600)
    assert result.header is frame.header
    (region,) = result.regions
    small = task_over(ground).run(fly(built, POSE)).regions[0]
    assert np.array(region.box) == pytest.approx(5.0 * np.array(small.box), rel=0.1, abs=8)
    assert region.place.area_m2 == pytest.approx(small.place.area_m2, rel=0.1)
    middle = np.array(region.box[:2]) + np.array(region.box[2:]) / 2
    assert result.probability[int(middle[1]), int(middle[0])] > 100


def test_the_homography_is_in_pixels_of_the_frame(ground):
    """Two metres are 10 px of a camera of 300 px focal length 60 m above, 50 px of a finer one."""
    believed = pose_above(POSE, east_m=2.0)
    for factor in (1, 5):
        camera = CAMERA.scaled_to(320 * factor, 240 * factor)
        result = task_over(ground).run(fly(ground, POSE, believed=believed, camera=camera))
        middle = np.array([camera.cx, camera.cy, 1.0])
        moved = result.match.fit.homography @ middle
        shift = np.linalg.norm(moved[:2] / moved[2] - middle[:2])
        assert shift == pytest.approx(10.0 * factor, rel=0.05)


def test_what_the_map_does_not_show_is_not_compared(ground, built):
    seen = np.ones(ground.shape[:2], bool)
    seen[:, 540:] = False
    result = task_over(ground, seen=seen).run(fly(built, POSE))
    assert state_of(result) == 'registered'
    assert result.seen is not None
    assert not result.probability[~result.seen].any()
    assert 0.3 < result.match.fit.overlap < 0.6
    assert all(region.box.left + region.box.width < 170 for region in result.regions)


def test_a_region_is_reported_once_several_looks_have_found_it(ground, built):
    task = task_over(ground, dataclasses.replace(LIMITS, candidates=False, finds=2, looks=3))
    poses = [pose_above(POSE, east_m=2.0 * n, yaw_deg=20.0 * n) for n in range(3)]
    results = [task.run(fly(built, pose, number=n)) for n, pose in enumerate(poses)]
    assert [len(result.regions) for result in results] == [0, 1, 1]
    assert results[0].report.left_out == {'not_confirmed': 1}
    assert [r.regions[0].place.number for r in results[1:]] == [1, 1]
    assert results[2].regions[0].place.finds == 3


def test_what_is_found_once_is_never_confirmed(ground, built):
    task = task_over(ground, dataclasses.replace(LIMITS, candidates=False))
    results = [task.run(fly(built if n == 1 else ground, POSE, number=n)) for n in range(5)]
    assert not any(result.regions for result in results)


def test_regions_smaller_than_allowed_are_counted(ground, built):
    task = task_over(ground, dataclasses.replace(LIMITS, min_area_m2=400.0))
    result = task.run(fly(built, POSE))
    assert result.regions == ()
    assert result.report.left_out['smaller_than_min_area'] >= 1


def without(frame, **changes):
    return dataclasses.replace(frame, **changes)


def spoilt(frame, image):
    return dataclasses.replace(frame, image=np.ascontiguousarray(image, np.uint8))


def upside_down(frame):
    pose = pose_above(frame.pose, tilt_deg=170.0)
    return dataclasses.replace(frame, pose=pose)


def noise(frame):
    return np.random.default_rng(0).integers(0, 256, frame.image.shape)


@pytest.mark.parametrize(
    ('spoil', 'state', 'message'),
    [
        (lambda f: without(f, camera=None), 'no_camera', 'camera intrinsics unknown'),
        (
            lambda f: without(f, pose=None, pose_reason='position stale by 3.00 s'),
            'no_pose',
            'no pose: position stale by 3.00 s',
        ),
        (
            lambda f: without(f, pose=dataclasses.replace(f.pose, orientation=None)),
            'no_attitude',
            'attitude unknown',
        ),
        (
            lambda f: without(f, pose=dataclasses.replace(f.pose, height_m=None)),
            'no_height',
            'height above ground unknown',
        ),
        (upside_down, 'above_horizon', 'the camera looks 80 deg above the horizon. Check the gim'),
        (
            lambda f: without(f, pose=pose_above(f.pose, tilt_deg=50.0)),
            'too_oblique',
            'tilted by 50 deg; at most 30 deg',
        ),
        (
            lambda f: without(f, pose=dataclasses.replace(f.pose, latitude_deg=48.0)),
            'off_map',
            'Give the map of this place',
        ),
        (lambda f: spoilt(f, f.image // 16), 'dark', 'Night, or a covered lens'),
        (lambda f: spoilt(f, 250 + f.image // 64), 'overexposed', 'Shorten the exposure'),
        (lambda f: spoilt(f, 120 + f.image // 64), 'no_contrast', 'Fog, cloud'),
        (
            lambda f: spoilt(f, cv2.GaussianBlur(f.image, (0, 0), 5.0)),
            'blurred',
            'fine detail of the map; at least 35% is needed. Motion blur',
        ),
        (lambda f: spoilt(f, cv2.blur(f.image, (21, 1))), 'blurred', 'Motion blur'),
        (lambda f: spoilt(f, noise(f)), 'not_registered', 'needed|believed'),
        (
            lambda f: without(f, pose=pose_above(f.pose, east_m=30.0, north_m=35.0, yaw_deg=90.0)),
            'not_registered',
            'needed|believed',
        ),
    ],
)
def test_every_bad_frame_has_a_status_that_names_it_and_no_changes(ground, spoil, state, message):
    result = task_over(ground).run(spoil(fly(ground, POSE)))
    assert state_of(result) == state, result.match.reason
    assert (
        message.split('|')[0] in result.match.reason
        or message.split('|')[-1] in result.match.reason
    )
    assert result.report.status == 'skipped'
    assert result.report.reason == result.match.reason
    assert result.probability.shape == (0, 0)
    assert (result.regions, result.seen) == ((), None)


def test_a_hole_and_a_damaged_map_are_told_apart(ground):
    hole = np.ones(ground.shape[:2], bool)
    hole[300:600, 400:700] = False
    result = task_over(ground, seen=hole).run(fly(ground, POSE))
    assert state_of(result) == 'map_hole'
    assert 'The map has a hole here' in result.report.reason
    result = task_over(ground, broken=True).run(fly(ground, POSE))
    assert state_of(result) == 'map_damaged'
    assert 'tile is no image' in result.report.reason


def damage(path, change):
    """Change all finest tiles of a map but the one that is looked at when it is opened."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        place = database.execute(
            'SELECT tile_column, tile_row FROM tiles WHERE zoom_level = ? LIMIT 1', (ZOOM,)
        ).fetchone()
        database.execute(f'{change} WHERE NOT (tile_column = ? AND tile_row = ?)', place)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ("UPDATE tile_hashes SET hash = x'00'", 'was changed after it was built'),
        ('UPDATE tiles SET tile_data = zeroblob(9)', 'which is not that of the hash list'),
    ],
)
def test_a_map_that_broke_after_it_was_built_is_damaged(ground, tmp_path, change, message):
    """An interrupted copy has the right size and an index, and tiles that were never written."""
    path = write_map(tmp_path / 'ground.mbtiles', ground)
    damage(path, change)
    task = MapChangeTask(model_of('change'), ReferenceMap(MbTiles(path)), LIMITS)
    result = task.run(fly(ground, POSE))
    assert state_of(result) == 'map_damaged'
    assert message in result.report.reason


@pytest.mark.parametrize(
    ('date', 'limit', 'state'),
    [
        ('2023-11-10', 30.0, 'registered'),
        ('2021-07-14', 30.0, 'map_too_old'),
        ('2021-07-14', 1000.0, 'registered'),
        ('2021', 1000.0, 'map_too_old'),
        ('', 1000.0, 'map_undated'),
        ('soon', 1000.0, 'map_undated'),
        ('', 0.0, 'registered'),
    ],
)
def test_a_map_is_as_old_as_it_may_be(ground, date, limit, state):
    limits = dataclasses.replace(LIMITS, alignment=AlignmentLimits(max_age_days=limit))
    result = task_over(ground, limits, date=date).run(fly(ground, POSE))
    assert state_of(result) == state, result.report.reason


def test_without_a_clock_the_age_of_a_map_is_not_guessed(ground):
    limits = dataclasses.replace(LIMITS, alignment=AlignmentLimits(max_age_days=30.0))
    frame = fly(ground, POSE)
    early = dataclasses.replace(frame, pose=dataclasses.replace(frame.pose, stamp_ns=5_000_000_000))
    result = task_over(ground, limits).run(early)
    assert state_of(result) == 'no_clock'


def test_dates_begin_with_their_first_day():
    days = [first_day(text) for text in ('2021-07-14', '2021-07', '2021', '', '2021-13', '1-2-3-4')]
    assert [day and day.isoformat()[:10] for day in days] == [
        '2021-07-14',
        '2021-07-01',
        '2021-01-01',
        None,
        None,
        None,
    ]


def test_a_failing_model_gives_a_failed_result_with_the_match(ground):
    task = task_over(ground)

    def fail(feeds):
        raise ModelError('inference failed: out of memory')

    task.model.runtime.run = fail
    result = task.run(fly(ground, POSE))
    assert (result.report.status, state_of(result)) == ('failed', 'registered')
    assert 'out of memory' in result.report.reason
    assert result.header.height == CAMERA.height


def test_a_call_of_the_model_can_be_seen_from_outside_and_given_up(ground):
    """The watchdog looks at the calls of the task, whoever makes them for it."""
    task = task_over(ground)
    run, seen = task.model.runtime.run, []

    def watched(feeds):
        seen.append(task.calls.since_ns())
        task.calls.give_up('hangs')
        return run(feeds)

    task.model.runtime.run = watched
    result = task.run(fly(ground, POSE))
    assert len(seen) == 1
    assert seen[0] > 0
    assert (result.report.status, result.report.reason) == ('failed', 'hangs')


def test_one_flight_gives_the_same_results_twice(ground, built):
    flights = []
    for _ in range(2):
        task = task_over(ground)
        poses = [pose_above(POSE, east_m=2.0 * n) for n in range(3)]
        flights.append([task.run(fly(built, pose, number=n)) for n, pose in enumerate(poses)])
    for first, second in zip(*flights, strict=True):
        np.testing.assert_array_equal(first.probability, second.probability)
        assert [r.place.number for r in first.regions] == [r.place.number for r in second.regions]
        np.testing.assert_array_equal(first.match.fit.homography, second.match.fit.homography)


def test_settings_that_make_no_sense_are_refused(ground):
    with pytest.raises(TaskError, match='found 4 finds of 3 looks'):
        task_over(ground, ChangeLimits(finds=4, looks=3))
    with pytest.raises(TaskError, match='expected above 0 and up to 1'):
        task_over(ground, ChangeLimits(threshold=0.0))


def test_the_area_of_a_polygon_is_that_of_the_shoelace():
    square = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)])
    assert polygon_area(square) == polygon_area(square[::-1]) == 12.0
    assert polygon_area(np.array([(0.0, 0.0), (4.0, 0.0), (0.0, 3.0)])) == 6.0


def test_stamps_and_places_of_the_tests_agree():
    assert STAMP_NS // 10**9 == 1_700_000_000
    assert (LATITUDE, LONGITUDE) == (47.3, 8.5)
