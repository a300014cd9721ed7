# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What every task did on every frame is told from its results."""

from __future__ import annotations

import pytest
from known_runs import flight, frame_record, land_cover, run_of, scene
from pages import Page

from rs_onboard.replay.report.frames import FrameView
from rs_onboard.replay.report.page import write_report
from rs_onboard.replay.report.steps import step_of


def stepped(record, variant='fp32', tiles=4):
    record = {**record, 'model': {**record['model'], 'variant': variant}}
    return {**record, 'tiles': {**record['tiles'], 'count': tiles}}


def flight_with_steps():
    """Four frames with fp32, eight with int8; the other task leaves out two frames of three."""
    records = []
    for number in range(12):
        cheap = number >= 4
        reason = 'budget of 50 ms: int8 instead of fp32' if number == 4 else ''
        land = stepped(land_cover(reason=reason), 'int8' if cheap else 'fp32')
        seen = scene() if number % 3 == 0 else scene(status='skipped', reason='every 3rd frame')
        records.append(frame_record(number, segmentation=land, scene=seen))
    return run_of(records)


@pytest.fixture
def page(tmp_path):
    path = write_report(tmp_path / 'index.html', flight_with_steps())
    return Page(path.read_text(encoding='utf-8')).root


@pytest.mark.parametrize(
    ('record', 'step'),
    [
        (scene(), 'fp32, 4 tiles'),
        (stepped(scene(), 'int8', 1), 'int8, 1 tile'),
        (scene(status='skipped', reason='why'), 'skipped'),
        (scene(status='failed', reason='why'), 'failed'),
        ({'status': 'ok'}, 'ok'),
        (None, 'no result'),
    ],
)
def test_a_step_is_variant_and_tiles_or_why_there_is_nothing(record, step):
    found = frame_record(0)
    found['scene'] = record
    assert step_of(FrameView(0, found), 'scene') == step


def test_bands_join_the_frames_of_a_step(page):
    drawing = page.one('section', id='steps').one('svg')
    titles = [title.text for title in drawing.all('title')]
    assert titles[-2:] == [
        'segmentation: fp32, 4 tiles, frames 0 to 3',
        'segmentation: int8, 4 tiles, frames 4 to 11',
    ]
    assert titles[0] == 'scene: fp32, 4 tiles, frame 0'
    assert titles[1] == 'scene: skipped, frames 1 to 2'


def test_changes_are_listed_with_frame_and_reason(page):
    lines = page.one('section', id='steps').one('table').text
    assert 'frame 4 segmentation fp32, 4 tiles \u2192 int8, 4 tiles budget of 50 ms' in lines
    assert 'frame 1 scene fp32, 4 tiles \u2192 skipped every 3rd frame' in lines


def test_a_flight_on_which_nothing_changed_has_no_such_section(tmp_path):
    path = write_report(tmp_path / 'index.html', flight())
    text = path.read_text(encoding='utf-8')
    assert 'id="steps"' not in text
    assert 'href="#steps"' not in text
