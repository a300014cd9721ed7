# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Index masks are checked completely before anything is trained."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from small_sets import index_masks, write_image

from rs_onboard.training.data.index_masks import load_index_masks
from rs_onboard.training.data.sample import IGNORE, pixel_counts, rescale
from rs_onboard.training.errors import DataError


def test_masks_close_up_over_ignored_classes(tmp_path):
    data = load_index_masks(index_masks(tmp_path), ['train'], ['unlabeled'])
    assert data.classes == ('dark', 'bright')
    sample = data.splits['train'][0]
    assert set(np.unique(sample.mask)) == {0, 1, IGNORE}
    assert sample.image[sample.mask == 1].mean() > sample.image[sample.mask == 0].mean() + 100
    assert (sample.mask == IGNORE).sum() == 4 * 96
    assert pixel_counts([sample], 2).tolist() == [38 * 96, 86 * 96]


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


def test_an_empty_mask_is_one_that_cannot_be_read(tmp_path):
    folder = index_masks(tmp_path)
    (folder / 'labels/train_part1.png').write_bytes(b'')
    with pytest.raises(DataError, match=r'labels/train_part1\.png: not a readable 8-bit mask'):
        load_index_masks(folder, ['train'])


def test_a_class_that_no_pixel_has_is_named(tmp_path):
    folder = index_masks(tmp_path)
    for path in (folder / 'labels').glob('train*'):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        write_image(path, np.minimum(mask, 1))
    with pytest.raises(DataError, match="class 'bright' has no pixel in split 'train'"):
        load_index_masks(folder, ['train', 'test'])


def test_rescaling_keeps_image_and_mask_together(tmp_path):
    sample = load_index_masks(index_masks(tmp_path), ['train'], ['unlabeled']).splits['train'][0]
    assert rescale(sample, 1.0) is sample
    half = rescale(sample, 0.5)
    assert half.image.shape == (48, 64, 3)
    assert half.mask.shape == (48, 64)
    assert half.image[half.mask == 1].mean() > half.image[half.mask == 0].mean() + 100
