# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Intrinsics of no camera are refused; resampling keeps the directions of points."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError

GOOD = CameraModel(640, 480, 500.0, 510.0, 319.5, 239.5, 'plumb_bob', (0.1, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'fx': 0.0, 'fy': 0.0, 'cx': 0.0, 'cy': 0.0}, 'uncalibrated camera'),
        ({'fy': -1.0}, 'fy=-1 px; expected positive'),
        ({'width': 0}, 'found 0x480 px'),
        ({'height': -3}, 'found 640x-3 px'),
        ({'fx': float('nan')}, 'expected finite numbers'),
        ({'cx': float('inf')}, 'expected finite numbers'),
        ({'distortion': (0.1, float('nan'))}, 'expected finite numbers'),
    ],
)
def test_intrinsics_of_no_camera_are_refused(changes, message):
    with pytest.raises(CameraError, match=message):
        dataclasses.replace(GOOD, **changes)


def test_half_the_size_has_half_the_focal_length_and_the_same_centre():
    camera = GOOD.scaled_to(320, 240)
    assert (camera.fx, camera.fy, camera.width, camera.height) == (250.0, 255.0, 320, 240)
    assert (camera.cx, camera.cy) == (159.5, 119.5)
    assert camera.distortion == GOOD.distortion


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(0, 639), st.floats(0, 479))
def test_a_point_keeps_its_direction_when_the_image_is_resampled(width, height, x, y):
    camera = GOOD.scaled_to(width, height)
    new_x = (x + 0.5) * width / 640 - 0.5
    new_y = (y + 0.5) * height / 480 - 0.5
    assert (new_x - camera.cx) / camera.fx == pytest.approx((x - GOOD.cx) / GOOD.fx, abs=1e-9)
    assert (new_y - camera.cy) / camera.fy == pytest.approx((y - GOOD.cy) / GOOD.fy, abs=1e-9)
