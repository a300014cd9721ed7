# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Changes survive being messages to the last digit, and messages of others are refused by name."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from flown_maps import CAMERA, LATITUDE, LONGITUDE
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.pose import Pose
from rs_onboard.geo.position import PositionFix
from rs_onboard.geo.rotation import NADIR_MOUNT
from rs_onboard.nodes.change_messages import (
    change_from_messages,
    change_mask_message,
    outlines_message,
    position_message,
    regions_message,
    registration_message,
)
from rs_onboard.perception.errors import EncodingError, TaskError
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.map_match import MapFit, MapMatch
from rs_onboard.perception.regions import RegionPlace, find_regions
from rs_onboard.perception.results import ChangeResult, TaskReport

REPORT = TaskReport('change', 'ok')


def result_of(seed, *, height=60, width=80, registered=True):
    """Make up a result; every float has all its digits."""
    rng = np.random.default_rng(seed)
    header = FrameHeader(1_700_000_000_000_000_000 + seed, 'camera', 0, height, width)
    pose = Pose(header.stamp_ns, LATITUDE, LONGITUDE, 500.1, 60.2, NADIR_MOUNT)
    match = MapMatch('no_pose', 'no pose: stale', 'ground', '2021', CAMERA, None, 'stale')
    if not registered:
        return ChangeResult(header, REPORT, np.empty((0, 0), np.uint8), None, (), match)
    seen = rng.random((height, width)) < 0.9
    probability = (rng.integers(0, 255, (height, width)) * seen).astype(np.uint8)
    regions = []
    for number, region in enumerate(
        find_regions(probability, threshold=0.8, min_area_px=4).found[:9], 1
    ):
        outline = rng.normal(8.5, 1e-4, (len(region.outline), 2))
        place = RegionPlace(outline, float(rng.random() * 99), number, 3, 2, bool(number % 2))
        regions.append(dataclasses.replace(region, place=place))
    match = MapMatch(
        state='registered',
        reason='',
        map_name='ground',
        map_date='2021-07-14',
        camera=CAMERA,
        pose=pose,
        fit=MapFit(rng.normal(size=(3, 3)), 40, 60, *rng.random(6).tolist()),
        corners=rng.normal(8.5, 1e-3, (4, 2)),
        position=PositionFix(
            header.stamp_ns, 47.0, 8.5, 560.0, np.eye(3) * rng.random(), (1.0, 2.0, 3.0),
            (0.1, 0.2, 0.3), 1.5, 40,
        ),
    )  # fmt: skip
    return ChangeResult(header, REPORT, probability, seen, tuple(regions), match)


def read_back(result):
    header = dataclasses.replace(result.header, height=0, width=0)
    return change_from_messages(
        header, REPORT, change_mask_message(result), registration_message(result)
    )


def same(first, second):
    """Compare records to the last digit."""
    if dataclasses.is_dataclass(first):
        pairs = [
            (getattr(first, f.name), getattr(second, f.name)) for f in dataclasses.fields(first)
        ]
        return all(same(a, b) for a, b in pairs)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second) and first.dtype == second.dtype
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_a_result_comes_back_to_the_last_digit(seed, registered):
    result = result_of(seed, registered=registered)
    assert same(result, read_back(result))


def test_boxes_and_outlines_follow_the_regions():
    result = result_of(3)
    boxes, lines = regions_message(result), outlines_message(result)
    assert [box.id for box in boxes.detections] == [str(r.place.number) for r in result.regions]
    names = {box.results[0].hypothesis.class_id for box in boxes.detections}
    assert names == {'changed', 'candidate'}
    assert len(lines.points) == 2 * sum(len(region.outline) for region in result.regions)
    assert len(lines.outline_colors) * 2 == len(lines.points)
    first = result.regions[0]
    assert (lines.points[0].x, lines.points[0].y) == tuple(first.outline[0].astype(float) - 0.5)


def test_an_empty_result_has_empty_messages_and_no_fix():
    result = result_of(0, registered=False)
    assert len(change_mask_message(result).data) == 0
    assert regions_message(result).detections == []
    assert list(outlines_message(result).points) == []
    assert math.isnan(position_message(result).latitude)
    assert position_message(result).status.status == -1


@pytest.mark.parametrize(
    'key', ['state', 'homography', 'residual_px', 'corners', 'position', 'width']
)
@pytest.mark.parametrize('value', ['', 'nan', '[]', '[[1, 2], [3, NaN]]', '{"a": 1}', '-1e999'])
def test_a_registration_of_somebody_else_is_refused(key, value):
    result = result_of(5)
    message = registration_message(result)
    for item in message.status[0].values:
        if item.key == key:
            item.value = value
    with pytest.raises(TaskError, match='rs_onboard'):
        change_from_messages(result.header, REPORT, change_mask_message(result), message)


@pytest.mark.parametrize('value', ['', '3', '[{}]', '[1]', '[{"box": [1, 2]}]', 'null'])
def test_regions_of_somebody_else_are_refused(value):
    result = result_of(5)
    message = registration_message(result)
    message.status[1].values[0].value = value
    with pytest.raises(TaskError, match='change/registration'):
        change_from_messages(result.header, REPORT, change_mask_message(result), message)


def test_a_mask_of_another_size_or_kind_is_refused():
    result, other = result_of(5), result_of(5, height=61)
    with pytest.raises(TaskError, match=r'change/mask: found \(61, 80\); expected \(60, 80\)'):
        change_from_messages(
            result.header, REPORT, change_mask_message(other), registration_message(result)
        )
    mask = change_mask_message(result)
    mask.encoding = 'rgb8'
    with pytest.raises(EncodingError):
        change_from_messages(result.header, REPORT, mask, registration_message(result))
