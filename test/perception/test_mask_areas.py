# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Masks on the ground: polygons cover the pixels of their class, areas add up."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import nadir_pose

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.rotation import from_roll_pitch_yaw, multiply
from rs_onboard.perception.features import record_features
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.mask_areas import (
    LEAST_PX,
    MOST,
    block_areas,
    class_areas,
    mask_content,
    mask_polygons,
)
from rs_onboard.perception.results import SegmentationResult, TaskReport

CAMERA = CameraModel(320, 240, 400.0, 400.0, 159.5, 119.5)
CLASSES = ('land', 'water', 'road')


def result_of(labels):
    return SegmentationResult(
        header=FrameHeader(0, 'camera', 0, *labels.shape),
        report=TaskReport('segmentation', 'ok'),
        classes=CLASSES,
        palette=np.zeros((3, 3), np.uint8),
        labels=labels,
        confidence=np.full_like(labels, 200),
    )


def drawn(polygons, shape, label):
    """Fill polygons of a class; pixels whose centre is inside count."""
    big = np.zeros((shape[0] * 4, shape[1] * 4), np.uint8)
    for polygon in polygons:
        if polygon.label == label:
            rings = [np.rint((ring + 0.5) * 4 - 0.5).astype(np.int32) for ring in polygon.rings]
            cv2.fillPoly(big, rings, 1)
    return cv2.resize(big.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0.5


def blobs(seed, shape=(240, 320)):
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 9.0)
    limits = np.quantile(smooth, (0.4, 0.75))
    return np.digitize(smooth, limits).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_polygons_cover_the_pixels_of_their_class_but_for_their_tolerance(seed):
    labels = blobs(seed)
    polygons, left_out = mask_polygons(labels, 3)
    assert left_out == 0
    for label in range(3):
        inside = labels == label
        covered = drawn(polygons, labels.shape, label)
        wrong = (inside != covered).astype(np.uint8)
        # All that differs lies within the tolerance of an edge or of the border, or is
        # too small to be traced.
        edges = cv2.dilate(inside.astype(np.uint8), np.ones((7, 7))) & cv2.dilate(
            (~inside).astype(np.uint8), np.ones((7, 7))
        )
        far = (wrong & ~edges)[3:-3, 3:-3]
        count, _, stats, _ = cv2.connectedComponentsWithStats(far)
        assert (stats[1:count, cv2.CC_STAT_AREA] < LEAST_PX).all()
        traced = sum(polygon.area_px for polygon in polygons if polygon.label == label)
        assert abs(traced - int(inside.sum())) < 40 * LEAST_PX


def test_a_lake_with_an_island_has_a_hole_and_the_island_is_of_its_own_class():
    labels = np.zeros((240, 320), np.uint8)
    labels[40:200, 60:260] = 1
    labels[100:140, 120:180] = 0
    labels[110:120, 130:140] = 1
    polygons, _ = mask_polygons(labels, 3)
    told = [(polygon.label, polygon.area_px, len(polygon.rings)) for polygon in polygons]
    land = 320 * 240 - 160 * 200
    lake = 160 * 200 - 40 * 60
    assert told == [(0, land, 2), (1, lake, 2), (0, 40 * 60 - 100, 2), (1, 100, 1)]
    ring = polygons[1].rings[0]
    assert (ring.min(axis=0), ring.max(axis=0)) == (
        pytest.approx((59.5, 39.5)),
        pytest.approx((259.5, 199.5)),
    )


def test_steps_of_an_enlarged_mask_are_no_corners():
    y, x = np.mgrid[:30, :40]
    coarse = (3 * x - 4 * y > 20).astype(np.uint8)
    labels = coarse.repeat(8, axis=0).repeat(8, axis=1)
    jagged, _ = mask_polygons(labels, 2)
    smooth, _ = mask_polygons(labels, 2, cell_px=8.0)
    for before, after in zip(jagged, smooth, strict=True):
        assert 2 * len(after.rings[0]) <= len(before.rings[0])
    labels[80:96, 16:24] = 1
    assert len(mask_polygons(labels, 2, cell_px=8.0)[0]) == 2
    assert len(mask_polygons(labels, 2)[0]) == 3


def test_specks_are_left_out_of_polygons_but_not_of_the_areas_around_them():
    labels = np.zeros((240, 320), np.uint8)
    labels[10:14, 10:14] = 2
    polygons, left_out = mask_polygons(labels, 3)
    assert [(p.label, p.area_px, len(p.rings)) for p in polygons] == [(0, 320 * 240 - 16, 1)]
    assert left_out == 0


