# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration tiles: of the size of the card, spread over the folder, or a clear refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

from rs_onboard.inference.card import load_card
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.quantise.feeds import TILES, calibration_feeds

MODELS = Path(__file__).parents[2] / 'data' / 'models'


def card(name, side=32):
    found = load_card(MODELS / name)
    return replace(found, input=replace(found.input, height=side, width=side))


def write(path, height=40, width=72, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((height, width, 3), value, np.uint8)
    image[..., 2] = 200
    assert cv2.imwrite(str(path), image)


def test_tiles_come_from_all_folders_below_in_the_size_of_the_card_and_red_first(tmp_path):
    write(tmp_path / 'a' / 'one.png', value=10)
    write(tmp_path / 'b' / 'deep' / 'two.PNG', value=20)
    write(tmp_path / 'small.png', 20, 20, value=30)
    feeds = calibration_feeds(tmp_path, card('colour-scene'))
    assert {feed['tiles'].shape for feed in feeds} == {(1, 32, 32, 3)}
    assert sorted(int(feed['tiles'][0, 0, 0, 2]) for feed in feeds) == [10, 10, 20, 20, 30]
    assert all(feed['tiles'][0, 0, 0, 0] == 200 for feed in feeds)


def test_a_large_set_gives_a_bounded_number_of_tiles(tmp_path):
    for index in range(TILES + 9):
        write(tmp_path / f'{index:03}.png', 32, 32, value=index)
    feeds = calibration_feeds(tmp_path, card('colour-scene'))
    assert len(feeds) <= TILES
    assert feeds[-1]['tiles'][0, 0, 0, 1] > TILES // 2


def test_pairs_are_cut_at_the_same_place(tmp_path):
    write(tmp_path / 'A' / 'x' / 'p.png', value=1)
    write(tmp_path / 'B' / 'x' / 'p.jpg', value=9)
    feeds = calibration_feeds(tmp_path, card('colour-change'))
    assert len(feeds) == 2
    assert {name: array.shape for name, array in feeds[0].items()} == {
        'before': (1, 32, 32, 3),
        'after': (1, 32, 32, 3),
    }
    assert feeds[0]['before'][0, 0, 0, 1] == 1


def test_folders_without_images_are_refused(tmp_path):
    (tmp_path / 'notes.txt').write_text('no image')
    with pytest.raises(ExportError, match=r'found 1 files, none of them an image; expected images'):
        calibration_feeds(tmp_path, card('colour-scene'))
    with pytest.raises(ExportError, match='found no such folder'):
        calibration_feeds(tmp_path / 'none', card('colour-scene'))
    with pytest.raises(ExportError, match='found no folder A and no folder B'):
        calibration_feeds(tmp_path, card('colour-change'))


def test_broken_images_other_bands_and_half_pairs_are_refused(tmp_path):
    broken = tmp_path / 'broken'
    broken.mkdir()
    (broken / 'x.png').write_bytes(b'nothing')
    with pytest.raises(ExportError, match=r'x.png: not a readable image \(7 bytes\)'):
        calibration_feeds(broken, card('colour-scene'))
    write(tmp_path / 'three' / 'y.png')
    four = card('colour-scene')
    four = replace(four, input=replace(four.input, bands=('red', 'green', 'blue', 'nir')))
    with pytest.raises(ExportError, match='has 3 bands of uint8; the model takes 4'):
        calibration_feeds(tmp_path / 'three', four)
    write(tmp_path / 'A' / 'p.png')
    write(tmp_path / 'A' / 'q.png')
    write(tmp_path / 'B' / 'p.png', 41, 72)
    with pytest.raises(ExportError, match=r'1 images stand in A or B alone \(first: q\)'):
        calibration_feeds(tmp_path, card('colour-change'))
    (tmp_path / 'A' / 'q.png').unlink()
    with pytest.raises(ExportError, match=r'72x40 and 72x41 pixels\); expected equal ones'):
        calibration_feeds(tmp_path, card('colour-change'))
