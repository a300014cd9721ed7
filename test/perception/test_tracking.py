# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One object, one number: along a flight, around corners, with and without a pose."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from small_frames import camera_for

from rs_onboard.geo.footprint import locate
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT, multiply, rotation_matrix
from rs_onboard.geo.wgs84 import offset_to_wgs84
from rs_onboard.perception.tracking import Tracker, common_shift

CAMERA = camera_for(np.zeros((480, 640, 3), np.uint8), 500.0)
HEIGHT = 60.0
SECOND = 1_000_000_000
LATITUDE, LONGITUDE = 46.0, 7.0


def pose_at(east, north, yaw=0.0):
    turn = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
    ((longitude, latitude),) = offset_to_wgs84(np.array([[east, north]]), LATITUDE, LONGITUDE)
    return Pose(0, latitude, longitude, 500.0, HEIGHT, multiply(turn, NADIR_MOUNT))


def seen_from(pose, objects, rng=None):
    """Project objects (N, 4: east, north, length, width) to the boxes of those in the frame."""
    anchor = offset_to_wgs84(objects[:, :2], LATITUDE, LONGITUDE)
    scale = np.array([math.cos(math.radians(LATITUDE)), 1.0]) * 111_200.0
    relative = (anchor - (pose.longitude_deg, pose.latitude_deg)) * scale
    rays = np.column_stack((relative, np.full(len(objects), -HEIGHT)))
    local = rays @ rotation_matrix(pose.orientation)
    pixels = local[:, :2] / local[:, 2:] * 500.0 + (CAMERA.cx, CAMERA.cy)
    inside = ((pixels > 0) & (pixels < (639, 479))).all(axis=1)
    gsd = HEIGHT / 500.0
    boxes = np.column_stack((pixels, objects[:, 2:] / gsd, np.full(len(objects), 0.3)))[inside]
    if rng is not None:
        boxes[:, :2] += rng.normal(0, 1.0, (len(boxes), 2))
    return boxes, np.flatnonzero(inside)


def scattered(count=60, seed=0):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-120, 120, (count, 2))
    # No two closer than the gate of the tracker.
    kept = [places[0]]
    for place in places[1:]:
        if min(np.linalg.norm(place - other) for other in kept) > 14:
            kept.append(place)
    return np.column_stack((np.array(kept), np.full((len(kept), 2), (5.0, 2.0))))


def test_objects_are_counted_once_along_lines_that_see_them_again():
    objects, rng = scattered(), np.random.default_rng(1)
    tracker, numbers, stamp = Tracker(), {}, 0
    lines = [(0.0, range(-90, 91, 10)), (math.pi, range(90, -91, -10))]
    for line, (yaw, easts) in enumerate(lines):
        for east in easts:
            stamp += SECOND
            pose = pose_at(float(east), 30.0 * line - 15.0, yaw)
            boxes, which = seen_from(pose, objects, rng)
            found = tracker.update(boxes, np.zeros(len(boxes), int), stamp, CAMERA, pose)
            assert len(set(found.tolist())) == len(found)
            for thing, number in zip(which.tolist(), found.tolist(), strict=True):
                assert numbers.setdefault(thing, number) == number
    assert len(numbers) > 10
    assert tracker.count == len(numbers)


def test_the_simulated_camera_is_the_one_that_locates():
    objects = scattered()
    pose = pose_at(10.0, -5.0, 0.7)
    boxes, which = seen_from(pose, objects)
    offsets = locate(boxes[:, :2], CAMERA, pose).offsets
    np.testing.assert_allclose(offsets + np.array([10.0, -5.0]), objects[which, :2], atol=0.3)


def test_in_the_picture_objects_keep_their_numbers_while_the_camera_moves():
    rng = np.random.default_rng(2)
    world = np.column_stack(
        (rng.uniform(0, 3000, (80, 2)), np.full((80, 2), (40.0, 16.0)), rng.uniform(0, 3, 80))
    )
    tracker, numbers = Tracker(), {}
    for step in range(12):
        offset = np.array([90.0 * step, 40.0 * step])
        local = world - np.array([*offset, 0, 0, 0])
        inside = ((local[:, :2] > 0) & (local[:, :2] < 1000)).all(axis=1)
        found = tracker.update(local[inside], np.zeros(inside.sum(), int), step * SECOND)
        for thing, number in zip(np.flatnonzero(inside).tolist(), found.tolist(), strict=True):
            assert numbers.setdefault(thing, number) == number
    assert tracker.count == len(numbers) > 15


def test_classes_do_not_take_over_each_others_numbers():
    box = np.array([[100.0, 100.0, 40.0, 20.0, 0.0]])
    tracker = Tracker()
    first = tracker.update(box, np.array([0]), 0)
    other = tracker.update(box, np.array([1]), SECOND)
    assert first.tolist() != other.tolist()


def test_objects_are_forgotten_after_their_time_and_when_time_jumps_back():
    box = np.array([[320.0, 240.0, 40.0, 20.0, 0.0]])
    pose, label = pose_at(0.0, 0.0), np.array([0])
    nothing = (np.zeros((0, 5)), np.zeros(0, int))
    tracker = Tracker(memory_s=10.0)
    assert tracker.update(box, label, 0, CAMERA, pose).tolist() == [0]
    tracker.update(*nothing, 9 * SECOND, CAMERA, pose)
    assert tracker.update(box, label, 10 * SECOND, CAMERA, pose).tolist() == [0]
    tracker.update(*nothing, 15 * SECOND, CAMERA, pose)
    assert tracker.update(box, label, 30 * SECOND, CAMERA, pose).tolist() == [1]
    assert tracker.update(box, label, 20 * SECOND, CAMERA, pose).tolist() == [2]


def test_a_frame_without_objects_and_one_without_height_are_no_trouble():
    tracker = Tracker()
    assert tracker.update(np.zeros((0, 5)), np.zeros(0, int), 0).shape == (0,)
    flat = dataclasses.replace(pose_at(0.0, 0.0), height_m=None)
    box = np.array([[320.0, 240.0, 40.0, 20.0, 0.0]])
    assert tracker.update(box, np.array([0]), SECOND, CAMERA, flat).tolist() == [0]
    assert tracker.update(box, np.array([0]), 2 * SECOND, CAMERA, flat).tolist() == [0]


def test_the_same_frames_give_the_same_numbers():
    objects = scattered(seed=5)
    runs = []
    for _ in range(2):
        tracker, rng = Tracker(), np.random.default_rng(3)
        found = []
        for step in range(6):
            pose = pose_at(8.0 * step, 0.0)
            boxes, _ = seen_from(pose, objects, rng)
            labels = np.zeros(len(boxes), int)
            found.append(tracker.update(boxes, labels, step * SECOND, CAMERA, pose).tolist())
        runs.append(found)
    assert runs[0] == runs[1]


@pytest.mark.parametrize('shift', [(0.0, 0.0), (150.0, -80.0)])
def test_the_common_shift_is_that_of_most_objects(shift):
    rng = np.random.default_rng(4)
    before = np.column_stack((rng.uniform(0, 800, (20, 2)), np.full((20, 2), 30.0), np.zeros(20)))
    after = before + np.array([*shift, 0, 0, 0])
    after[:4, :2] = rng.uniform(0, 800, (4, 2))
    same = np.ones((20, 20), bool)
    assert common_shift(before, after[rng.permutation(20)], same) == pytest.approx(shift, abs=1e-9)
