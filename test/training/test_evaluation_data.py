# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of others are read however they are laid out, and what is wrong is named by file."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.inference.card import ClassInfo, load_card
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluation.layout import list_items
from rs_onboard.training.evaluation.masks import read_change_mask, read_classes, read_index_mask
from rs_onboard.training.evaluation.names import match_classes
from rs_onboard.training.evaluation.reading import LabelledImages, Options

MODELS = Path(__file__).parents[1] / 'data' / 'models'


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(image, np.uint8))


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines), encoding='utf-8')


def colour(red, green, blue, size=(40, 50)):
    image = np.zeros((*size, 3), np.uint8)
    image[:] = (blue, green, red)
    return image


def scenes(root, base='images'):
    for name in ('red', 'green'):
        for number in range(3):
            suffix = ('.png', '.JPG', '.webp')[number]
            image = colour(200 * (name == 'red'), 200 * (name == 'green'), 0)
            write(root / base / name / f'{name}{number}{suffix}', image)
    return root


def masks(root):
    for number in range(3):
        write(root / 'images' / f'a.{number}.png', colour(200, 0, 0))
        write(root / 'labels' / f'a.{number}.png', np.zeros((40, 50)))
    return root


def pairs(root):
    for number in range(3):
        for date in 'AB':
            write(root / date / f'p{number}.png', colour(9, 9, 9))
        write(root / 'label' / f'p{number}.png', np.zeros((40, 50)))
    return root


def objects(root):
    for number in range(3):
        write(root / 'images' / f's{number}.png', colour(0, 0, 9))
        text(root / 'labels_obb_dota' / f's{number}.txt', '1 1 9 1 9 9 1 9 red 0')
    return root


def names(listing):
    return [item.name for item in listing.items]


def refused(call, *messages):
    with pytest.raises(DataError) as caught:
        call()
    for message in messages:
        assert any(message in problem for problem in caught.value.problems), caught.value.problems
    assert len(caught.value.problems) == len(messages)


def read(root, task, split='test', **options):
    card = load_card(MODELS / f'colour-{task}')
    return LabelledImages(list_items(root, task, split), card, Options(**options))


@pytest.mark.parametrize('line', ['images/red/red1.JPG', 'red/red1', './images/red/red1.jpg'])
def test_a_line_of_a_split_is_a_path_with_a_suffix_or_without(tmp_path, line):
    text(scenes(tmp_path) / 'splits' / 'test.txt', line, '', r'images\green\green2.webp')
    found = list_items(tmp_path, 'scene', 'test')
    assert names(found) == ['images/red/red1.JPG', 'images/green/green2.webp']
    assert [item.folder for item in found.items] == ['red', 'green']
    assert found.notes == ()


@pytest.mark.parametrize(
    'line', ['a.1', 'a.1.png', 'images/a.1.png', '/home/me/images/a.1', 'a.1 7']
)
def test_a_line_of_a_split_may_be_an_id_or_come_from_another_machine(tmp_path, line):
    text(masks(tmp_path) / 'splits' / 'test.txt', line)
    (item,) = list_items(tmp_path, 'segmentation', 'test').items
    assert (item.name, item.label) == ('images/a.1', tmp_path / 'labels' / 'a.1.png')


@pytest.mark.parametrize(
    ('make', 'task', 'count'),
    [
        (scenes, 'scene', 6),
        (masks, 'segmentation', 3),
        (pairs, 'change', 3),
        (objects, 'detection', 3),
    ],
)
def test_without_split_files_everything_is_measured(tmp_path, make, task, count):
    make(tmp_path)
    for stray in ('README.md', 'images/.DS_Store', 'images/Thumbs.db', 'splits/notes.md'):
        text(tmp_path / stray, 'x')
    found = list_items(tmp_path, task, 'test')
    assert len(found.items) == count
    assert found.notes == ("no split files: every image counts as split 'test'",)


@pytest.mark.parametrize(
    ('make', 'task', 'count'),
    [
        (scenes, 'scene', 6),
        (masks, 'segmentation', 3),
        (pairs, 'change', 3),
        (objects, 'detection', 3),
    ],
)
def test_a_split_may_be_a_folder(tmp_path, make, task, count):
    make(tmp_path / 'test')
    make(tmp_path / 'train')
    found = list_items(tmp_path, task, 'test')
    assert len(found.items) == count
    assert found.root == tmp_path / 'test'


def test_a_split_may_be_a_folder_below_those_of_the_layout(tmp_path):
    for split in ('train', 'test'):
        write(tmp_path / 'images' / split / 'a.png', colour(1, 1, 1))
        write(tmp_path / 'labels' / split / 'a.png', np.zeros((40, 50)))
    assert names(list_items(tmp_path, 'segmentation', 'test')) == ['images/test/a']


