# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Changes on the page: each place once, as last seen, with what is known of the registration."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from known_runs import frame_record, model_card, run_of, task_record
from pages import Page, rows

from rs_onboard.replay.report.changes import area_text, changed_places
from rs_onboard.replay.report.frames import frames_of
from rs_onboard.replay.report.page import write_report

GROUND = [[-91.9946, 46.8401], [-91.9944, 46.8401], [-91.9944, 46.84], [-91.9946, 46.84]]


def region(number=None, *, area=50.0, confirmed=False, finds=1, looks=2, score=0.7):
    told = {'score': score, 'max_score': 0.9, 'area_px': 900, 'box': [1, 2, 3, 4], 'outline': []}
    if number is not None:
        told |= {
            'number': number,
            'confirmed': confirmed,
            'finds': finds,
            'looks': looks,
            'area_m2': area,
            'ground': GROUND,
        }
    return told


def compared(*regions, state='registered', **fit):
    registration = {'state': state, 'residual_px': 0.5, 'shift_m': 3.0, **fit}
    return task_record(
        regions=list(regions), map='town', map_date='2024-05-01', registration=registration
    )


def run(*frames):
    records = [frame_record(n, change=compared(*found)) for n, found in enumerate(frames)]
    return run_of(records, cards={'change': model_card('change', ('same', 'changed'))})


def flight_with_changes():
    confirmed = region(7, area=120.0, confirmed=True, finds=3, looks=3)
    return run([region(7), region(8, area=20.0)], [region(7)], [confirmed], [])


@pytest.fixture
def page(tmp_path):
    path = write_report(tmp_path / 'index.html', flight_with_changes())
    return Page(path.read_text(encoding='utf-8')).root


def test_a_place_counts_once_as_it_is_seen_best_and_confirmed_ones_come_first():
    first, second = changed_places(frames_of(flight_with_changes()))
    assert (first.region['number'], first.frame.number, first.count) == (7, 2, 3)
    assert first.confirmed
    assert (second.region['number'], second.count, second.confirmed) == (8, 1, False)


def test_a_frame_that_cuts_a_region_at_its_edge_does_not_tell_of_its_area():
    whole = region(7, area=900.0, confirmed=True)
    cut = region(7, area=30.0, confirmed=True)
    (place,) = changed_places(frames_of(run([cut], [whole], [cut])))
    assert (place.frame.number, place.region['area_m2'], place.count) == (1, 900.0, 3)


def test_regions_without_a_place_are_each_their_own():
    found = changed_places(frames_of(run([region(), region()], [region()])))
    assert len(found) == 3
    assert {one.name for one in found} == {'a region without a place'}


def test_places_are_listed_with_area_looks_map_and_frame(page):
    assert rows(page, 'task-change') == [
        ['change 7', 'confirmed', '120 m\u00b2', '70 %', '3 of 3', '2024-05-01', 'frame 2'],
        ['change 8', 'not confirmed', '20 m\u00b2', '70 %', '1 of 2', '2024-05-01', 'frame 0'],
    ]
    text = page.one('section', id='task-change').text
    assert 'Registration: registered 4; median residual 0.50 px' in text
    assert 'median correction of the position 3.0 m' in text


def test_every_place_is_drawn_once_on_the_map(page):
    shapes = page.one('g', class_='changes')
    titles = [title.text for title in shapes.all('title')]
    # The confirmed one lies over the other.
    assert titles == ['change 8 70 %, not confirmed, frame 0', 'change 7 70 %, frame 2']


def test_a_flight_that_was_never_registered_says_so(tmp_path):
    records = [frame_record(n, change=compared(state='lost', residual_px=9.0)) for n in range(3)]
    flown = run_of(records, cards={'change': model_card('change', ('same', 'changed'))})
    path = write_report(tmp_path / 'index.html', flown)
    assert 'Registration: lost 3' in path.read_text(encoding='utf-8')


def test_the_frames_of_the_places_are_shown_beside_the_map_each_once(tmp_path):
    flown = flight_with_changes()
    _, data = cv2.imencode('.jpg', np.full((30, 80, 3), 90, np.uint8))
    stamps = [record['stamp_ns'] for record in flown.records]
    compared_frames = dataclasses.replace(flown, comparisons=dict.fromkeys(stamps, data.tobytes()))
    path = write_report(tmp_path / 'index.html', compared_frames)
    text = path.read_text(encoding='utf-8')
    assert text.count('beside the map, with what changed') == 2
    assert 'Frame 2, and the map as it would show it' in text


def test_a_frame_says_what_it_shows(page):
    facts = page.one('article', id='frame-0').text
    assert 'changes not confirmed 2' in facts
    assert 'confirmed changes 1' in page.one('article', id='frame-2').text


def test_large_areas_are_told_in_hectares():
    assert area_text(9_999.4) == '9999 m\u00b2'
    assert area_text(65_111.0) == '6.5 ha'
