# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Results of frames against golden ones: within the tolerances nothing, beyond them one line."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.perception.overlap import iou_matrix
from rs_onboard.replay.expectations.criteria import Tolerances
from rs_onboard.replay.expectations.frames import (
    Counted,
    compare_frame,
    compare_masks,
    match_objects,
)

CORNERS = [[-92.0, 46.8], [-91.999, 46.8], [-91.999, 46.7995], [-92.0, 46.7995]]


def thing(name='ship', score=0.9, box=(50.0, 40.0, 30.0, 10.0, 0.3)):
    return {'class': name, 'score': score, 'box': list(box)}


def frame(**tasks):
    return {
        'stamp_ns': 5,
        'frame_id': 'camera',
        'height': 100,
        'width': 200,
        'pose': {},
        'footprint': {'corners': copy.deepcopy(CORNERS)},
        **tasks,
    }


def scene(**shares):
    best = [{'name': name, 'probability': value} for name, value in shares.items()]
    return {'status': 'ok', 'classes': best}


def detection(*objects):
    return {'status': 'ok', 'objects': list(objects)}


def differences(golden, found, **limits):
    counted = Counted()
    found = [x.what for x in compare_frame(golden, found, Tolerances(**limits), counted)]
    more = [x.what for items in vars(counted).values() for x in items]
    return found + more


def test_a_frame_is_as_expected_by_itself():
    same = frame(scene=scene(forest=0.7), detection=detection(thing()))
    assert differences(same, copy.deepcopy(same)) == []


def test_a_footprint_may_move_by_so_much():
    moved = frame()
    moved['footprint']['corners'][2][1] += 0.4 / 111_320
    assert differences(frame(), moved) == []
    moved['footprint']['corners'][2][1] += 0.4 / 111_320
    assert differences(frame(), moved) == ['moved by 0.80 m, allowed 0.5 m']
    # A degree of longitude is shorter, by the cosine of the latitude.
    aside = frame()
    aside['footprint']['corners'][0][0] += 0.7 / 111_320
    assert differences(frame(), aside) == []


def test_a_lost_footprint_says_why():
    lost = {**frame(), 'footprint': {'unknown': 'pose unknown'}}
    assert differences(frame(), lost) == ['unknown (pose unknown), expected known']


def test_a_status_is_told_with_its_reason():
    golden = frame(scene=scene(forest=0.7))
    failed = frame(scene={'status': 'failed', 'reason': 'no memory', 'classes': []})
    assert differences(golden, failed) == ['status failed (no memory), expected ok']


def test_a_task_that_was_not_run_or_is_new_is_told():
    golden, found = frame(scene=scene(forest=1)), frame(detection=detection())
    assert differences(golden, found) == ['not run', 'run, but not in the golden results']


def test_the_golden_scene_must_be_as_probable():
    golden = frame(scene=scene(forest=0.5, river=0.4))
    assert differences(golden, frame(scene=scene(river=0.51, forest=0.49))) == []
    (text,) = differences(golden, frame(scene=scene(river=0.6, forest=0.3)))
    assert text == 'forest 0.300, expected 0.500 +- 0.02; best is river 0.600'
    (text,) = differences(golden, frame(scene=scene(river=0.6)))
    assert 'not among the best' in text


def test_objects_match_by_rotated_overlap_whatever_their_order():
    first, second = thing(), thing(box=(150, 60, 30, 10, -1.0))
    shifted = thing(box=(50.5, 40.0, 30.0, 10.0, 0.3))
    golden = frame(detection=detection(first, second))
    assert differences(golden, frame(detection=detection(second, shifted))) == []
    (text,) = differences(golden, frame(detection=detection(second)))
    assert text.startswith('missing: ship 0.90 at (50, 40) of 30x10 px')


def test_a_turned_object_is_one_missing_and_one_extra_with_how_near_it_came():
    turned = thing(box=(50.0, 40.0, 30.0, 10.0, 0.3 + math.pi / 2 - math.pi))
    found = differences(frame(detection=detection(thing())), frame(detection=detection(turned)))
    assert len(found) == 2
    assert all('nearest is ship 0.90 at (50, 40) of 30x10 px with IoU 0.20' in x for x in found)


