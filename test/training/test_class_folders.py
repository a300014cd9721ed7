# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes in class folders are checked completely before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest
from small_sets import class_folders, write_split

from rs_onboard.training.data.class_folders import load_class_folders
from rs_onboard.training.errors import DataError


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


def test_all_problems_of_scenes_are_listed_by_file_name_at_once(tmp_path):
    folder = class_folders(tmp_path)
    (folder / 'images/red/train0.png').unlink()
    (folder / 'images/red/train1.png').write_bytes(b'no image')
    (folder / 'images/green/train2.png').write_bytes(b'')
    lines = (folder / 'splits/train.txt').read_text(encoding='utf-8').split()
    write_split(folder, 'train', [*lines, 'images/blue/x.png', 'images/red/test0.png'])
    with pytest.raises(DataError, match='5 problems, found before') as caught:
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


def test_missing_and_empty_splits_are_named_with_those_there_are(tmp_path):
    folder = class_folders(tmp_path)
    with pytest.raises(DataError, match=r"dev\.txt: no such split; .* \['test', 'train', 'val'\]"):
        load_class_folders(folder, ['dev'])
    write_split(folder, 'val', [])
    with pytest.raises(DataError, match=r'val\.txt: empty'):
        load_class_folders(folder, ['val'])
