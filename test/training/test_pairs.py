# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of dates are checked completely before anything is trained."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from small_sets import pairs, recipe_file, write_image, write_split

from rs_onboard.training.data.load import load_for
from rs_onboard.training.data.pairs import load_pairs
from rs_onboard.training.data.sample import rescale
from rs_onboard.training.errors import DataError
from rs_onboard.training.recipe import load_recipe


def test_a_pair_has_two_rgb_dates_and_a_mask_of_zero_and_one(tmp_path):
    data = load_pairs(pairs(tmp_path), ['train', 'val'])
    assert data.classes == ('unchanged', 'changed')
    assert [len(data.splits[split]) for split in ('train', 'val')] == [4, 2]
    sample = data.splits['train'][0]
    assert sample.before.shape == sample.image.shape == (128, 160, 3)
    assert np.unique(sample.mask).tolist() == [0, 1]
    gain = sample.image.astype(int) - sample.before
    assert gain[sample.mask == 1].mean() > 100
    assert abs(gain[sample.mask == 0].mean()) < 5


def test_a_folder_a_split_is_read_as_well(tmp_path):
    folder = pairs(tmp_path)
    other = tmp_path / 'official'
    for split in ('train', 'test'):
        for date in ('A', 'B', 'label'):
            (other / split / date).mkdir(parents=True)
            for path in (folder / date).glob(f'{split}*'):
                shutil.copy(path, other / split / date / path.name)
    data = load_pairs(other, ['train', 'test'])
    assert [sample.name for sample in data.splits['test']] == ['test/test0', 'test/test1']
    assert np.array_equal(
        data.splits['train'][3].mask, load_pairs(folder, ['train']).splits['train'][3].mask
    )
    with pytest.raises(DataError, match=r'val\.txt: no such split'):
        load_pairs(other, ['val'])


def test_all_problems_of_pairs_are_listed_by_file_name_at_once(tmp_path):
    folder = pairs(tmp_path, train=8)
    (folder / 'A/train0.png').unlink()
    (folder / 'B/train0.png').write_bytes(b'')
    (folder / 'A/train1.png').write_bytes(b'no image')
    (folder / 'label/train2.png').unlink()
    (folder / 'label/train3.png').write_bytes(b'no image')
    write_image(folder / 'B/train4.png', np.zeros((128, 159, 3), np.uint8))
    write_image(folder / 'label/train5.png', np.zeros((127, 160), np.uint8))
    mask = cv2.imread(str(folder / 'label/train6.png'), cv2.IMREAD_UNCHANGED)
    write_image(folder / 'label/train6.png', np.where(mask == 255, 1, 7).astype(np.uint8))
    names = [f'train{i}' for i in range(8)]
    write_split(folder, 'train', [*names, 'val1'])
    with pytest.raises(DataError, match='before anything ran') as caught:
        load_pairs(folder, ['train', 'val'])
    assert set(caught.value.problems) == {
        "val1: in split 'train' and again in 'val'",
        'pairs/A/train0: missing; expected one of .webp, .png, .jpg, .jpeg, .tif',
        'pairs/B/train0.png: not a readable image',
        'pairs/A/train1.png: not a readable image',
        'label/train2.png: missing',
        'label/train3.png: not a readable 8-bit mask of one channel',
        'train4: A has (128, 160) pixels, B (128, 159); expected the same',
        'label/train5.png: (127, 160) pixels, its images have (128, 160)',
        'label/train6.png: values [1, 7]; expected 0 (unchanged) and 255 (changed)',
        "val1: in split 'val', same images as val1 in 'train'",
    }


def test_the_same_pair_under_two_names_in_two_splits_is_found(tmp_path):
    folder = pairs(tmp_path)
    for date in ('A', 'B', 'label'):
        shutil.copy(folder / date / 'train2.png', folder / date / 'test1.png')
    with pytest.raises(DataError, match="test1: in split 'test', same images as train2 in 'train'"):
        load_pairs(folder, ['train', 'test'])


def test_a_train_split_in_which_nothing_changes_is_refused(tmp_path):
    folder = pairs(tmp_path)
    for path in (folder / 'label').glob('train*'):
        write_image(path, np.zeros((128, 160), np.uint8))
    with pytest.raises(DataError, match="split 'train': no changed pixel"):
        load_pairs(folder, ['train', 'val'])


def test_further_splits_are_trained_on_and_coarser_pairs_enlarged_whole(tmp_path):
    folder = pairs(tmp_path)
    (folder / 'splits/train.txt').rename(folder / 'splits/all.txt')
    write_split(folder, 'train', ['train0'])
    write_split(folder, 'more', ['train1', 'train2'])
    path = recipe_file(tmp_path, 'change')
    text = path.read_text(encoding='utf-8')
    text = text.replace('val: val', 'val: val, also: [more], scales: {train2: 1.5}')
    path.write_text(text, encoding='utf-8')
    train = load_for(load_recipe(path), tmp_path).splits['train']
    assert [sample.name for sample in train] == ['train0', 'train1', 'train2']
    assert train[2].before.shape == train[2].image.shape == (192, 240, 3)
    assert train[2].mask.shape == (192, 240)
    assert rescale(train[2], 2 / 3).before.shape == train[1].before.shape
