# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation keeps image and mask together and treats all directions alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_sets import recipe_file

from rs_onboard.training.augment import (
    Tone,
    augment,
    blur,
    compress,
    haze,
    orient,
    recolour,
    retone,
)
from rs_onboard.training.data.sample import IGNORE
from rs_onboard.training.recipe import AugmentRecipe, load_recipe

GEOMETRY = AugmentRecipe('tile', 0.5, 2.0, 0.5, 0, 0, 0, 0, 0)


def labelled(height: int = 160, width: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """An image whose red channel is 40 times its mask."""
    mask = np.zeros((height, width), np.uint8)
    mask[20:90, 30:120] = 1
    mask[100:150, 60:190] = 3
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 0] = 40 * mask
    return image, mask


def test_image_and_mask_move_together():
    image, mask = labelled()
    rng = np.random.default_rng(0)
    seen = 0.0
    for _ in range(50):
        cut, labels = augment(image, mask, 64, GEOMETRY, rng)
        assert cut.shape == (64, 64, 3)
        assert labels.shape == (64, 64)
        known = labels != IGNORE
        agree = np.abs(cut[:, :, 0].astype(int) - 40 * labels.astype(int)) < 20
        seen += known.mean()
        assert agree[known].mean() > 0.85
    assert seen / 50 > 0.8


def test_a_window_of_the_whole_image_is_one_of_the_eight_orientations():
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    whole = AugmentRecipe('image', 1.0, 1.0, 0, 0, 0, 0, 0, 0)
    wanted = {orient(image, t, flip=f).tobytes() for t in range(4) for f in (False, True)}
    assert len(wanted) == 8
    rng = np.random.default_rng(2)
    found = {augment(image, None, 32, whole, rng)[0].tobytes() for _ in range(200)}
    assert found == wanted


def test_an_image_smaller_than_the_window_is_mirrored_and_its_mask_ignored_beyond():
    image, mask = labelled(40, 40)
    mask[:] = 1
    rng = np.random.default_rng(3)
    wide = AugmentRecipe('tile', 1.5, 1.5, 0, 0, 0, 0, 0, 0)
    cut, labels = augment(image + 1, mask, 64, wide, rng)
    assert cut.min() >= 1
    assert 0.1 < (labels == IGNORE).mean() < 0.9


@pytest.mark.parametrize(
    'change', [lambda i, r: recolour(i, 0.3, r), blur, haze, compress], ids=str
)
def test_colour_blur_haze_and_compression_keep_shape_type_and_most_of_the_image(change):
    image = np.full((48, 64, 3), 120, np.uint8)
    image[10:30, 10:40] = (200, 90, 60)
    rng = np.random.default_rng(4)
    for _ in range(20):
        out = change(image, rng)
        assert out.shape == image.shape
        assert out.dtype == np.uint8
        assert out.std() > 5


def test_the_same_seed_gives_the_same_sample(tmp_path):
    image, mask = labelled()
    recipe = load_recipe(recipe_file(tmp_path, 'scene')).augment
    recipe = dataclasses.replace(recipe, haze=0.5)
    first, second = (augment(image, mask, 48, recipe, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_an_image_takes_on_the_tone_of_another():
    rng = np.random.default_rng(6)
    dark = rng.normal(60, 10, (50, 50, 3)).clip(0, 255).astype(np.uint8)
    warm = (
        (rng.normal(0, 20, (50, 50, 3)) + np.array([180, 140, 100])).clip(0, 255).astype(np.uint8)
    )
    toned = Tone.of(retone(dark, Tone.of(dark), Tone.of(warm), 1.0))
    assert toned.mean == pytest.approx(Tone.of(warm).mean, abs=2)
    assert toned.spread == pytest.approx(Tone.of(warm).spread, abs=2)
    assert np.array_equal(retone(dark, Tone.of(dark), Tone.of(warm), 0.0), dark)
