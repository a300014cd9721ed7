# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard evaluate` as users type it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.cli.main import main

MODELS = Path(__file__).parents[1] / 'data' / 'models'


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(image, np.uint8))


@pytest.fixture
def scenes(tmp_path):
    """Three red images and a green one, of which one is in the wrong folder."""
    for name, band in (('red/1', 2), ('red/2', 2), ('red/3', 1), ('Green/1', 1)):
        image = np.zeros((64, 64, 3), np.uint8)
        image[:, :, band] = 200
        write(tmp_path / 'data' / 'images' / f'{name}.png', image)
    return tmp_path / 'data'


def evaluate(*words):
    return main(['evaluate', *map(str, words)])


def test_the_report_names_model_data_figures_and_the_worst(scenes, capsys):
    assert evaluate(MODELS / 'colour-scene', scenes) == 0
    out = capsys.readouterr().out
    assert out.startswith('colour-scene fp32 (')
    assert '4 images at image scale' in out
    assert 'note: names matched: Green is green' in out
    assert 'note: 4 images resized to 128 px a side' in out
    assert 'accuracy           75.00 %' in out
    assert 'red is taken for green (33% of it)' in out
    assert 'images/red/3.png: red taken for green (1.00)' in out


def test_the_report_in_json_has_only_numbers_that_json_has(scenes, tmp_path, capsys):
    pictures = tmp_path / 'worst'
    options = ('--json', '-', '--gsd', '0.15', '--pictures', pictures, '--worst', 1)
    assert evaluate(MODELS / 'colour-scene', scenes, *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert report['model']['name'] == 'colour-scene'
    assert len(report['model']['sha256']) == len(report['data']['sha256']) == 64
    assert report['data']['images'] == 4
    assert report['data']['gsd_m'] == 0.15
    assert report['figures']['accuracy']['value'] == 0.75
    assert report['figures']['accuracy']['low'] <= 0.75 <= report['figures']['accuracy']['high']
    blue = report['classes'][2]
    assert (blue['name'], blue['truth'], blue['f1']) == ('blue', 0, None)
    assert np.sum(report['confusion']) == 4
    assert [row['name'] for row in report['worst']] == ['images/red/3.png']
    (picture,) = pictures.iterdir()
    assert cv2.imread(str(picture)) is not None


def test_every_task_is_measured_through_its_flight_code(tmp_path, capsys):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 200, (150, 140, 3), np.uint8)
    after = image.copy()
    after[20:60, 30:90] = 255
    write(tmp_path / 'masks' / 'images' / 'a.png', image)
    write(tmp_path / 'masks' / 'labels' / 'a.png', image[:, :, ::-1].argmax(axis=2))
    write(tmp_path / 'pairs' / 'A' / 'a.png', image)
    write(tmp_path / 'pairs' / 'B' / 'a.png', image)
    write(tmp_path / 'pairs' / 'label' / 'a.png', np.zeros((150, 140)))
    square = np.zeros((128, 128, 3), np.uint8)
    square[8:16, 24:32, 2] = 240
    write(tmp_path / 'boxes' / 'images' / 'a.png', square)
    (tmp_path / 'boxes' / 'labels_obb_dota').mkdir()
    (tmp_path / 'boxes' / 'labels_obb_dota' / 'a.txt').write_text('24 8 32 8 32 16 24 16 red 0')
    for task, data, figure in (
        ('segmentation', 'masks', 'mean_iou          100.00 %'),
        ('change', 'pairs', 'overall_accuracy  100.00 %'),
        ('detection', 'boxes', 'ap50              100.00 %'),
    ):
        assert evaluate(MODELS / f'colour-{task}', tmp_path / data) == 0
        assert figure in capsys.readouterr().out


def test_bad_data_is_listed_by_file_and_nothing_is_measured(scenes, capsys):
    (scenes / 'images' / 'red' / '1.png').write_bytes(b'torn')
    (scenes / 'images' / 'red' / '2.png').write_bytes(b'')
    assert evaluate(MODELS / 'colour-scene', scenes) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert f'error: {scenes}: 2 problems, found before anything ran:' in captured.err
    assert 'images/red/1.png: 1.png is not a readable image' in captured.err
    assert 'images/red/2.png: 2.png is not a readable image' in captured.err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--gsd', '0'], '--gsd: found 0; expected 0.001 to 1000 m/px'),
        (['--gsd', 'nan'], '--gsd: found nan'),
        (['--worst', '-1'], 'expected whole numbers from 0'),
        (['--fly'], '--fly: found a model for scene and --gsd None; expected one for change'),
        (['--ignore', 'sea'], '--ignore sea: no such class in the data'),
        (['--variant', 'int8'], "no variant 'int8'; the card has fp32"),
    ],
)
def test_options_that_mean_nothing_are_refused(scenes, capsys, words, message):
    assert evaluate(MODELS / 'colour-scene', scenes, *words) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_model_is_refused(scenes, capsys):
    assert evaluate(scenes, scenes) == 2
    assert 'card.yaml: no such model card' in capsys.readouterr().err
