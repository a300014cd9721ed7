# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Objects on the page: counted once, drawn once, and nothing where nothing was found."""

from __future__ import annotations

import pytest
from known_runs import flight, frame_record, model_card, run_of, task_record

from rs_onboard.replay.report.frames import frames_of
from rs_onboard.replay.report.objects import sightings
from rs_onboard.replay.report.page import write_report


def thing(name='ship', score=0.8, number=None, length=12.0, place=True):
    ground = [[-91.9945, 46.8401], [-91.9944, 46.8401], [-91.9944, 46.84], [-91.9945, 46.84]]
    item = {'class': name, 'score': score, 'box': [10, 10, 8, 4, 0.1], 'corners': [[0, 0]] * 4}
    if number is not None:
        item['number'] = number
    return item | ({'ground': ground, 'length_m': length, 'width_m': 3.0} if place else {})


def found(*items):
    return task_record(objects=list(items))


def run(*frames, **changes):
    records = [frame_record(n, detection=found(*items)) for n, items in enumerate(frames)]
    return run_of(
        records, cards={'detection': model_card('detection', ('ship', 'plane'))}, **changes
    )


def test_an_object_is_counted_once_and_shown_where_it_is_surest():
    flown = run(
        [thing(number=7, score=0.5), thing(number=8, score=0.6)],
        [thing(number=7, score=0.9)],
        [],
    )
    first, second = sightings(frames_of(flown), 'detection')
    assert (first.item['number'], first.frame.number, first.count) == (7, 1, 2)
    assert (second.item['number'], second.frame.number, second.count) == (8, 0, 1)


def test_without_numbers_every_detection_counts(tmp_path):
    flown = run([thing(), thing()], [thing(place=False)])
    assert len(sightings(frames_of(flown), 'detection')) == 3
    page = written(flown, tmp_path)
    assert 'detections' in page


def written(flown, folder):
    path = folder / 'index.html'
    write_report(path, flown)
    return path.read_text(encoding='utf-8')


def test_the_page_lists_classes_and_draws_each_object_once_on_the_map(tmp_path):
    flown = run(
        [thing(number=1, length=10.0), thing('plane', number=2, score=0.7, length=30.0)],
        [thing(number=1, length=10.0), thing(number=3, length=20.0, score=0.9)],
    )
    page = written(flown, tmp_path)
    assert 'median length' in page
    assert '15.0 m' in page
    assert 'ship 90 %, frame 1' in page
    objects = page.split('class="objects"')[1].split('</g>')[0]
    assert objects.count('<polygon') == 3


@pytest.mark.parametrize('items', [[], [thing(place=False, number=1)]])
def test_without_objects_or_places_the_page_is_still_whole(tmp_path, items):
    page = written(run(items, []), tmp_path)
    assert page.split('class="objects"')[1].split('</g>')[0].count('<polygon') == 0
    assert 'Detection' in page


def test_a_flight_without_detection_has_no_such_section(tmp_path):
    assert 'median length' not in written(flight(), tmp_path)


def test_a_frame_lists_its_objects_by_class(tmp_path):
    page = written(run([thing(), thing(), thing('plane')], []), tmp_path)
    assert 'ship <b>2</b>' in page
    assert 'plane <b>1</b>' in page
