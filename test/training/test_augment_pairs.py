# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Augmented pairs: one geometry but for a small error, separate light, true labels."""

from __future__ import annotations

import numpy as np
import pytest
from small_sets import pairs

from rs_onboard.training.augment_pairs import PairAugmentation, PairTile, paste_changes
from rs_onboard.training.data.pairs import load_pairs
from rs_onboard.training.data.sample import IGNORE
from rs_onboard.training.recipe import AugmentRecipe, PairRecipe

PLAIN = AugmentRecipe('tile', 0.6, 1.4, 0.5, 0, 0, 0, 0, 0)


@pytest.fixture
def train(tmp_path):
    return load_pairs(pairs(tmp_path), ['train']).splits['train']


def test_both_dates_and_the_mask_share_their_geometry(train):
    augmentation = PairAugmentation(train, PLAIN, PairRecipe())
    rng = np.random.default_rng(0)
    for tile in augmentation.tiles(list(train) * 5, 64, rng):
        gain = tile.after.astype(int).mean(2) - tile.before.mean(2)
        known = tile.mask != IGNORE
        assert ((gain > 60) == (tile.mask == 1))[known].mean() > 0.95


def test_a_misplaced_date_hides_the_label_only_where_it_shows_nothing(train):
    exact = PairAugmentation(train, PLAIN, PairRecipe())
    shifted = PairAugmentation(train, PLAIN, PairRecipe(shift=6, skew=0.02))
    moved = 0
    for seed in range(20):
        first = exact.cut(train[0], 64, np.random.default_rng(seed))
        second = shifted.cut(train[0], 64, np.random.default_rng(seed))
        assert np.array_equal(first.after, second.after)
        known = second.mask != IGNORE
        assert np.array_equal(first.mask[known], second.mask[known])
        assert (first.mask != IGNORE)[known].all()
        moved += not np.array_equal(first.before, second.before)
    assert moved > 15


def test_swapped_dates_keep_their_label(train):
    straight = PairAugmentation(train, PLAIN, PairRecipe())
    swapped = PairAugmentation(train, PLAIN, PairRecipe(swap=1))
    first = straight.cut(train[1], 64, np.random.default_rng(4))
    second = swapped.cut(train[1], 64, np.random.default_rng(4))
    assert np.array_equal(first.before, second.after)
    assert np.array_equal(first.after, second.before)
    assert np.array_equal(first.mask, second.mask)


def test_one_date_twice_has_no_change(train):
    same = PairAugmentation(train, PLAIN, PairRecipe(same=1, focus=1))
    for tile in same.tiles(train, 64, np.random.default_rng(1)):
        assert np.array_equal(tile.before, tile.after)
        assert not (tile.mask == 1).any()


def test_focused_windows_hold_a_changed_pixel(train):
    focused = PairAugmentation(train, PLAIN, PairRecipe(focus=1))
    tiles = focused.tiles(list(train) * 10, 48, np.random.default_rng(2))
    assert np.mean([(tile.mask == 1).any() for tile in tiles]) > 0.9


def test_each_date_has_a_light_of_its_own(train):
    lit = AugmentRecipe('tile', 1, 1, 0, 0.5, 0.3, 0.2, 0.2, 0.2)
    tiles = PairAugmentation(train, lit, PairRecipe(same=1)).tiles(
        list(train) * 5, 64, np.random.default_rng(3)
    )
    assert sum(not np.array_equal(tile.before, tile.after) for tile in tiles) > 15


def test_pasted_changes_bring_both_dates_and_their_label():
    def tile(level: int, mask: np.ndarray) -> PairTile:
        date = np.full((64, 64, 3), level, np.uint8)
        return PairTile(date, date + 1, mask)

    changed = np.zeros((64, 64), np.uint8)
    changed[20:30, 20:30] = 1
    changed[0] = IGNORE
    pasted = paste_changes(tile(10, np.zeros((64, 64), np.uint8)), tile(100, changed))
    area = pasted.before[:, :, 0] == 100
    assert area[11:39, 11:39].all()
    assert not area[:11].any()
    assert (pasted.after[area] == 101).all()
    assert (pasted.after[~area] == 11).all()
    assert np.array_equal(pasted.mask == 1, changed == 1)