def test_another_class_does_not_match_and_a_score_has_a_tolerance():
    golden = frame(detection=detection(thing()))
    assert len(differences(golden, frame(detection=detection(thing('plane'))))) == 2
    (text,) = differences(golden, frame(detection=detection(thing(score=0.8))))
    assert 'score 0.800, expected 0.900 +- 0.02' in text
    assert differences(golden, frame(detection=detection(thing(score=0.8))), score=0.11) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(0, 8))
def test_matches_are_pairs_above_the_limit_of_one_class_each_object_once(seed, count, other):
    rng = np.random.default_rng(seed)

    def things(number):
        boxes = rng.random((number, 5)) * (40, 40, 30, 20, math.pi) + (0, 0, 5, 5, -math.pi / 2)
        return [thing('ab'[rng.integers(2)], box=box) for box in boxes.tolist()]

    one, two = things(count), things(other)
    matched = match_objects(one, two, 0.3)
    assert len({i for i, _, _ in matched}) == len({j for _, j, _ in matched}) == len(matched)
    for i, j, iou in matched:
        assert one[i]['class'] == two[j]['class']
        assert iou == pytest.approx(iou_matrix([one[i]['box']], [two[j]['box']])[0, 0])
        assert iou >= 0.3
    # Nothing is left that could still be paired.
    for i in set(range(count)) - {i for i, _, _ in matched}:
        for j in set(range(other)) - {j for _, j, _ in matched}:
            if one[i]['class'] == two[j]['class']:
                assert iou_matrix([one[i]['box']], [two[j]['box']])[0, 0] < 0.3


def masks(golden, found, **limits):
    names = ('land', 'water')
    found = compare_masks('segmentation', golden, found, names, Tolerances(**limits), 5)
    return [x.what for x in found]


def slow_iou(golden, found, label):
    both = ((golden == label) & (found == label)).sum()
    return both / ((golden == label) | (found == label)).sum()


def test_masks_are_compared_class_by_class():
    golden = np.zeros((10, 20), np.uint8)
    golden[:, 10:] = 1
    found = golden.copy()
    found[:, 10] = 0
    (land, water) = masks(golden, found)
    assert land == 'land: IoU 0.9091, least 0.98 (55.0% of the frame, was 50.0%)'
    assert water == 'water: IoU 0.9000, least 0.98 (45.0% of the frame, was 50.0%)'
    assert masks(golden, found, mask_iou=0.9) == []


@given(st.integers(0, 2**32 - 1))
def test_the_overlap_of_classes_is_that_of_counting_pixels(seed):
    rng = np.random.default_rng(seed)
    golden, found = rng.choice([0, 1, 7, 255], (2, 6, 7)).astype(np.uint8)
    texts = masks(golden, found, mask_iou=1.0, mask_least_share=0.0)
    told = {
        text.split(':')[0]: float(text.split()[text.split().index('IoU') + 1].strip(','))
        for text in texts
    }
    names = {0: 'land', 1: 'water', 7: 'class 7', 255: 'unknown'}
    for label in np.union1d(golden, found):
        iou = slow_iou(golden, found, label)
        assert told.get(names[label], 1.0) == pytest.approx(iou, abs=6e-5)


def test_small_classes_and_other_sizes():
    golden = np.zeros((100, 100), np.uint8)
    found = golden.copy()
    found[0, :4] = 1
    assert masks(golden, found) == []
    assert masks(golden, found[:50]) == ['mask of 100x50 px, expected (100, 100)']


def change(shift_deg=0.0, regions=0):
    corners = [[x + shift_deg, y] for x, y in CORNERS]
    registration = {'state': 'registered', 'corners': corners}
    return {'status': 'ok', 'registration': registration, 'regions': [{}] * regions}


def test_a_registration_is_compared_in_pixels_of_the_frame():
    # 200 px over a thousandth of a degree: 1 px is 5e-6 degrees.
    golden = frame(change=change())
    assert differences(golden, frame(change=change(4e-6))) == []
    (text,) = differences(golden, frame(change=change(1e-5)))
    assert text == 'registration moved by 2.00 px, allowed 1 px'
    assert differences(golden, frame(change=change(regions=2))) == ['2 regions, expected 0'] * 2