def test_class_folders_may_lie_below_those_of_their_split(tmp_path):
    scenes(tmp_path / 'images' / 'test', '.')
    scenes(tmp_path / 'images' / 'train', '.')
    found = list_items(tmp_path, 'scene', 'test')
    assert len(found.items) == 6
    assert found.notes == ("every image of the folder 'images/test'",)


def test_class_folders_may_lie_at_the_top(tmp_path):
    assert len(list_items(scenes(tmp_path, '.'), 'scene', 'test').items) == 6


def test_the_hash_of_a_split_does_not_depend_on_its_order(tmp_path):
    masks(tmp_path)
    text(tmp_path / 'splits' / 'test.txt', 'a.0', 'a.2')
    text(tmp_path / 'splits' / 'other.txt', 'a.2.png', 'images/a.0')
    text(tmp_path / 'splits' / 'third.txt', 'a.1')
    with pytest.raises(DataError, match=r"a\.0: in split 'test' and in 'other'"):
        list_items(tmp_path, 'segmentation', 'test')
    (tmp_path / 'splits' / 'other.txt').rename(tmp_path / 'other.txt')
    first = list_items(tmp_path, 'segmentation', 'test').digest
    (tmp_path / 'other.txt').rename(tmp_path / 'splits' / 'test.txt')
    assert list_items(tmp_path, 'segmentation', 'test').digest == first
    assert list_items(tmp_path, 'segmentation', 'third').digest != first


def test_everything_wrong_with_a_split_is_listed_at_once(tmp_path):
    masks(tmp_path)
    (tmp_path / 'labels' / 'a.2.png').unlink()
    text(tmp_path / 'splits' / 'test.txt', 'a.0', 'a.1', 'images/a.0.png', 'a.7', 'a.2')
    text(tmp_path / 'splits' / 'train.txt', 'a.1', 'gone')
    refused(
        lambda: list_items(tmp_path, 'segmentation', 'test'),
        'images/a.0: listed twice in test.txt',
        'a.7: missing',
        'labels/a.2: missing',
        "images/a.1: in split 'test' and in 'train'",
    )


def test_an_image_of_another_class_is_not_taken_for_a_missing_one(tmp_path):
    text(scenes(tmp_path) / 'splits' / 'test.txt', 'images/green/red1.jpg')
    refused(lambda: list_items(tmp_path, 'scene', 'test'), 'images/green/red1.jpg: missing')


def test_names_that_stand_for_several_images_and_images_with_two_files_are_refused(tmp_path):
    masks(tmp_path)
    for place in ('images', 'labels'):
        write(tmp_path / place / 'more' / 'a.0.png', np.zeros((40, 50)))
    write(tmp_path / 'images' / 'a.1.webp', colour(1, 1, 1))
    text(tmp_path / 'splits' / 'test.txt', 'a.0', 'a.1')
    refused(
        lambda: list_items(tmp_path, 'segmentation', 'test'),
        'a.0: stands for 2 images (images/a.0, images/more/a.0); name its folder',
        'images/a.1: 2 files (a.1.png, a.1.webp); expected one',
    )


def test_missing_folders_splits_and_layouts_are_named(tmp_path):
    refused(lambda: list_items(tmp_path / 'no', 'scene', 'test'), 'no such folder')
    refused(lambda: list_items(tmp_path, 'scene', 'test'), 'no class folders')
    refused(lambda: list_items(tmp_path, 'change', 'test'), 'B/: missing', 'A/: missing', 'label/')
    masks(tmp_path)
    text(tmp_path / 'splits' / 'train.txt', 'a.0')
    text(tmp_path / 'splits' / 'val.txt')
    refused(
        lambda: list_items(tmp_path, 'segmentation', 'test'),
        "no split 'test'; expected --split train, val",
    )
    refused(lambda: list_items(tmp_path, 'segmentation', 'val'), 'val.txt: empty')


def test_a_class_folder_without_an_image_is_refused(tmp_path):
    (scenes(tmp_path) / 'images' / 'blue').mkdir()
    refused(lambda: list_items(tmp_path, 'scene', 'test'), 'images/blue: class without an image')


KNOWN = (
    ClassInfo('parkinglot', (0, 0, 0), ('Parking',)),
    ClassInfo('harbor', (0, 0, 0), ('Port', 'dock')),
    ClassInfo('river', (0, 0, 0)),
)


def test_classes_are_matched_by_name_then_without_case_then_by_alias():
    found = match_classes(KNOWN, ['Parking_Lot', 'dock', 'river', 'PORT', 'lake', 'unlabeled'])
    assert found.classes == ('parkinglot', 'harbor', 'river', 'lake')
    assert found.ids == (0, 1, 2, 1, 3, None)
    assert (found.unknown, found.ignored) == (('lake',), ('unlabeled',))
    assert found.renamed == (('Parking_Lot', 'parkinglot'), ('dock', 'harbor'), ('PORT', 'harbor'))


