# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The drawings on the page: true to scale and to the numbers behind them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from known_runs import (
    SECOND,
    START_NS,
    flight,
    frame_record,
    land_cover,
    run_of,
    scene,
    task_record,
    without_pose,
)
from pages import charts, heights, points, rows

from rs_onboard.replay.report.markup import nice_step


def test_the_map_is_true_to_scale_and_north_is_up(read):
    drawing = charts(read(flight(4)), 'map')[0]
    track = points(drawing.one('polyline'))
    assert np.ptp(track[:, 0]) < 0.1
    assert (np.diff(track[:, 1]) < 0.0).all()
    bar = drawing.one('g', class_='scale')
    length = float(re.search(r'h([\d.]+)', bar.one('path')['d'])[1])
    metres = float(bar.one('text').text.removesuffix(' m'))
    # 9e-5 degrees of latitude are 10.0 m; the footprints are 6e-4 degrees of longitude wide.
    step = 9e-5 * 111_160.0
    np.testing.assert_allclose(-np.diff(track[:, 1]) * metres / length, step, rtol=5e-3)
    shape = points(next(drawing.all('polygon')))
    width = 6e-4 * 111_320.0 * math.cos(math.radians(46.84))
    assert np.ptp(shape[:, 0]) * metres / length == pytest.approx(width, rel=5e-3)
    limits = [float(v) for v in drawing['viewbox'].split()]
    assert (track >= 0.0).all()
    assert (track <= limits[2:]).all()


def test_footprints_lead_to_their_frames_and_have_the_colour_of_the_main_class(read):
    records = [
        frame_record(0, scene=scene('land')),
        frame_record(1, scene=scene('water')),
        frame_record(2, segmentation=land_cover({'water': 0.3, 'unknown': 0.6, 'land': 0.1})),
    ]
    section = read(run_of(records)).one('section', id='map')
    links = list(section.one('g', class_='footprints').all('a'))
    assert [link['href'] for link in links] == ['#frame-0', '#frame-1', '#frame-2']
    assert links[0]['style'] == '--c0:#c83c3c;--c1:#8a8f94'
    assert links[1]['style'] == '--c0:#3cc83c;--c1:#8a8f94'
    assert links[2]['style'] == '--c0:#8a8f94;--c1:#3cc83c'
    assert 'Frame 2, 2016-06-23 16:32:03.000 UTC' in links[2].one('title').text
    assert 'segmentation: water 30 %' in links[2].one('title').text
    assert [entry.text for entry in section.one('ul', class_='legend l0').all('li')] == [
        'land 1',
        'water 1',
    ]


def test_frames_without_pose_or_footprint_are_told_with_the_reason(read):
    flat = frame_record(2)
    records = [
        frame_record(0),
        without_pose(frame_record(1), 'no fix'),
        {**flat, 'footprint': {'unknown': 'attitude unknown'}},
    ]
    page = read(run_of(records))
    section = page.one('section', id='map')
    assert '1 frame without a position: no fix' in section.text
    assert '1 frame without a footprint: attitude unknown' in section.text
    assert len(list(section.one('g', class_='footprints').all('a'))) == 1
    assert len(points(section.one('polyline'))) == 2
    assert 'no pose: no fix' in page.one('article', id='frame-1').text


def test_a_flight_without_any_pose_has_no_map_and_says_why(read):
    page = read(run_of([without_pose(frame_record(n), 'no fix') for n in range(2)]))
    section = page.one('section', id='map')
    assert not list(section.all('svg'))
    assert 'No frame has a position' in section.text
    assert '2 frames without a position: no fix' in section.text


def test_a_hovering_camera_without_attitude_has_a_map(read):
    record = {**frame_record(0), 'footprint': {'unknown': 'attitude unknown'}}
    drawing = charts(read(run_of([record, {**record, 'stamp_ns': START_NS + SECOND}])), 'map')[0]
    assert np.isfinite(points(drawing.one('polyline'))).all()


def test_a_map_crosses_the_date_line(read):
    records = [frame_record(n) for n in range(2)]
    for record, longitude in zip(records, (179.9999, -179.9999), strict=True):
        record['pose']['longitude_deg'] = longitude
        record['footprint'] = {'unknown': 'attitude unknown'}
    head = read(run_of(records)).one('header')
    assert 'track 18 m' in head.one('dl').text


def test_columns_of_the_latency_charts_are_as_high_as_the_numbers(read):
    stages = {'cut': 2.0, 'infer': 6.0, 'stitch': 1.0}
    records = [
        frame_record(0, latency_ms=10.0, segmentation=land_cover(stages=stages)),
        frame_record(1, latency_ms=30.0, segmentation=land_cover(stages={'infer': 18.0})),
    ]
    whole, task = charts(read(run_of(records)), 'latency')
    (first,), (second,) = heights(whole)
    assert second / first == pytest.approx(3.0, rel=1e-2)
    cut, infer, stitch = heights(task)[0]
    per_ms = first / 10.0
    assert [cut, infer, stitch] == pytest.approx([2 * per_ms, 6 * per_ms, per_ms], abs=0.02)
    assert heights(task)[1] == pytest.approx([18 * per_ms], abs=0.02)
    titles = [title.text for title in task.all('title')]
    assert titles[0] == 'Frame 0, segmentation: 9.0 ms (cut 2.0, infer 6.0, stitch 1.0)'


