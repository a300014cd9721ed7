# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The bag command: what it prints and how it refuses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.cli.main import main
from rs_onboard.replay.reader import Bag

BRIGHTON = Path(__file__).parents[2] / 'flights' / 'brighton_beach'


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in ('a.jpg', 'b.jpg'):
        cv2.imwrite(str(folder / name), np.full((24, 32, 3), 90, np.uint8))
    (tmp_path / 'track.csv').write_text(
        'file,lat,lon,rel_alt,focal35_mm,yaw\na.jpg,46,-92,40,24,10\nb.jpg,46.0001,-92,40,24,10\n'
    )
    return folder


def test_info_lists_topics_types_and_counts(capsys):
    assert main(['bag', 'info', str(BRIGHTON)]) == 0
    out = capsys.readouterr().out
    assert '84 messages' in out
    assert 'from 2016-06-23 16:31:59 for 95.000 s' in out
    assert '/image_raw/compressed            sensor_msgs/msg/CompressedImage  14' in out


def test_info_shows_what_a_damaged_bag_still_holds(tmp_path, capsys):
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes((BRIGHTON / 'brighton_beach.mcap').read_bytes()[:1_000_000])
    assert main(['bag', 'info', str(cut)]) == 2
    captured = capsys.readouterr()
    assert 'sensor_msgs/msg/NavSatFix  4' in captured.out
    assert 'it ends before its index was written; 23 messages' in captured.err


def test_a_bag_is_made_of_images_and_a_track(tmp_path, images, capsys):
    out = tmp_path / 'bag'
    options = ['--track', str(tmp_path / 'track.csv'), '--rate', '0.5', '--pose-rate-hz', '2']
    assert main(['bag', 'from-images', str(images), '--out', str(out), *options]) == 0
    printed = capsys.readouterr().out
    assert '2 images of 32x24 px, 2.0 s from 2000-01-01 00:00:00, focal length 22.2 px' in printed
    assert '/gimbal/attitude: unknown, none written' in printed
    with Bag(out) as bag:
        assert bag.topics['/mavros/imu/data'].count == 5
        assert bag.topics['/image_raw/compressed'].count == 2


def test_refusals_are_one_line_without_a_traceback(tmp_path, images, capsys):
    out = tmp_path / 'bag'
    for arguments, message in (
        (['info', str(tmp_path / 'none')], 'does not exist. Give a bag folder'),
        (['from-images', str(images), '--out', str(out)], 'no capture time (first: a.jpg)'),
        (['from-images', str(images), '--out', str(images)], 'exists already'),
        (['from-images', str(tmp_path / 'x'), '--out', str(out)], 'does not exist; give the'),
    ):
        assert main(['bag', *arguments]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count('\n') == 1
    assert not out.exists()
