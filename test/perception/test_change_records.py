# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A region in register has its place with a covariance of map and registration, not of the pose."""

from __future__ import annotations

import numpy as np
import pytest
from small_frames import nadir_pose

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.wgs84 import offset_to_wgs84
from rs_onboard.perception.change_records import MAP_SIGMA_M, change_content
from rs_onboard.perception.features import record_features
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.map_match import MapFit, MapMatch
from rs_onboard.perception.regions import ChangeRegion, RegionPlace
from rs_onboard.perception.results import ChangeResult, TaskReport
from rs_onboard.perception.tiles import PixelBox

CAMERA = CameraModel(400, 300, 400.0, 400.0, 199.5, 149.5)
FIT = MapFit(np.eye(3), 90, 100, 2.0, 1.0, 0.8, 1.0, 0.0, 1.0)


def result_with(match):
    pose = nadir_pose()
    square = np.array([(0, 0), (10, 0), (10, 4), (0, 4)], float)
    outline = offset_to_wgs84(square, pose.latitude_deg, pose.longitude_deg)
    region = ChangeRegion(
        area_px=40,
        mean_score=0.8,
        max_score=0.9,
        box=PixelBox(0, 0, 10, 4),
        outline=square.astype(np.float32),
        place=RegionPlace(outline, 40.0, 1, 3, 3, confirmed=True),
    )
    return ChangeResult(
        header=FrameHeader(0, 'camera', 0, 300, 400),
        report=TaskReport('change', 'ok'),
        probability=np.zeros((300, 400), np.uint8),
        seen=None,
        regions=(region,),
        match=match,
    )


def match_with(**changes):
    values = {'camera': CAMERA, 'pose': nadir_pose(), 'fit': FIT, **changes}
    return MapMatch('registered', '', 'map', '2024', **values)


def test_the_covariance_is_that_of_map_and_residual():
    content = change_content(result_with(match_with()))
    (region,) = content['regions']
    # 100 m and 400 px: half a metre for two pixels.
    variance = MAP_SIGMA_M**2 + 0.5**2
    assert region['position_covariance_m2'] == [[variance, 0.0], [0.0, variance]]
    assert region['sigma_m'] == pytest.approx(np.sqrt(variance), abs=1e-3)
    pose = nadir_pose()
    ((longitude, latitude),) = offset_to_wgs84(
        np.array([(5.0, 2.0)]), pose.latitude_deg, pose.longitude_deg
    )
    assert region['position'] == pytest.approx([longitude, latitude], abs=1e-8)
    record = {'stamp_ns': 0, 'frame_id': 'c', 'footprint': {'unknown': ''}, 'change': content}
    _, feature = record_features(record)
    assert feature['properties']['sigma_m'] == region['sigma_m']
    assert feature['properties']['position'] == region['position']


@pytest.mark.parametrize('missing', [{'fit': None}, {'camera': None}, {'pose': None}])
def test_without_a_registration_or_a_scale_the_accuracy_is_unknown(missing):
    (region,) = change_content(result_with(match_with(**missing)))['regions']
    assert 'sigma_m' not in region
    assert 'position' in region
