# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The records of a run are joined by frame, their durations by stage."""

from __future__ import annotations

from rs_onboard.replay.run_records import by_stamp, stage_durations


def test_changes_that_come_alone_join_their_frame():
    frames = by_stamp(
        [{'stamp_ns': 1, 'scene': {}}, {'stamp_ns': 2, 'scene': {}}, {'stamp_ns': 1, 'change': {}}]
    )
    assert frames == {
        1: {'stamp_ns': 1, 'scene': {}, 'change': {}},
        2: {'stamp_ns': 2, 'scene': {}},
    }


def test_of_what_several_records_have_the_first_counts():
    frames = by_stamp([{'stamp_ns': 1, 'latency_ms': 5.0}, {'stamp_ns': 1, 'latency_ms': 900.0}])
    assert frames == {1: {'stamp_ns': 1, 'latency_ms': 5.0}}


def test_durations_are_named_by_task_and_stage_and_a_frame_without_one_has_none():
    timings = [
        {'stamp_ns': 1, 'latency_ms': 9.0, 'scene': {'cut': 1.0, 'infer': 5.0}},
        {'stamp_ns': 2, 'latency_ms': None, 'scene': {'infer': 6.0}},
    ]
    assert stage_durations(timings) == {
        'scene cut': [1.0],
        'scene infer': [5.0, 6.0],
        'frame': [9.0],
    }