def test_unknown_classes_may_be_left_out_and_known_ones_ignored():
    found = match_classes(KNOWN, ['river', 'lake'], ignored=['river'], known_only=True)
    assert found.classes == ('parkinglot', 'harbor', 'river')
    assert found.ids == (None, None)
    with pytest.raises(ValueError, match=r'--ignore sea: no such class .* river, lake'):
        match_classes(KNOWN, ['river', 'lake'], ignored=['sea'])


def palette_png(indices, palette):
    """Write a PNG with a palette, which OpenCV cannot."""

    def chunk(kind, body):
        return (
            struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        )

    height, width = indices.shape
    head = struct.pack('>IIBBBBB', width, height, 8, 3, 0, 0, 0)
    rows = b''.join(b'\0' + row.tobytes() for row in indices)
    parts = chunk(b'IHDR', head) + chunk(b'PLTE', bytes(v for c in palette for v in c))
    return b'\x89PNG\r\n\x1a\n' + parts + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


def test_masks_are_read_as_numbers_palettes_and_colours(tmp_path):
    indices = np.random.default_rng(0).integers(0, 3, (5, 7)).astype(np.uint8)
    palette = ((0, 0, 0), (200, 10, 20), (30, 90, 250))
    colours = np.array(palette, np.uint8)[indices]
    write(tmp_path / 'grey.png', indices)
    write(tmp_path / 'bands.png', np.dstack([indices] * 3))
    write(tmp_path / 'colours.png', colours[:, :, ::-1])
    (tmp_path / 'palette.png').write_bytes(palette_png(indices, palette))
    assert cv2.imwrite(str(tmp_path / 'deep.png'), indices.astype(np.uint16))
    for name in ('grey', 'bands', 'colours', 'palette', 'deep'):
        found = read_index_mask(tmp_path / f'{name}.png', palette)
        assert np.array_equal(found, indices), name
    assert read_index_mask(tmp_path / 'colours.png', palette[:2]) == (
        'colours #1e5afa; expected those of the classes'
    )
    assert 'three bands of colours' in read_index_mask(tmp_path / 'colours.png', ())
    assert cv2.imwrite(str(tmp_path / 'deep.png'), indices.astype(np.uint16) * 300)
    assert read_index_mask(tmp_path / 'deep.png', ()).startswith('values up to 600 of type uint16')
    text(tmp_path / 'torn.png', 'PNG')
    assert read_index_mask(tmp_path / 'torn.png', ()) == 'not a readable mask'


def test_changes_are_0_and_255_or_0_and_1(tmp_path):
    for high in (255, 1):
        write(tmp_path / 'm.png', [[0, high], [high, 0]])
        assert read_change_mask(tmp_path / 'm.png').tolist() == [[0, 1], [1, 0]]
    write(tmp_path / 'm.png', [[0, 1], [255, 0]])
    assert read_change_mask(tmp_path / 'm.png').startswith('values 0, 1, 255; expected 0 (unch')


@pytest.mark.parametrize(
    ('content', 'colours'),
    [
        (['one', 'two'], ()),
        ({'classes': ['one', 'two']}, ()),
        ({'classes': {'1': 'two', '0': 'one'}}, ()),
        ([{'name': 'one'}, {'name': 'two'}], ()),
        ({'classes': ['one', 'two'], 'colors_rgb': [[1, 2, 3], [4, 5, 6]]}, ((1, 2, 3), (4, 5, 6))),
        (
            {'classes': ['one', 'two'], 'hex colours': {'two': '#040506', 'one': '#010203'}},
            ((1, 2, 3), (4, 5, 6)),
        ),
    ],
)
def test_lists_of_classes_are_read_in_many_forms(tmp_path, content, colours):
    text(tmp_path / 'classes.json', json.dumps(content))
    assert read_classes(tmp_path) == (('one', 'two'), colours)


def test_a_list_of_classes_may_be_text_or_missing_but_not_wrong(tmp_path):
    assert read_classes(tmp_path) == ((), ())
    text(tmp_path / 'classes.txt', 'bare land', 'two', '')
    assert read_classes(tmp_path) == (('bare land', 'two'), ())
    text(tmp_path / 'classes.json', '{"classes": 7}')
    with pytest.raises(ValueError, match=r'classes.json: not understood'):
        read_classes(tmp_path)


def test_scenes_get_the_classes_of_the_model_and_the_size_of_a_tile(tmp_path):
    found = read(scenes(tmp_path), 'scene')
    samples = list(found)
    assert [sample.label for sample in samples] == [1, 1, 1, 0, 0, 0]
    assert {sample.image.shape for sample in samples} == {(128, 128, 3)}
    assert found.notes == ['6 images resized to 128 px a side']
    assert next(iter(read(tmp_path, 'scene', side=0))).image.shape == (40, 50, 3)
    assert next(iter(read(tmp_path, 'scene', side=32))).image.shape == (32, 32, 3)


