# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The way from a camera to the body is that of its frames in turn, or there is a reason."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.geo.rotation import from_roll_pitch_yaw, rotation_matrix
from rs_onboard.geo.static_frames import MOST_FRAMES, StaticFrames

LEVEL = (0.0, 0.0, 0.0, 1.0)
angles = st.floats(-math.pi, math.pi)
places = st.tuples(*[st.floats(-5, 5)] * 3)
links = st.tuples(places, st.builds(from_roll_pitch_yaw, angles, angles, angles))


@settings(max_examples=60, deadline=None)
@given(st.lists(links, min_size=1, max_size=5))
def test_a_chain_of_frames_is_the_product_of_its_transforms(chain):
    frames = StaticFrames()
    whole = np.eye(4)
    for index, (place, turn) in enumerate(chain):
        assert frames.add(f'frame{index}', f'/frame{index + 1}', place, turn)
        step = np.eye(4)
        step[:3, :3], step[:3, 3] = rotation_matrix(turn), place
        whole = whole @ step
    mount = frames.mount(f'frame{len(chain)}', 'frame0')
    assert mount.place == pytest.approx(tuple(whole[:3, 3]), abs=1e-9)
    assert rotation_matrix(mount.rotation) == pytest.approx(whole[:3, :3], abs=1e-9)


def test_a_way_that_is_missing_or_goes_round_is_said():
    frames = StaticFrames()
    reason = frames.mount('camera_optical', 'base_link')
    assert reason.startswith('/tf_static: found frame camera_optical in nothing; expected a way to')
    frames.add('camera', 'camera_optical', (0.0, 0.0, 0.0), LEVEL)
    assert 'found frame camera_optical in camera in nothing' in frames.mount(
        'camera_optical', 'base_link'
    )
    frames.add('camera_optical', 'camera', (0.0, 0.0, 0.0), LEVEL)
    assert 'camera_optical again' in frames.mount('camera_optical', 'base_link')
    frames.add('base_link', 'camera', (1.0, 0.0, 0.0), LEVEL)
    assert frames.mount('camera_optical', 'base_link').place == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ('place', 'turn'),
    [((math.nan, 0.0, 0.0), LEVEL), ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))],
)
def test_what_is_no_transform_is_not_taken(place, turn):
    frames = StaticFrames()
    assert not frames.add('base_link', 'camera', place, turn)
    assert isinstance(frames.mount('camera', 'base_link'), str)


def test_frames_without_end_are_not_kept():
    frames = StaticFrames()
    taken = sum(
        frames.add('base_link', f'frame{index}', (0.0, 0.0, 0.0), LEVEL)
        for index in range(MOST_FRAMES + 10)
    )
    assert taken == MOST_FRAMES
    assert frames.add('base_link', 'frame3', (1.0, 0.0, 0.0), LEVEL)
