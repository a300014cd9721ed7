# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Detection finds every object once, and what a model gone wrong gives is counted."""

from __future__ import annotations

import dataclasses
import json
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import camera_for, faked, frame_of, nadir_pose

from rs_onboard.perception.boxes import corners, from_opencv
from rs_onboard.perception.detection import MAX_CANDIDATES, DetectionLimits, DetectionTask
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.perception.pipeline import Pipeline
from rs_onboard.perception.tiler import Tiler


def answer(boxes=(), scores=None, classes=None, tile=None):
    """Give the outputs of a detection model."""
    rows = np.array(boxes, np.float32).reshape(-1, 5)
    number = len(rows)
    return {
        'boxes': rows,
        'scores': np.array([0.9] * number if scores is None else scores, np.float32),
        'classes': np.array([0] * number if classes is None else classes, np.int64),
        'tile': np.array([0] * number if tile is None else tile, np.int64),
    }


def bright_blobs(tiles):
    """Find bright things as a perfect model would, whole or cut by the tile."""
    found, owner = [], []
    for number, tile in enumerate(tiles):
        outlines, _ = cv2.findContours(
            (tile[..., 0] > 128).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        for outline in outlines:
            (x, y), (width, height), angle = cv2.minAreaRect(outline)
            found.append(from_opencv([(x, y, width + 1, height + 1, angle)])[0])
            owner.append(number)
    return answer(found, tile=owner)


def always(outputs):
    return lambda tiles: outputs


def run(task, image, **known):
    frame = frame_of(image, **known)
    return task.run(Tiler({task.name: task.plan}).cut(frame)[task.name])


def task_of(function, **options):
    return DetectionTask(faked('detection', function), **options)


def dark(height=200, width=300):
    return np.zeros((height, width, 3), np.uint8)


def test_an_object_is_found_exactly_once_at_every_position_over_the_tile_borders():
    task = task_of(bright_blobs, overlap=48)
    side = task.plan.width
    for step in range(0, side, 3):
        image = dark(side + 60, 2 * side + 40)
        truth = np.array([[30.0 + 2 * step, 20.0 + step * 0.9, 40.0, 14.0, 0.4]])
        cv2.fillConvexPoly(image, np.rint(corners(truth)[0]).astype(np.int32), (255, 255, 255))
        result = run(task, image)
        assert len(result.scores) == 1, (step, result.boxes)
        assert iou_matrix(result.boxes, truth)[0, 0] > 0.8, step


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.floats(0, math.pi), st.floats(60, 200), st.floats(60, 140))
def test_the_batch_size_and_repetition_change_nothing(batch, theta, x, y):
    image = dark()
    quad = corners([[x, y, 50.0, 12.0, theta]])[0]
    cv2.fillConvexPoly(image, np.rint(quad).astype(np.int32), (255, 255, 255))
    one = run(task_of(bright_blobs, overlap=60), image)
    many = run(task_of(bright_blobs, overlap=60, batch=batch), image)
    assert many.boxes.tobytes() == one.boxes.tobytes()
    assert many.scores.tobytes() == one.scores.tobytes()
    assert len(one.scores) == 1


def test_boxes_are_le90_in_pixels_of_the_frame_when_tiles_are_resampled():
    image = dark(240, 320)
    truth = np.array([[160.0, 120.0, 80.0, 30.0, -1.0]])
    cv2.fillConvexPoly(image, np.rint(corners(truth)[0]).astype(np.int32), (255, 255, 255))
    # 0.15 m a pixel at 60 m, half of what the model wants.
    known = {'camera': camera_for(image, 400.0), 'pose': nadir_pose(60.0)}
    result = run(task_of(bright_blobs), image, **known)
    assert result.report.tiles.scale == pytest.approx(0.5)
    assert result.report.status == 'ok'
    # A detector that counts whole pixels sees a little more than there is.
    assert result.boxes[0, :2] == pytest.approx(truth[0, :2], abs=0.2)
    assert result.boxes[0, 2:4] == pytest.approx(truth[0, 2:4] + 2, abs=2)
    assert result.boxes[0, 4] == pytest.approx(-1.0, abs=0.03)
    assert result.boxes[0, 2] >= result.boxes[0, 3]
    assert -math.pi / 2 <= result.boxes[0, 4] < math.pi / 2


def test_a_frame_without_objects_has_an_empty_result():
    result = run(task_of(bright_blobs), dark())
    assert result.report.status in {'ok', 'degraded'}
    assert result.boxes.shape == (0, 5)
    assert result.report.left_out == {}


def test_what_is_no_box_or_no_score_is_counted_and_left_out():
    good = [50.0, 50.0, 20.0, 10.0, 0.0]
    rows = [good, [math.nan, 5, 5, 5, 0], [5, 5, -1, 5, 0], [1e30, 5, 5, 5, 0], good, good, good]
    scores = [0.9, 0.9, 0.9, 0.9, math.nan, 1.5, 0.1]
    result = run(task_of(always(answer(rows, scores))), dark(100, 100))
    assert result.boxes.tolist() == [good]
    assert result.report.left_out == {
        'not a box': 3,
        'score outside 0 to 1': 2,
        'below the score': 1,
    }


