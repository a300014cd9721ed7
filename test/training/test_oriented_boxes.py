# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Sets of oriented boxes: read exactly, and every fault named by its file."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from rs_onboard.inference.fields import Fields
from rs_onboard.perception.boxes import corners
from rs_onboard.training.data.oriented_boxes import load_objects, load_oriented_boxes
from rs_onboard.training.data.sample import rescale
from rs_onboard.training.data_recipe import read_data
from rs_onboard.training.errors import DataError, RecipeError

BOX = np.array([[60.0, 40.0, 50.0, 20.0, 0.5]])


def line(box=BOX, label='ship', tail=' 0'):
    numbers = ' '.join(f'{value:.3f}' for value in corners(box).ravel())
    return f'{numbers} {label}{tail}\n'


@pytest.fixture
def folder(tmp_path):
    """Write a set of two splits and three images."""
    for name in ('images', 'labels_obb_dota', 'splits'):
        (tmp_path / name).mkdir()
    for number in (1, 2, 3):
        image = np.full((90, 120, 3), 40 * number, np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / f'im{number}.png'), image)
        (tmp_path / 'labels_obb_dota' / f'im{number}.txt').write_text(line())
    (tmp_path / 'splits' / 'train.txt').write_text('im1\nim2\n')
    (tmp_path / 'splits' / 'val.txt').write_text('im3\n')
    return tmp_path


def test_boxes_classes_and_difficult_objects_are_read(folder):
    text = 'imagesource:GoogleEarth\ngsd:0.5\n' + line() + line(label='harbor', tail=' 1')
    (folder / 'labels_obb_dota' / 'im1.txt').write_text(text)
    data = load_oriented_boxes(folder, ['train', 'val'])
    assert data.classes == ('harbor', 'ship')
    objects = data.splits['train'][0].objects
    np.testing.assert_allclose(objects.boxes[0], BOX[0], atol=1e-3)
    assert objects.classes.tolist() == [1, 0]
    assert objects.difficult.tolist() == [False, True]
    assert data.splits['val'][0].image[0, 0].tolist() == [120, 120, 120]


def test_the_order_of_the_classes_is_that_of_the_file_or_of_the_union(folder):
    (folder / 'classes.txt').write_text('plane\nship\n')
    (folder / 'labels_obb_dota' / 'im1.txt').write_text(line() + line(label='plane'))
    assert load_oriented_boxes(folder, ['train']).splits['train'][0].objects.classes[0] == 1
    union = load_oriented_boxes(folder, ['train'], ('bridge', 'plane', 'car', 'ship'))
    assert union.classes == ('bridge', 'plane', 'car', 'ship')
    assert union.splits['train'][0].objects.classes.tolist() == [3, 1]


def test_an_image_without_objects_has_an_empty_file(folder):
    (folder / 'labels_obb_dota' / 'im2.txt').write_text('\n')
    data = load_oriented_boxes(folder, ['train'])
    assert data.splits['train'][1].objects.boxes.shape == (0, 5)


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('labels_obb_dota/im1.txt', '1 2 3 4 5 6 7 ship 0\n', 'im1.txt, line 1'),
        ('labels_obb_dota/im1.txt', '1 2 3 4 5 6 7 nan ship 0\n', 'expected eight numbers'),
        (
            'labels_obb_dota/im1.txt',
            line(BOX + np.array([500, 0, 0, 0, 0])),
            'outside the image of 120x90',
        ),
        ('images/im2.png', b'no image', 'im2.png: not a readable image'),
        ('splits/val.txt', 'im1\n', 'im1: in split'),
        ('splits/val.txt', 'im9\n', 'images/im9: missing'),
        ('splits/val.txt', 'im9\n', 'labels_obb_dota/im9.txt: missing'),
        ('classes.txt', 'plane\nship\n', "class 'plane' has no object in split 'train'"),
        ('classes.txt', 'plane\n', "class 'ship'; expected ['plane']"),
    ],
)
def test_every_fault_is_named_by_its_file(folder, file, content, message):
    path = folder / file
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    with pytest.raises(DataError) as error:
        load_oriented_boxes(folder, ['train', 'val'])
    assert message in str(error.value)


def test_thin_and_turned_boxes_keep_their_angle(folder):
    for theta in np.linspace(-math.pi / 2, math.pi / 2 - 0.01, 7):
        box = np.array([[60.0, 40.0, 50.0, 2.0, theta]])
        (folder / 'labels_obb_dota' / 'im1.txt').write_text(line(box))
        found = load_oriented_boxes(folder, ['train']).splits['train'][0].objects.boxes
        np.testing.assert_allclose(corners(found).sum(), corners(box).sum(), atol=0.05)
        turn = (found[0, 4] - theta + math.pi / 2) % math.pi - math.pi / 2
        assert turn == pytest.approx(0.0, abs=1e-3)


def test_several_sets_share_their_classes_and_keep_their_origin(folder, tmp_path):
    import shutil

    from rs_onboard.training.data.oriented_boxes import load_objects
    from rs_onboard.training.data_recipe import DataRecipe, SetRecipe

    for name in ('one', 'two'):
        shutil.copytree(folder, tmp_path / 'root' / name, ignore=lambda *_: ['root'])
    (tmp_path / 'root' / 'two' / 'labels_obb_dota' / 'im1.txt').write_text(line(label='plane'))
    fields = {'path': '', 'labels': '', 'train': 'train', 'val': 'val', 'test': 'test'}
    empty = dict.fromkeys(('holdout', 'scales', 'ignored_classes', 'unlabelled', 'also'), ())
    recipe = DataRecipe(
        **fields, **empty, gsd_m=0.0, sets=(SetRecipe('one', 0), SetRecipe('two', 0))
    )
    data = load_objects(tmp_path / 'root', recipe, ['train', 'val'])
    assert data.classes == ('ship', 'plane')
    assert [s.name for s in data.splits['train']] == ['one/im1', 'one/im2', 'two/im1', 'two/im2']
    assert [s.objects.classes[0] for s in data.splits['train']] == [0, 0, 1, 0]
    assert [s.origin for s in data.splits['val']] == ['one', 'two']


def test_a_test_split_may_lack_classes_that_the_train_split_has(folder):
    (folder / 'classes.txt').write_text('plane\nship\n')
    found = load_oriented_boxes(folder, ['val'], complete=False)
    assert found.classes == ('plane', 'ship')


def test_objects_stay_where_they_are_when_an_image_is_resampled(folder):
    sample = load_oriented_boxes(folder, ['train']).splits['train'][0]
    for factor in (0.5, 2.0):
        moved = rescale(sample, factor)
        expected = (corners(sample.objects.boxes) + 0.5) * factor - 0.5
        np.testing.assert_allclose(corners(moved.objects.boxes), expected, atol=1e-6)
        assert moved.image.shape == (90 * factor, 120 * factor, 3)


def test_images_without_objects_are_left_out_where_nobody_looked_for_any(folder):
    (folder / 'labels_obb_dota' / 'im2.txt').write_text('\n')
    for skip, kept in ((False, ['im1', 'im2']), (True, ['im1'])):
        item = {'path': folder.name, 'skip_empty': skip}
        fields = Fields({'sets': [item], 'val': 'val'}, 'recipe', error=RecipeError)
        recipe = read_data(fields, 'detection', learns=False)
        samples = load_objects(folder.parent, recipe, ['train']).splits['train']
        assert [sample.name.split('/')[1] for sample in samples] == kept
