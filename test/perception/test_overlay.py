# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The overlay as a whole: sizes, marks, and nothing that pretends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.lettering import Style
from rs_onboard.perception.overlay import render_overlay
from rs_onboard.perception.panel import (
    STATUS_COLOURS,
    format_latency,
    format_origin,
    format_stamp,
)
from rs_onboard.perception.results import (
    DetectionResult,
    ModelIdentity,
    SceneResult,
    SegmentationResult,
    TaskReport,
    TileUse,
)

AERIAL = Path(__file__).parents[1] / 'data' / 'images' / 'aerial.jpg'
MODEL = ModelIdentity('net_d0', 'ab' * 32, 'int8', 'CPUExecutionProvider', trained=True)
HEADER = FrameHeader(1_763_629_631_123_000_000, 'camera', 7, 180, 320)
REPORT = TaskReport(
    'scene', 'ok', '', MODEL, TileUse(4, 224, 224, 1.0, 0.05), {'cut': 1.0, 'infer': 9.5}
)


@pytest.fixture(scope='module')
def aerial():
    return np.ascontiguousarray(cv2.imread(str(AERIAL))[..., ::-1])


def scene(report=REPORT, probabilities=(0.1, 0.9)):
    boxes = np.array([[0, 0, 180, 180], [140, 0, 180, 180]], np.float32)
    return SceneResult(
        HEADER,
        report,
        ('beach', 'forest'),
        np.array(probabilities, np.float32),
        np.array([0, 1], np.uint8),
        np.array([0.8, 0.6], np.float32),
        boxes,
    )


def segmentation(labels, status='ok'):
    return SegmentationResult(
        HEADER,
        replace(REPORT, task='segmentation', status=status, reason='' if status == 'ok' else 'why'),
        ('land', 'water'),
        np.array([[90, 200, 60], [40, 90, 220]], np.uint8),
        labels,
        np.full_like(labels, 255),
    )


def results(**tasks):
    return FrameResults(HEADER, None, tasks)


LABELS = np.tile(np.repeat(np.array([0, 1], np.uint8), 160), (180, 1))
EMPTY = np.zeros((0, 0), np.uint8)


def count(picture, colour):
    return int((picture == np.array(colour, np.uint8)).all(axis=2).sum())


def test_the_same_results_give_the_same_bytes_and_leave_the_image_alone(aerial):
    before = aerial.copy()
    found = results(scene=scene(), segmentation=segmentation(LABELS))
    first = render_overlay(found, aerial, age_ms=12.0)
    assert first.tobytes() == render_overlay(found, aerial, age_ms=12.0).tobytes()
    assert np.array_equal(aerial, before)
    assert first.dtype == np.uint8


def test_the_size_does_not_depend_on_what_was_found(aerial):
    good = render_overlay(results(scene=scene(), segmentation=segmentation(LABELS)), aerial)
    bad = render_overlay(
        results(
            scene=scene(replace(REPORT, status='failed', reason='x' * 500, model=None), ()),
            segmentation=segmentation(EMPTY, 'skipped'),
        ),
        aerial,
        age_ms=99999.0,
    )
    assert good.shape == bad.shape


@pytest.mark.parametrize(
    ('size', 'max_width', 'expected'),
    [((180, 320), 1280, (360, 640)), ((720, 2000), 1280, (461, 1280)), ((90, 800), 200, (22, 200))],
)
def test_the_picture_is_scaled_to_what_can_be_read_and_no_wider(size, max_width, expected):
    image = np.full((*size, 3), 77, np.uint8)
    picture = render_overlay(results(), image, max_width=max_width)
    assert picture.shape[1] == expected[1]
    assert (picture[: expected[0]] == 77).all()
    assert (picture[expected[0]] != 77).all()


@pytest.mark.parametrize('size', [(1, 2), (5000, 1), (1, 5000), (3, 7)])
def test_frames_of_odd_shapes_give_a_picture_of_bearable_size(size):
    image = np.zeros((*size, 3), np.uint8)
    picture = render_overlay(results(scene=scene(), segmentation=segmentation(LABELS)), image)
    assert picture.nbytes < 40_000_000