def test_a_hundred_thousand_boxes_are_cut_to_the_best_before_they_are_compared():
    rng = np.random.default_rng(0)
    count = 100_000
    rows = np.column_stack(
        [rng.uniform(0, 100, (count, 2)), rng.uniform(1, 9, (count, 2)), rng.uniform(0, 3, count)]
    )
    outputs = answer(rows, rng.uniform(0.5, 1.0, count))
    result = run(task_of(always(outputs)), dark(100, 100))
    assert result.report.left_out['too many candidates'] == count - MAX_CANDIDATES
    reported = len(result.scores) + sum(result.report.left_out.values())
    assert reported == count
    assert (np.diff(result.scores) <= 0).all()


@pytest.mark.parametrize(
    ('outputs', 'message'),
    [
        (answer([[5, 5, 5, 5, 0]], classes=[3]), 'class numbers from 3 to 3; expected 0 to 2'),
        (answer([[5, 5, 5, 5, 0]], classes=[-1]), 'class numbers from -1'),
        (answer([[5, 5, 5, 5, 0]], tile=[1]), 'tile numbers from 1 to 1; expected 0 to 0'),
        (answer([[5, 5, 5, 5, 0]], scores=[]), 'expected boxes'),
    ],
)
def test_outputs_that_no_result_can_be_made_of_fail_the_frame_with_a_reason(outputs, message):
    result = run(task_of(always(outputs)), dark(100, 100))
    assert result.report.status == 'failed'
    assert message in result.report.reason
    assert len(result.boxes) == 0


def test_objects_in_the_mirrored_border_of_a_small_frame_are_left_out():
    rows = [[20, 20, 10, 5, 0], [90, 20, 10, 5, 0]]
    result = run(task_of(always(answer(rows))), dark(100, 80))
    assert result.boxes[:, 0].tolist() == [20]
    assert result.report.left_out == {'outside the frame': 1}


def test_each_class_has_its_own_least_score():
    limits = DetectionLimits(score=0.5, class_scores={'green': 0.95})
    rows = [[20, 20, 10, 5, 0], [50, 20, 10, 5, 0]]
    outputs = answer(rows, [0.9, 0.9], [0, 1])
    result = run(task_of(always(outputs), limits=limits), dark(100, 100))
    assert [result.classes[i] for i in result.class_ids] == ['red']


def test_lengths_in_metres_are_limited_where_the_scale_is_known_only():
    limits = DetectionLimits(class_lengths_m={'red': (5.0, 20.0)})
    outputs = answer([[20, 20, 10, 5, 0], [50, 60, 40, 5, 0]], [0.9, 0.8])
    image = dark(100, 100)
    task = task_of(always(outputs), limits=limits)
    # Pixels of 0.3 m: 3 m and 12 m.
    known = {'camera': camera_for(image, 400.0), 'pose': nadir_pose(120.0)}
    result = run(task, image, **known)
    assert result.boxes[:, 2].tolist() == [40]
    assert result.report.left_out == {'of another length': 1}
    unknown = run(task, image)
    assert len(unknown.boxes) == 2
    assert 'lengths are not limited' in unknown.report.reason


def test_no_more_objects_than_allowed_are_reported():
    rows = [[10 + 20 * n, 20, 10, 5, 0] for n in range(4)]
    outputs = answer(rows, [0.5, 0.9, 0.7, 0.8])
    result = run(task_of(always(outputs), limits=DetectionLimits(count=2)), dark(100, 100))
    assert result.scores == pytest.approx([0.9, 0.8])
    assert result.report.left_out == {'over the limit': 2}


def test_a_limit_for_a_class_that_the_model_does_not_have_is_refused():
    with pytest.raises(TaskError, match=r"'boat'; .* has red, green, blue"):
        task_of(bright_blobs, limits=DetectionLimits(class_scores={'boat': 0.5}))


def test_a_record_lists_objects_with_corners_and_their_place_on_the_ground():
    image = dark(96, 128)
    outputs = answer([[64, 48, 20, 8, 0]], [0.75], [1])
    pipeline = Pipeline([task_of(always(outputs))])
    frame = frame_of(image, camera=camera_for(image, 400.0), pose=nadir_pose(120.0))
    results = pipeline.process(frame)
    (item,) = json.loads(json.dumps(results.record))['detection']['objects']
    assert (item['class'], item['score']) == ('green', 0.75)
    assert item['corners'] == [[54, 44], [74, 44], [74, 52], [54, 52]]
    assert (item['length_m'], item['width_m']) == pytest.approx((6.0, 2.4), abs=1e-3)
    whole, thing = results.collection['features']
    assert whole['properties']['kind'] == 'frame'
    assert whole['properties']['detection']['objects'] == 1
    assert thing['properties']['kind'] == 'detection'
    (ring,) = thing['geometry']['coordinates']
    assert ring[0] == ring[-1]
    assert np.mean(ring[:-1], axis=0) == pytest.approx([7.0, 46.0], abs=1e-5)
    nowhere = pipeline.process(frame_of(image)).collection['features'][1]
    assert nowhere['geometry'] is None
    assert 'length_m' not in nowhere['properties']


def test_a_frame_without_objects_has_a_record_with_and_without_pose():
    image = dark(96, 128)
    pipeline = Pipeline([task_of(bright_blobs)])
    for known in ({}, {'camera': camera_for(image, 400.0), 'pose': nadir_pose(120.0)}):
        results = pipeline.process(frame_of(image, **known))
        assert results.record['detection']['objects'] == []
        assert len(results.collection['features']) == 1


def test_a_skipped_frame_has_no_objects_and_says_why():
    task = task_of(bright_blobs)
    result = task.without_result(frame_of(dark()).header, 'skipped', 'too late')
    assert (result.report.status, result.report.reason) == ('skipped', 'too late')
    assert dataclasses.replace(result).boxes.shape == (0, 5)