def test_scenes_of_unknown_classes_are_counted_as_wrong_or_left_out(tmp_path):
    write(scenes(tmp_path) / 'images' / 'mud' / 'm.png', colour(90, 60, 0))
    found = read(tmp_path, 'scene', side=0)
    assert found.notes == ['classes unknown to the model, counted as wrong: mud']
    assert found.matching.classes == ('red', 'green', 'blue', 'mud')
    assert sorted({sample.label for sample in found}) == [0, 1, 3]
    found = read(tmp_path, 'scene', side=0, known_only=True)
    assert len(found) == len(list(found)) == 6
    assert found.notes[1] == '1 images left out'
    for name in ('red', 'green'):
        (tmp_path / 'images' / name).rename(tmp_path / 'images' / f'un{name}')
    refused(lambda: read(tmp_path, 'scene', known_only=True), 'no image is of a class that')


def test_what_is_unreadable_or_outside_the_classes_is_listed_by_file(tmp_path):
    masks(tmp_path)
    text(tmp_path / 'classes.json', '["red", "unlabeled"]')
    text(tmp_path / 'images' / 'a.0.png', 'torn')
    write(tmp_path / 'labels' / 'a.1.png', [[0, 5], [255, 7]])
    write(tmp_path / 'images' / 'a.1.png', colour(0, 0, 0, (2, 2)))
    write(tmp_path / 'labels' / 'a.2.png', np.zeros((3, 4)))
    refused(
        lambda: read(tmp_path, 'segmentation'),
        'images/a.0: a.0.png is not a readable image',
        'labels/a.1.png: values 5, 7; expected 0 to 1 or 255',
        'labels/a.2.png: (3, 4) pixels, its image has (40, 50)',
    )


def test_masks_get_the_classes_of_the_model(tmp_path):
    masks(tmp_path)
    text(tmp_path / 'classes.json', '["unlabeled", "Blue", "mud"]')
    write(tmp_path / 'images' / 'a.0.png', colour(0, 0, 0, (1, 4)))
    write(tmp_path / 'labels' / 'a.0.png', [[0, 1, 2, 255]])
    first = next(iter(read(tmp_path, 'segmentation')))
    assert first.mask.tolist() == [[255, 2, 3, 255]]
    found = read(tmp_path, 'segmentation', known_only=True, ignored=['Blue'])
    assert next(iter(found)).mask.tolist() == [[255] * 4]
    assert found.notes == [
        'classes unknown to the model, left out: mud',
        'classes without a say: unlabeled, Blue',
    ]


def test_a_list_of_classes_may_lie_above_the_folder_of_a_split(tmp_path):
    masks(tmp_path / 'test')
    assert read(tmp_path, 'segmentation').notes[0].startswith('no classes.json: values are taken')
    text(tmp_path / 'classes.json', '["mud", "red"]')
    found = read(tmp_path, 'segmentation')
    assert found.matching.unknown == ('mud',)


def test_pairs_are_read_with_both_dates(tmp_path):
    pairs(tmp_path)
    write(tmp_path / 'A' / 'p0.png', colour(7, 7, 7))
    write(tmp_path / 'label' / 'p0.png', np.full((40, 50), 255))
    first = next(iter(read(tmp_path, 'change')))
    assert (first.before.max(), first.image.max(), first.mask.min()) == (7, 9, 1)
    write(tmp_path / 'A' / 'p1.png', colour(7, 7, 7, (9, 9)))
    text(tmp_path / 'A' / 'p2.png', 'torn')
    refused(
        lambda: read(tmp_path, 'change'),
        'A/p1.png: (9, 9) pixels, the later image has (40, 50)',
        'A/p2.png: not a readable image',
    )


def test_objects_get_the_classes_of_the_model(tmp_path):
    objects(tmp_path)
    text(
        tmp_path / 'labels_obb_dota' / 's0.txt',
        '1 1 9 1 9 9 1 9 Blue 1',
        '1 1 9 1 9 9 1 9 ship 0',
    )
    first = next(iter(read(tmp_path, 'detection')))
    assert first.objects.classes.tolist() == [2, 3]
    assert first.objects.difficult.tolist() == [True, False]
    assert first.objects.boxes[0, :4] == pytest.approx([5, 5, 8, 8])
    first = next(iter(read(tmp_path, 'detection', known_only=True)))
    assert first.objects.classes.tolist() == [2]
    text(tmp_path / 'labels_obb_dota' / 's1.txt', '1 1 9 1 9 9 1 red 0')
    refused(lambda: read(tmp_path, 'detection'), 'labels_obb_dota/s1.txt, line 1')