def test_a_mask_of_noise_has_its_largest_parts_and_a_count_of_the_others():
    labels = np.full((400, 400), 255, np.uint8)
    for index in range(15 * 15):
        y, x = divmod(index, 15)
        labels[y * 26 : y * 26 + 10, x * 26 : x * 26 + 10 + (index < 5)] = 1
    polygons, left_out = mask_polygons(labels, 3)
    assert (len(polygons), left_out) == (MOST, 225 - MOST)
    assert [polygon.area_px for polygon in polygons[:6]] == [110] * 5 + [100]


def test_square_metres_by_class_are_those_of_its_pixels():
    labels = blobs(5)
    # 100 m and 400 px: a quarter of a metre a pixel.
    areas = class_areas(result_of(labels), CAMERA, nadir_pose())
    for label, name in enumerate(CLASSES):
        assert areas[name] == pytest.approx((labels == label).sum() / 16, rel=1e-4)


@pytest.mark.parametrize('tilt', [-0.5, 0.3])
def test_in_a_tilted_view_far_pixels_cover_more(tilt):
    pose = nadir_pose()
    tilted = multiply(from_roll_pitch_yaw(0.0, tilt, 0.0), pose.orientation)
    pose = dataclasses.replace(pose, orientation=tilted)
    blocks = block_areas(CAMERA, pose)
    fine = block_areas(CAMERA.scaled_to(3200, 2400), pose)
    assert blocks.sum() == pytest.approx(fine.sum(), rel=1e-9)
    assert (np.diff(blocks.sum(axis=1)) * tilt > 0).all()
    content = mask_content(result_of(np.zeros((240, 320), np.uint8)), CAMERA, pose)
    (polygon,) = content['polygons']
    assert polygon['area_m2'] == pytest.approx(blocks.sum(), rel=1e-4)
    assert content['areas_m2'] == {'land': pytest.approx(blocks.sum(), abs=0.01)}


def test_what_lies_beyond_the_horizon_has_no_area_and_no_polygon():
    pose = nadir_pose()
    level = multiply(from_roll_pitch_yaw(0.0, -1.45, 0.0), pose.orientation)
    labels = np.zeros((240, 320), np.uint8)
    labels[220:235, 100:200] = 1
    content = mask_content(result_of(labels), CAMERA, dataclasses.replace(pose, orientation=level))
    assert [item['class'] for item in content['polygons']] == ['water']
    assert content['polygons_left_out'] == 1
    assert content['areas_m2']['water'] > 0
    assert json.dumps(content, allow_nan=False)


def test_polygons_may_be_left_out_and_the_areas_stay():
    result = result_of(blobs(1))
    whole = mask_content(result, CAMERA, nadir_pose())
    areas = mask_content(result, CAMERA, nadir_pose(), polygons=False)
    assert areas == {'areas_m2': whole['areas_m2']}


def test_without_a_place_there_are_no_areas():
    result = result_of(blobs(1))
    assert mask_content(result, None, nadir_pose()) == {}
    assert mask_content(result, CAMERA, None) == {}
    assert mask_content(result, CAMERA, nadir_pose(height_m=None)) == {}
    nothing = result_of(np.empty((0, 0), np.uint8))
    assert mask_content(nothing, CAMERA, nadir_pose()) == {}


def test_polygons_become_features_with_their_holes_clockwise():
    labels = np.zeros((240, 320), np.uint8)
    labels[40:200, 60:260] = 1
    content = mask_content(result_of(labels), CAMERA, nadir_pose())
    record = {
        'stamp_ns': 1,
        'frame_id': 'c',
        'footprint': {'unknown': 'x'},
        'segmentation': content,
    }
    frame, land, water = record_features(record)
    assert frame['properties']['segmentation']['polygons'] == 2
    assert land['properties']['kind'] == 'segment'
    assert (land['properties']['class'], water['properties']['class']) == ('land', 'water')
    outline, hole = (np.array(ring) for ring in land['geometry']['coordinates'])
    assert turning(outline) > 0 > turning(hole)
    assert (outline[0] == outline[-1]).all()
    assert turning(np.array(water['geometry']['coordinates'][0])) > 0


def turning(ring):
    x, y = (ring - ring.mean(axis=0)).T
    return np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])
