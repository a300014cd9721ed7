# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers of a run and their summary for the terminal."""

from __future__ import annotations

import pytest
from known_runs import frame_record, land_cover, model_card, run_of, scene, task_record

from rs_onboard.replay.summary import (
    NodeCounts,
    reason_counts,
    stage_statistics,
    status_counts,
    summary_text,
)


def test_stages_are_counted_by_task_and_the_frame_comes_last():
    records = [
        frame_record(n, latency_ms=ms, scene=scene(stages={'infer': ms / 2}))
        for n, ms in enumerate((10.0, 20.0, 30.0))
    ]
    infer, frame = stage_statistics(records)
    assert (infer.name, frame.name) == ('scene infer', 'frame')
    assert (infer.count, infer.p50, infer.largest) == (3, 10.0, 15.0)
    assert (frame.count, frame.p50, frame.largest) == (3, 20.0, 30.0)
    assert frame.p95 == pytest.approx(29.0)


def test_stages_that_ran_on_some_frames_only_are_counted_there():
    records = [frame_record(0), frame_record(1, scene=task_record('skipped'))]
    counts = {stage.name: stage.count for stage in stage_statistics(records)}
    assert counts['scene infer'] == 1
    assert counts['frame'] == 2


def test_records_without_durations_have_no_statistics():
    record = frame_record(0, scene={'status': 'failed', 'reason': 'no model'})
    del record['latency_ms']
    assert stage_statistics([record]) == []
    assert stage_statistics([]) == []


def test_statuses_and_reasons_are_counted_for_one_task_alone():
    records = [
        frame_record(0, scene=scene(), segmentation=task_record('failed', reason='no memory')),
        frame_record(1, scene=scene(status='degraded', reason='scale unknown')),
        frame_record(2, scene=scene(status='degraded', reason='scale unknown')),
    ]
    assert status_counts(records, 'scene') == {'ok': 1, 'degraded': 2}
    assert reason_counts(records, 'scene') == {'scale unknown': 2}
    assert status_counts(records, 'segmentation') == {'failed': 1}
    assert status_counts(records, 'change') == {}


@pytest.mark.parametrize(
    ('counts', 'unaccounted'),
    [
        (NodeCounts('scene', 10, 7, {'replaced_by_newer': 2}, 1), 0),
        (NodeCounts('scene', 10, 7, {'replaced_by_newer': 1}, 1), 1),
        (NodeCounts('scene', 10, 11, {}, 0), -1),
    ],
)
def test_a_node_tells_items_that_it_cannot_account_for(counts, unaccounted):
    assert counts.unaccounted == unaccounted


def test_the_text_says_rate_drops_reasons_and_untrained_models():
    records = [
        frame_record(0, scene=scene(), segmentation=land_cover()),
        frame_record(1, scene=scene(status='degraded', reason='scale unknown')),
    ]
    text = summary_text(
        run_of(
            records,
            sent=3,
            wall_s=4.0,
            nodes=[NodeCounts('tiler', 3, 2, {'replaced_by_newer': 1}, 0)],
            cards={
                'scene': model_card('scene', trained=False),
                'segmentation': model_card('segmentation'),
                'change': model_card('change'),
            },
            notes=['flown twice'],
        )
    )
    assert text.startswith('lake: 3 in, 2 out in 4.0 s, 0.50 a second')
    assert 'replaced_by_newer 1' in text
    assert 'scene: scene-net UNTRAINED: 1 ok, 1 degraded\n  1 x scale unknown' in text
    assert 'segmentation: segmentation-net: 1 ok' in text
    assert 'change: change-net: no results' in text
    assert text.endswith('flown twice')


def test_a_run_without_frames_and_time_has_a_summary():
    assert '0 in, 0 out' in summary_text(run_of([], wall_s=0.0))


def test_changes_that_come_later_belong_to_their_frame():
    first, second = frame_record(0), frame_record(1)
    late = {**frame_record(0, change={'status': 'ok', 'regions': []}), 'latency_ms': 900.0}
    run = run_of([first, second, late], sent=2)
    assert [record['stamp_ns'] for record in run.records] == [
        first['stamp_ns'],
        second['stamp_ns'],
    ]
    assert run.records[0] == {**first, 'change': {'status': 'ok', 'regions': []}}
    assert '2 in, 2 out' in summary_text(run)
