# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets are checked completely before anything is trained."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from small_sets import class_folders, index_masks, recipe_file, write_image, write_split

from rs_onboard.training.data import (
    IGNORE,
    load_class_folders,
    load_for,
    load_index_masks,
    pixel_counts,
    rescale,
)
from rs_onboard.training.errors import DataError
from rs_onboard.training.recipe import load_recipe


def test_class_folders_give_rgb_images_with_the_class_of_their_folder(tmp_path):
    data = load_class_folders(class_folders(tmp_path), ['train', 'test'])
    assert data.classes == ('red', 'green')
    assert {split: len(samples) for split, samples in data.splits.items()} == {
        'train': 8,
        'test': 4,
    }
    for sample in data.splits['train']:
        assert sample.image.dtype == np.uint8
        assert sample.image.shape == (96, 112, 3)
        assert int(sample.image.mean((0, 1)).argmax()) == sample.label


def test_masks_close_up_over_ignored_classes(tmp_path):
    data = load_index_masks(index_masks(tmp_path), ['train'], ['unlabeled'])
    assert data.classes == ('dark', 'bright')
    sample = data.splits['train'][0]
    assert set(np.unique(sample.mask)) == {0, 1, IGNORE}
    assert sample.image[sample.mask == 1].mean() > sample.image[sample.mask == 0].mean() + 100
    assert (sample.mask == IGNORE).sum() == 4 * 96
    assert pixel_counts([sample], 2).tolist() == [38 * 96, 86 * 96]


def test_all_problems_of_scenes_are_listed_by_file_name_at_once(tmp_path):
    folder = class_folders(tmp_path)
    (folder / 'images/red/train0.png').unlink()
    (folder / 'images/red/train1.png').write_bytes(b'no image')
    (folder / 'images/green/train2.png').write_bytes(b'')
    lines = (folder / 'splits/train.txt').read_text(encoding='utf-8').split()
    write_split(folder, 'train', [*lines, 'images/blue/x.png', 'images/red/test0.png'])
    with pytest.raises(DataError, match='5 problems found before training') as caught:
        load_class_folders(folder, ['train', 'test'])
    assert set(caught.value.problems) == {
        'images/red/train0.png: missing',
        'images/red/train1.png: not a readable image',
        'images/green/train2.png: not a readable image',
        "images/blue/x.png: class 'blue' is not in classes.txt",
        "images/red/test0.png: in split 'train' and again in 'test'",
    }


def test_a_class_without_images_is_named(tmp_path):
    folder = class_folders(tmp_path)
    lines = (folder / 'splits/test.txt').read_text(encoding='utf-8').split()
    write_split(folder, 'test', [line for line in lines if 'green' not in line])
    with pytest.raises(DataError, match="class 'green' has no image in split 'test'"):
        load_class_folders(folder, ['train', 'test'])


def test_all_problems_of_masks_are_listed_by_file_name_at_once(tmp_path):
    folder = index_masks(tmp_path, train=6)
    (folder / 'images/train_part0.png').unlink()
    (folder / 'labels/train_part1.png').unlink()
    (folder / 'labels/train_part2.png').write_bytes(b'no image')
    write_image(folder / 'labels/train_part3.png', np.full((96, 127), 1, np.uint8))
    bad = np.full((96, 128), 1, np.uint8)
    bad[0, :2] = (7, 9)
    write_image(folder / 'labels/train_part4.png', bad)
    with pytest.raises(DataError) as caught:
        load_index_masks(folder, ['train'])
    text = '\n'.join(caught.value.problems)
    assert len(caught.value.problems) == 5
    assert 'images/train_part0: missing; expected one of .webp, .png' in text
    assert 'labels/train_part1.png: missing' in text
    assert 'labels/train_part2.png: not a readable 8-bit mask' in text
    assert 'labels/train_part3.png: (96, 127) pixels, its image has (96, 128)' in text
    assert 'labels/train_part4.png: values [7, 9]; expected 0 to 2 or 255' in text


def test_a_class_that_no_pixel_has_is_named(tmp_path):
    folder = index_masks(tmp_path)
    for path in (folder / 'labels').glob('train*'):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        write_image(path, np.minimum(mask, 1))
    with pytest.raises(DataError, match="class 'bright' has no pixel in split 'train'"):
        load_index_masks(folder, ['train', 'test'])


def test_missing_and_empty_splits_are_named_with_those_there_are(tmp_path):
    folder = class_folders(tmp_path)
    with pytest.raises(DataError, match=r"dev\.txt: no such split; .* \['test', 'train', 'val'\]"):
        load_class_folders(folder, ['dev'])
    write_split(folder, 'val', [])
    with pytest.raises(DataError, match=r'val\.txt: empty'):
        load_class_folders(folder, ['val'])


def test_many_problems_are_counted_but_not_all_shown():
    error = DataError('set', [f'image{i}: missing' for i in range(100)])
    assert '100 problems' in str(error)
    assert 'and 80 more' in str(error)
    assert len(error.problems) == 100


def test_held_out_images_are_not_trained_on(tmp_path):
    index_masks(tmp_path)
    data = load_for(load_recipe(recipe_file(tmp_path, 'segmentation')), tmp_path)
    assert [sample.name for sample in data.splits['val']] == ['train_part0']
    assert [sample.name for sample in data.splits['train']] == [f'train_part{i}' for i in (1, 2, 3)]


def test_rescaling_keeps_image_and_mask_together(tmp_path):
    sample = load_index_masks(index_masks(tmp_path), ['train'], ['unlabeled']).splits['train'][0]
    assert rescale(sample, 1.0) is sample
    half = rescale(sample, 0.5)
    assert half.image.shape == (48, 64, 3)
    assert half.mask.shape == (48, 64)
    assert half.image[half.mask == 1].mean() > half.image[half.mask == 0].mean() + 100