def test_untrained_models_are_marked_twice_and_trained_ones_never(aerial):
    untrained = replace(REPORT, model=replace(MODEL, trained=False))
    marked = render_overlay(results(scene=scene(untrained)), aerial, max_width=1280)
    plain = render_overlay(results(scene=scene()), aerial, max_width=1280)
    assert count(plain, STATUS_COLOURS['degraded']) == 0
    assert count(marked, STATUS_COLOURS['degraded']) > 1000


@pytest.mark.parametrize('status', ['degraded', 'skipped', 'failed'])
def test_a_status_that_is_not_ok_shows_in_its_colour(status, aerial):
    good = render_overlay(results(segmentation=segmentation(LABELS)), aerial)
    picture = render_overlay(results(segmentation=segmentation(EMPTY, status)), aerial)
    assert count(good, STATUS_COLOURS[status]) == 0
    assert count(picture, STATUS_COLOURS[status]) > 300


def detection(boxes, class_ids, report=REPORT):
    return DetectionResult(
        HEADER,
        replace(report, task='detection'),
        ('ship', 'plane'),
        np.array([[1, 254, 3], [250, 2, 251]], np.uint8),
        np.array(boxes, np.float32).reshape(-1, 5),
        np.full(len(boxes), 0.98, np.float32),
        np.array(class_ids, np.uint8),
        np.full(len(boxes), -1),
    )


def test_objects_are_drawn_on_top_of_the_mask_in_the_colour_of_their_class(aerial):
    ground = segmentation(LABELS)
    found = results(segmentation=ground, detection=detection([[160, 90, 120, 60, 0.3]], [0]))
    nothing = results(segmentation=ground, detection=detection([], []))
    with_one, without = (render_overlay(item, aerial) for item in (found, nothing))
    assert with_one.shape == without.shape
    # The legend shows the colour too.
    assert count(with_one, (1, 254, 3)) > count(without, (1, 254, 3)) + 100
    assert count(with_one, (250, 2, 251)) == count(without, (250, 2, 251)) > 0


def test_the_legend_counts_objects_and_is_silent_without_a_result(aerial):
    boxes = [[40 * n, 90, 20, 10, 0.3] for n in range(1, 4)]
    failed = replace(REPORT, status='failed', reason='why')
    two, three, none = (
        render_overlay(results(detection=detection(boxes, ids, report)), aerial)
        for ids, report in (([0, 1, 1], REPORT), ([1, 1, 1], REPORT), ([1, 1, 1], failed))
    )
    assert two.shape == three.shape == none.shape
    assert not np.array_equal(two[360:], three[360:])


def test_a_single_tile_needs_no_grid(aerial):
    whole = replace(scene(), boxes=np.array([[0, 0, 320, 180]], np.float32))
    picture = render_overlay(results(scene=whole), aerial)
    expected = cv2.resize(aerial, (640, 360), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(picture[:360], expected)


def test_shares_are_of_the_whole_frame_and_leave_out_the_unknown():
    labels = np.array([[0, 0, 1, 255]], np.uint8)
    assert segmentation(labels).label_shares()[:2].tolist() == [0.5, 0.25]
    assert segmentation(EMPTY).label_shares()[:2].tolist() == [0.0, 0.0]


def test_stamps_are_dates_or_simulated_seconds():
    assert format_stamp(HEADER.stamp_ns) == '2025-11-20 09:07:11.123 UTC'
    assert format_stamp(12_345_678_901) == 't = 12.346 s'


def test_origin_says_model_tiles_and_scale_as_far_as_there_is_room():
    style = Style(14)
    assert format_origin(REPORT, style, 999) == 'net_d0 int8 on CPU, 4 x 224x224, 5.0 cm/px'
    assert format_origin(REPORT, style, 300) == 'net_d0 int8 on CPU, 4 x 224x224'
    assert format_origin(TaskReport('scene', 'failed', 'no model'), style, 999) == ''


def test_latency_lists_the_stages_and_their_sum():
    assert format_latency(REPORT) == 'cut 1.0  infer 9.5  =  10.5 ms'
    assert format_latency(TaskReport('scene', 'failed')) == ''
