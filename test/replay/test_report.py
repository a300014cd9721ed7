# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The page about a run: complete, true to its numbers, closed to the outside."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from known_runs import (
    flight,
    frame_record,
    land_cover,
    model_card,
    picture,
    run_of,
    scene,
    task_record,
    without_pose,
)
from pages import rows

from rs_onboard.replay.report.markup import Html, element
from rs_onboard.replay.summary import NodeCounts

NASTY = '<script>alert("x")</script>&\'</title>'


def test_the_page_needs_nothing_from_elsewhere_and_forbids_it(read):
    page = read(flight())
    policy = page.one('meta', **{'http-equiv': 'Content-Security-Policy'})['content']
    assert "default-src 'none'" in policy
    assert 'script-src' not in policy
    for found in page.all():
        assert found.tag not in {'script', 'link', 'iframe', 'object', 'base'}
        assert not any(name.startswith('on') for name in found.attributes)
        assert (found['href'] or '#').startswith('#')
        assert (found['src'] or 'data:image/jpeg;base64,').startswith('data:image/jpeg;base64,')
    style = page.one('style').text
    assert 'url(' not in style
    assert '@import' not in style


def test_every_link_leads_to_a_place_on_the_page_and_places_are_unique(read):
    page = read(flight())
    places = [found['id'] for found in page.all() if found['id']]
    assert len(places) == len(set(places))
    links = {found['href'].removeprefix('#') for found in page.all('a')}
    assert links <= set(places)


def test_every_frame_is_there_with_picture_time_place_and_findings(read):
    page = read(flight(3))
    frames = list(page.all('article', class_='frame'))
    assert [frame['id'] for frame in frames] == ['frame-0', 'frame-1', 'frame-2']
    for frame in frames:
        assert '46.840' in frame.text
        assert 'height 39.8 m' in frame.text
        assert '5.4 cm/px' in frame.text
        assert 'land 75 %' in frame.text
        assert 'land 60 % water 40 %' in ' '.join(frame.text.split())
    assert '2016-06-23 16:32:01.000 UTC' in frames[1].text
    data = frames[1].one('img')['src'].partition(',')[2]
    assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1).shape == (200, 320, 3)


def test_an_enlarged_picture_leads_to_its_neighbours_and_back(read):
    page = read(flight(3))
    shot = page.one('article', id='frame-1')
    assert shot.one('a', class_='view')['id'] == 'view-1'
    assert shot.one('a', class_='step before')['href'] == '#view-0'
    assert shot.one('a', class_='step after')['href'] == '#view-2'
    assert shot.one('a', class_='close')['href'] == '#frame-1'
    assert not list(page.one('article', id='frame-0').all('a', class_='step before'))


def test_nothing_that_comes_from_a_bag_or_a_card_becomes_markup(read):
    record = frame_record(
        0,
        scene=scene(name=NASTY, status='degraded', reason=NASTY),
        segmentation=land_cover({NASTY: 0.7, 'unknown': 0.3}),
    )
    card = replace(
        model_card('scene', classes=(NASTY,), limits=(NASTY,), evaluation=NASTY, summary=NASTY),
        name=NASTY,
    )
    page = read(
        run_of(
            [record, without_pose(frame_record(1), NASTY)],
            title=NASTY,
            cards={'scene': card},
            nodes=[NodeCounts(NASTY, 2, 1, {NASTY: 1}, 0)],
            notes=[NASTY],
        )
    )
    assert not list(page.all('script'))
    assert page.one('h1').text.startswith(NASTY)
    assert page.one('header').text.count(NASTY) >= 3
    assert page.one('head').one('title').text.startswith(NASTY)
    for place in ('map', 'counts', 'task-scene', 'task-segmentation', 'frames', 'models'):
        assert NASTY in page.one('section', id=place).text


def test_text_is_escaped_and_markup_is_not():
    made = element('p', '<b>', Html('<i></i>'), [1, None, ['&']], title='"<', hidden=True, id=None)
    assert made == '<p title="&quot;&lt;" hidden>&lt;b&gt;<i></i>1&amp;</p>'


def test_the_head_says_when_how_many_and_how_fast(read):
    head = read(flight(4, sent=4, wall_s=8.0)).one('header')
    assert '2016-06-23 16:31:59.000 UTC to 2016-06-23 16:32:05.000 UTC, 6.0 s' in head.text
    numbers = {f.one('dt').text: f.one('dd').text for f in head.one('dl').all('div')}
    assert numbers == {
        'images in': '4',
        'results out': '4',
        'dropped': '0',
        'latency p50': '20 ms',
        'latency p95': '20 ms',
        'rate': '0.5 /s',
        'wall time': '8.0 s',
        'track': '30 m',
    }
    assert head.one('h1').text == 'lake Run in order'