def test_one_slow_frame_does_not_flatten_the_others_and_is_marked(read):
    records = [frame_record(n, latency_ms=1000.0 if n == 0 else 10.0) for n in range(40)]
    whole = charts(read(run_of(records, pictures={})), 'latency')[0]
    found = heights(whole)
    assert found[0][0] > 100.0
    assert found[1][0] > 50.0
    assert len(list(whole.all('path', class_='cut'))) == 1
    assert 'Frame 0: 1000.0 ms' in whole.text


def test_the_stage_table_and_the_slowest_frames_have_the_numbers(read):
    records = [
        frame_record(n, latency_ms=float(ms), scene=scene(stages={'infer': ms / 2}))
        for n, ms in enumerate((10, 20, 90))
    ]
    page = read(run_of(records))
    assert rows(page, 'latency')[0][:5] == ['scene infer', '3', '10.0', '41.5', '45.0']
    slowest = list(page.one('section', id='latency').all('tbody'))[1]
    assert [c.text for c in next(slowest.all('tr')).all('td')] == [
        'frame 2',
        '90.0',
        '4.5',
        'scene infer 45.0 ms, usually 10.0',
    ]


def test_a_slow_frame_whose_stages_were_as_fast_as_ever_is_not_blamed_on_one(read):
    records = [frame_record(n, latency_ms=500.0 if n == 1 else 20.0) for n in range(4)]
    slowest = list(read(run_of(records)).one('section', id='latency').all('tbody'))[1]
    assert next(slowest.all('tr')).text == 'frame 1 500.0 25.0 none stands out'


def test_scenes_are_counted_and_lead_to_their_surest_frame(read):
    records = [
        frame_record(n, scene=scene(name, probability))
        for n, (name, probability) in enumerate((('land', 0.5), ('water', 0.8), ('land', 0.7)))
    ]
    found = rows(read(run_of(records)), 'task-scene')
    assert found == [
        ['land', '2', '', '60 %', 'frame 2 70 %'],
        ['water', '1', '', '80 %', 'frame 1 80 %'],
    ]


def test_shares_of_classes_are_averaged_over_the_frames_that_have_results(read):
    records = [
        frame_record(0, segmentation=land_cover({'land': 0.9, 'water': 0.1})),
        frame_record(1, segmentation=land_cover({'land': 0.5, 'unknown': 0.5})),
        frame_record(2, segmentation=task_record('failed', reason='no memory')),
    ]
    page = read(run_of(records))
    section = page.one('section', id='task-segmentation')
    assert '2 ok' in section.text
    assert '1 failed' in section.text
    reasons, shares = section.all('tbody')
    assert reasons.text == '1 2 no memory'
    assert [[c.text for c in row.all('td')] for row in shares.all('tr')] == [
        ['land', '70 %', '', '2', 'frame 0 90 %'],
        ['unknown', '25 %', '', '1', 'frame 1 50 %'],
        ['water', '5 %', '', '1', 'frame 0 10 %'],
    ]
    columns = heights(section.one('svg'))
    assert sum(columns[0]) == pytest.approx(sum(columns[1]), abs=0.05)
    assert columns[2] == []


def test_long_flights_are_drawn_in_groups_and_every_frame_stays_listed(read, tmp_path):
    records = [frame_record(n, latency_ms=50.0 if n == 501 else 10.0) for n in range(1000)]
    page = read(run_of(records, pictures={}))
    whole = charts(page, 'latency')[0]
    titles = [title.text for title in whole.all('title')]
    assert len(titles) == 143
    assert 'Frame 501: 50.0 ms, slowest of frames 497 to 503' in titles
    frames = [x for x in page.all('article') if (x['id'] or '').startswith('frame-')]
    assert len(frames) == 1000
    assert (tmp_path / 'index.html').stat().st_size < 4_000_000


@pytest.mark.parametrize(
    ('least', 'step'), [(0.11, 0.2), (1.0, 1.0), (1.1, 2.0), (2.5, 5.0), (51.0, 100.0)]
)
def test_steps_of_scales_are_round(least, step):
    assert nice_step(least) == pytest.approx(step)


def test_the_budget_is_a_line_of_the_chart_and_late_frames_are_told(read):
    records = [frame_record(n, latency_ms=ms) for n, ms in enumerate((20.0, 30.0, 70.0))]
    page = read(run_of(records, budget_ms=50.0))
    chart = charts(page, 'latency')[0]
    names = [mark.text for mark in chart.all('g', class_='mark')]
    assert 'budget 50' in names
    assert '1 of 3 frames took longer than the budget of 50 ms' in page.one('header').text
    # The same axis as without; where all frames are far below, the line still fits.
    page = read(run_of(records[:1], budget_ms=500.0))
    line = next(g for g in charts(page, 'latency')[0].all('g', class_='mark') if '500' in g.text)
    assert float(line.one('text')['y']) > 0
    assert 'longer than' not in page.one('header').text
