# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that stand out are found by what their records say."""

from __future__ import annotations

from known_runs import flight, frame_record, land_cover, run_of, scene, task_record
from pages import Page

from rs_onboard.replay.report.frames import frames_of, tasks_of
from rs_onboard.replay.report.page import write_report
from rs_onboard.replay.report.standouts import standouts


def flight_with_standouts():
    """Frame 2 is doubtful, the frames from 6 on are slow, 1 is unsure, 4 has an object."""
    records = []
    for number in range(9):
        tasks = {
            'scene': scene(
                status='degraded' if number == 2 else 'ok',
                reason='why' if number == 2 else '',
                probability=0.2 if number == 1 else 0.9,
            ),
            'segmentation': land_cover(mean_confidence=0.8 - 0.01 * number),
        }
        if number == 4:
            box = {'class': 'ship', 'score': 0.9, 'box': [1, 1, 2, 1, 0], 'corners': []}
            tasks['detection'] = task_record(objects=[box])
        records.append(frame_record(number, latency_ms=90.0 if number > 5 else 20.0, **tasks))
    return run_of(records)


def found(run):
    return {one.word: set(one.numbers) for one in standouts(frames_of(run), tasks_of(run))}


def test_frames_stand_out_by_status_latency_confidence_and_findings():
    assert found(flight_with_standouts()) == {
        'poor': {2},
        'slow': {6, 7, 8},
        'unsure': {1, 7, 8},
        'found': {4},
    }


def test_what_is_true_of_all_frames_or_of_none_tells_nothing():
    records = [
        frame_record(n, latency_ms=None, scene=scene(status='degraded', reason='why'))
        for n in range(3)
    ]
    assert found(run_of(records)) == {}


def test_the_page_offers_them_and_marks_their_frames(tmp_path):
    path = write_report(tmp_path / 'index.html', flight_with_standouts())
    page = Page(path.read_text(encoding='utf-8')).root
    labels = [x.text for x in page.one('section', id='frames').all('label')]
    assert labels == [
        'all (9)',
        'not in order (1)',
        'the slowest (3)',
        'the least sure (3)',
        'with objects or changes (1)',
    ]
    assert set(page.one('article', id='frame-7')['class'].split()) == {'frame', 'slow', 'unsure'}


def test_a_flight_whose_frames_are_alike_offers_nothing(tmp_path):
    path = write_report(tmp_path / 'index.html', flight(2))
    assert 'show-all' not in path.read_text(encoding='utf-8')