def test_the_head_names_models_with_hash_licence_and_restrictions(read):
    cards = {
        'scene': model_card('scene'),
        'segmentation': model_card('segmentation', trained=False),
    }
    head = read(flight(cards=cards)).one('header')
    first, second = ([c.text for c in r.all('td')] for r in next(head.all('tbody')).all('tr'))
    assert first[:3] == ['scene', 'scene-net', 'fp32 on cpu']
    assert first[3] == 'mean iou 0.468 (0.412 to 0.511)'
    assert first[4:] == ['ab' * 6, 'CC-BY-4.0', 'name the authors']
    assert second[1] == 'segmentation-net UNTRAINED'
    assert 'segmentation-net is untrained, its results mean nothing' in head.text


@pytest.mark.parametrize(
    ('changes', 'verdict', 'remark'),
    [
        ({'sent': 6}, 'Worth a look', '2 of 6 images have no result'),
        (
            {'nodes': [NodeCounts('scene', 5, 4, {'replaced_by_newer': 1}, 0)]},
            'Worth a look',
            'scene dropped 1 of 5',
        ),
        (
            {'nodes': [NodeCounts('scene', 5, 4, {}, 0)]},
            'Something failed',
            'scene cannot account for 1 of 5',
        ),
        (
            {
                'records': [
                    frame_record(0),
                    frame_record(1, scene=task_record('failed', reason='no memory')),
                ]
            },
            'Something failed',
            'scene failed on 1 of 2 frames',
        ),
        (
            {'records': [frame_record(0, scene=task_record('skipped', reason='no tiles came'))]},
            'Something failed',
            'scene has no result on any frame',
        ),
        (
            {'nodes': [NodeCounts('scene', 5, 4, {'error': 1}, 0)]},
            'Something failed',
            'scene lost 1 of 5 by an error',
        ),
        (
            {'records': [frame_record(0, scene=scene(gsd_m=0.05), segmentation=land_cover())]},
            'Worth a look',
            (
                'scene: 1 of 1 frames were seen at 0.05 to 0.05 m/px; '
                'the model was measured from 0.2 to 0.6 m/px'
            ),
        ),
        (
            {'records': [without_pose(frame_record(0))]},
            'Worth a look',
            '1 of 1 frames have no position',
        ),
    ],
)
def test_the_head_says_what_to_look_at(read, changes, verdict, remark):
    head = read(replace(flight(), **{'sent': 1, **changes})).one('header')
    assert verdict in head.one('h1').text
    assert remark in [item.text for item in head.one('ul', class_='remarks').all('li')]


def test_drops_are_listed_by_name_and_the_balance_of_every_node_is_shown(read):
    nodes = [
        NodeCounts('tiler', 10, 10, {}, 0),
        NodeCounts('scene', 10, 6, {'replaced_by_newer': 2, 'no_tiles': 1}, 1),
        NodeCounts('publisher', 10, 8, {}, 0),
    ]
    found = rows(read(flight(nodes=nodes)), 'counts')
    assert found[0] == ['tiler', '10', '10', '0', '0', 'all', 'none']
    assert found[1][1:6] == ['10', '6', '3', '1', 'all']
    assert found[1][6] == '2 replaced by a newer one while waiting, 1 no_tiles'
    assert found[2][5] == '2 missing'


def test_what_the_cards_say_about_limits_and_measurements_is_on_the_page(read):
    text = read(flight()).one('section', id='models').text
    for said in (
        'Ice is taken for land.',
        'On nine images.',
        'mean iou 0.468 0.412 to 0.511',
        'Trained at 0.3 m/px, measured from 0.2 to 0.6 m/px.',
        'fp32: not faster than int8',
        'data: lakes CC0-1.0 https://example.org/lakes Lake et al.',
    ):
        assert said in text


def test_versions_and_notes_about_the_run_are_told(read):
    page = read(flight(notes=['flown twice']))
    assert 'flown twice' in page.one('header').text
    text = page.one('section', id='versions').text
    for name in ('rs_onboard', 'Python', 'numpy', 'OpenCV', 'ONNX Runtime'):
        assert re.search(rf'{name} \d+\.\d+', text)


def test_a_run_without_frames_says_so(read):
    page = read(run_of([], sent=3, wall_s=0.0))
    assert 'No frame has results' in page.one('header').text
    assert 'Something failed' in page.one('h1').text
    assert 'scene-net' in page.one('section', id='models').text
    assert not list(page.all('svg'))


def test_a_run_without_models_counters_or_durations_has_a_page(read):
    record = frame_record(0)
    bare = {name: record[name] for name in ('stamp_ns', 'frame_id', 'height', 'width')}
    page = read(run_of([bare], cards={}, nodes=[], pictures={}))
    assert 'No durations were recorded.' in page.text
    assert 'No counters were recorded.' in page.text
    assert 'No model ran.' in page.text
    assert 'no picture' in page.one('article', id='frame-0').text
    assert 'no pose: not recorded' in page.one('article', id='frame-0').text


def test_broken_pictures_and_pictures_of_other_frames_are_left_out(read):
    records = [frame_record(n) for n in range(3)]
    stamps = [record['stamp_ns'] for record in records]
    shown = {stamps[0]: picture(), stamps[1]: b'not a JPEG', stamps[2]: b'', 5: picture()}
    page = read(run_of(records, pictures=shown))
    assert len(list(page.all('img'))) == 1
    assert '1 of 3 frames have a picture here' in page.one('section', id='frames').text
