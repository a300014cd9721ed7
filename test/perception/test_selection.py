# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Some tiles of a frame are inferred: the rest is unknown, and counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_frames import frame_of, model_of, random_image

from rs_onboard.perception.detection import DetectionTask
from rs_onboard.perception.errors import TaskError
from rs_onboard.perception.pipeline import TILE_TASKS
from rs_onboard.perception.scene import SceneTask, visible_areas
from rs_onboard.perception.segmentation import SegmentationTask
from rs_onboard.perception.selection import Selection
from rs_onboard.perception.stitch import UNKNOWN_LABEL
from rs_onboard.perception.tiler import Tiler

IMAGE = random_image(250, 310)


def tiles_for(task, tiles=None, image=IMAGE, **changes):
    cut = Tiler({task.name: task.plan}).cut(frame_of(image))[task.name]
    selection = Selection.whole(len(cut.grid))
    if tiles is not None:
        selection = selection.keep(tiles, 'latency budget')
    return cut.selecting(dataclasses.replace(selection, **changes))


@given(st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_every_tile_is_inferred_or_counted_under_a_reason(visible, affordable):
    chosen = Selection.whole(12).keep(visible, 'beyond the horizon')
    chosen = chosen.keep(affordable, 'latency budget')
    assert chosen.tiles == tuple(sorted(visible & affordable))
    assert len(chosen.tiles) + sum(chosen.left_out.values()) == 12
    assert chosen.left_out.get('beyond the horizon', 0) == 12 - len(visible)


def test_pixels_of_tiles_left_out_are_unknown_and_the_others_what_they_were():
    task = SegmentationTask(model_of('segmentation'), overlap=16)
    whole = task.run(tiles_for(task))
    part = task.run(tiles_for(task, {0, 3}, doubt='fewer tiles'))
    grid = tiles_for(task).grid
    assert len(grid) > 4
    for number in range(len(grid)):
        place = grid.core(number).frame
        if number in {0, 3}:
            np.testing.assert_array_equal(part.labels[place], whole.labels[place])
            np.testing.assert_array_equal(part.confidence[place], whole.confidence[place])
        else:
            assert (part.labels[place] == UNKNOWN_LABEL).all()
            assert (part.confidence[place] == 0).all()
    assert part.report.status == 'degraded'
    assert 'fewer tiles' in part.report.reason
    assert part.report.tiles.count == 2
    assert part.report.tiles.left_out == {'latency budget': len(grid) - 2}
    assert whole.report.tiles.left_out is None


def test_the_scene_of_a_frame_is_that_of_the_tiles_inferred():
    task = SceneTask(model_of('scene'), batch=2)
    whole, part = task.run(tiles_for(task)), task.run(tiles_for(task, {1, 2, 5}))
    numbers = [1, 2, 5]
    np.testing.assert_array_equal(part.tile_classes, whole.tile_classes[numbers])
    np.testing.assert_array_equal(part.boxes, whole.boxes[numbers])
    every = np.array([task.run(tiles_for(task, {n})).probabilities for n in numbers])
    weights = visible_areas(tiles_for(task).grid)[numbers]
    np.testing.assert_allclose(part.probabilities, weights @ every / weights.sum(), atol=1e-6)


def test_objects_of_the_tiles_inferred_keep_their_place():
    image = np.zeros((64, 400, 3), np.uint8)
    image[20:40, 20:50, 0] = 255
    image[20:40, 340:370, 0] = 255
    task = DetectionTask(model_of('detection'), overlap=0)
    whole = task.run(tiles_for(task, image=image))
    last = len(tiles_for(task, image=image).grid) - 1
    part = task.run(tiles_for(task, {last}, image=image))
    assert 0 < (whole.boxes[:, 0] > 200).sum() < len(whole.boxes)
    np.testing.assert_array_equal(part.boxes, whole.boxes[whole.boxes[:, 0] > 200])


@pytest.mark.parametrize('name', TILE_TASKS)
def test_a_task_that_the_budget_passes_over_says_so(name):
    task = TILE_TASKS[name](model_of(name))
    tiles = tiles_for(task)
    skipped = tiles.selecting(tiles.selection.skipped('latency budget: every 2nd frame'))
    report = task.run(skipped).report
    assert (report.status, report.reason) == ('skipped', 'latency budget: every 2nd frame')
    beyond = tiles.selecting(tiles.selection.keep((), 'beyond the horizon'))
    report = task.run(beyond).report
    assert report.status == 'skipped'
    assert report.reason == f'every tile is left out: beyond the horizon {len(tiles.grid)}'


def test_another_variant_answers_when_it_is_selected_and_goes_on_the_report():
    first, second = model_of('scene'), model_of('scene')
    other = dataclasses.replace(second, variant=dataclasses.replace(second.variant, name='int8'))
    task = SceneTask(first)
    task.offer(other)
    assert task.models == (first, other)
    for variant, expected in (('int8', 'int8'), ('', 'fp32'), ('fp32', 'fp32')):
        assert task.run(tiles_for(task, variant=variant)).report.model.variant == expected
    report = task.run(tiles_for(task, variant='fp16')).report
    assert (report.status, report.model.variant) == ('degraded', 'fp32')
    assert 'fp16 is not loaded, fp32 ran' in report.reason
    with pytest.raises(TaskError, match='expected one of colour-scene'):
        task.offer(model_of('segmentation'))
