# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Light and sharpness: bad frames are named, and the light of a map is made that of the frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from flown_maps import photograph
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.radiometry import detail, levels, match_light, unfit


@pytest.fixture(scope='module')
def ground():
    return photograph(300, 400)


def whole(image):
    return np.ones(image.shape[:2], bool)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.floats(0.6, 1.4)] * 3),
    st.tuples(*[st.floats(-30, 30)] * 3),
    st.integers(0, 1000),
)
def test_gain_and_offset_of_every_channel_are_undone(gains, offsets, seed):
    # Smooth ground between 60 and 170, so that nothing is clipped.
    noise = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3.0).astype(float)
    target = 60 + 110 * (smooth - smooth.min()) / (smooth.max() - smooth.min())
    image = np.clip(np.rint(target * gains + offsets), 0, 255).astype(np.uint8)
    target = np.rint(target).astype(np.uint8)
    if image.min() == 0 or image.max() == 255:
        return
    gap = match_light(image, target, whole(image)).astype(int) - target
    assert np.abs(gap).max() <= 3


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 1000), st.booleans())
def test_levels_are_those_of_the_sorted_pixels(height, width, seed, masked):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask = (rng.random((height, width)) < 0.7).astype(np.uint8) if masked else None
    values = np.sort(image[..., 1][mask > 0] if masked else image[..., 1].ravel())
    if not len(values):
        return
    found = levels(image, 1, mask, (0.1, 0.9))
    assert found == tuple(values[int(np.ceil(share * len(values))) - 1] for share in (0.1, 0.9))


def test_what_changed_on_a_twentieth_of_the_ground_does_not_change_the_light_of_the_rest(ground):
    target = ground.copy()
    # A twentieth of the columns, spread over all kinds of ground.
    changed = np.zeros(ground.shape[1], bool)
    changed[::20] = True
    target[:, changed] = 255
    found = match_light(ground, target, whole(ground))
    gap = np.abs(found[:, ~changed].astype(int) - ground[:, ~changed])
    assert np.median(gap) <= 5


def test_half_of_a_difference_is_half_of_the_way(ground):
    target = np.clip(ground.astype(float) * 0.8 + 20, 0, 255).astype(np.uint8)
    paths = [match_light(ground, target, whole(ground), share) for share in (0.0, 0.5, 1.0)]
    means = [image.astype(float).mean() for image in paths]
    assert means[1] == pytest.approx((means[0] + means[2]) / 2, abs=2.0)
    assert paths[0] is ground


def test_nothing_seen_leaves_the_image_as_it_is(ground):
    assert match_light(ground, 255 - ground, ~whole(ground)) is ground


def test_fit_frames_are_fit_and_bad_ones_are_named(ground):
    assert unfit(ground) is None
    assert unfit(ground // 8).state == 'dark'
    assert unfit(np.zeros_like(ground)).state == 'dark'
    assert unfit(np.full_like(ground, 255)).state == 'overexposed'
    assert unfit(np.full_like(ground, 120)).state == 'no_contrast'


@pytest.mark.parametrize('angle', [0, 30, 45, 90, 120])
def test_a_blur_in_any_direction_takes_detail_along_it(ground, angle):
    kernel = np.zeros((21, 21), np.float32)
    kernel[10] = 1.0
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((10, 10), angle, 1.0), (21, 21))
    moved = cv2.filter2D(ground, -1, turned / turned.sum())
    share = (detail(moved, whole(ground)) / detail(ground, whole(ground))).min()
    assert share < 0.3


def test_light_is_no_detail(ground):
    darker = (ground * 0.5).astype(np.uint8)
    share = detail(darker, whole(ground)) / detail(ground, whole(ground))
    assert share == pytest.approx(np.ones(4), abs=0.1)


def test_an_image_without_contrast_has_no_detail(ground):
    assert not detail(np.full_like(ground, 7), whole(ground)).any()
    assert not detail(ground, ~whole(ground)).any()
