# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks weight by visible ground, and what goes wrong in a model stays in its result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import camera_for, faked, frame_of, model_of, nadir_pose, random_image

from rs_onboard.inference.errors import ModelError
from rs_onboard.perception.scene import SceneTask, visible_areas
from rs_onboard.perception.segmentation import SegmentationTask
from rs_onboard.perception.task import plan_for
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tiles import TilePlan, make_grid


def run(task, image, **known):
    return task.run(Tiler({task.name: task.plan}).cut(frame_of(image, **known))[task.name])


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def tile_probabilities(image):
    return softmax(image.reshape(-1, 3).mean(axis=0) / 16)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 30), st.integers(0, 10))
def test_visible_areas_add_up_to_the_frame(height, width, side, overlap):
    grid = make_grid(TilePlan(side, side, min(overlap, side - 1)), height, width)
    areas = visible_areas(grid)
    assert areas.shape == (len(grid),)
    assert (areas > 0).all()
    assert areas.sum() == height * width


def test_the_scene_of_a_frame_is_the_mean_of_its_tiles_by_visible_area():
    image = np.zeros((128, 160, 3), np.uint8)
    image[:, :, 0] = 200
    image[:, 100:, 1] = 250
    task = SceneTask(model_of('scene'), overlap=16)
    result = run(task, image)
    tiles = [tile_probabilities(image[:, x : x + 128]) for x in (0, 32)]
    # The seam lies midway between the centres at 64 and 96.
    expected = (tiles[0] * 80 + tiles[1] * 80) / 160
    assert result.probabilities == pytest.approx(expected, abs=1e-5)
    assert result.tile_classes.tolist() == [int(np.argmax(tile)) for tile in tiles]
    assert result.tile_scores == pytest.approx([tile.max() for tile in tiles], abs=1e-5)
    assert result.boxes.tolist() == [[0, 0, 128, 128], [32, 0, 128, 128]]
    assert (result.report.status, result.report.reason) == (
        'degraded',
        'image scale used, camera intrinsics unknown (no pose source)',
    )


@pytest.mark.parametrize('batch', [1, 2, 3, 16])
def test_the_batch_size_changes_nothing(batch):
    image = random_image(300, 333)
    known = {'camera': camera_for(image), 'pose': nadir_pose(150.0)}
    one = run(SceneTask(model_of('scene'), overlap=30), image, **known)
    many = run(SceneTask(model_of('scene'), batch=batch, overlap=30), image, **known)
    assert many.probabilities == pytest.approx(one.probabilities, abs=1e-6)
    assert many.tile_classes.tolist() == one.tile_classes.tolist()
    assert many.report.tiles == one.report.tiles


def test_a_result_says_what_it_was_made_of():
    image = random_image(300, 400)
    model = model_of('segmentation')
    task = SegmentationTask(model, overlap=32)
    known = {'camera': camera_for(image), 'pose': nadir_pose(150.0)}
    report = run(task, image, **known).report
    assert (report.status, report.reason, report.task) == ('ok', '', 'segmentation')
    assert report.model.sha256 == model.variant.sha256
    assert (report.model.name, report.model.provider) == ('colour-segmentation', 'cpu')
    assert (report.tiles.height, report.tiles.scale) == (128, pytest.approx(0.5))
    assert report.tiles.gsd_m == 0.3
    assert set(report.latency_ms) == {'cut', 'infer', 'stitch'}


def test_a_plan_is_what_the_card_says():
    plan = plan_for(model_of('scene').card, overlap=12)
    assert plan == TilePlan(128, 128, 12, gsd_m=0.3, dynamic=True, multiple=16, minimum=16)


def test_warming_up_runs_a_full_batch():
    shapes = []

    def answer(tiles):
        shapes.append(tiles.shape)
        return {}

    SceneTask(faked('scene', answer), batch=3).warm_up()
    assert shapes == [(3, 128, 128, 3)]


def test_warming_up_a_broken_model_fails():
    def answer(tiles):
        raise ModelError('inference on tiles failed: no kernel')

    with pytest.raises(ModelError, match='no kernel'):
        SceneTask(faked('scene', answer)).warm_up()


def probabilities(tiles, value):
    return {'probabilities': np.full((len(tiles), 3), value, np.float32)}


def masks(tiles, labels=0, confidence=9):
    shape = tiles.shape[:3]
    return {
        'labels': np.broadcast_to(np.asarray(labels, np.uint8), shape),
        'confidence': np.full(shape, confidence, np.uint8),
    }


def with_stray_id(tiles):
    """A foreign class id next to unknown pixels, which hide it from a look at the maximum."""
    labels = np.zeros(tiles.shape[:3], np.uint8)
    labels[:, 0, 0] = 255
    labels[:, 0, 1] = 3
    return masks(tiles, labels)


def out_of_memory(tiles):
    raise ModelError('inference on tiles (1, 128, 128, 3) failed: out of memory')


@pytest.mark.parametrize(
    ('task', 'answer', 'message'),
    [
        ('scene', out_of_memory, 'out of memory'),
        (
            'scene',
            lambda tiles: {'probabilities': np.zeros((1, 4), np.float32)},
            r"output 'probabilities' has shape (1, 4); expected (1, 3)",
        ),
        ('scene', lambda tiles: probabilities(tiles, np.nan), 'found probabilities from nan'),
        ('scene', lambda tiles: probabilities(tiles, np.inf), 'found probabilities from inf'),
        ('scene', lambda tiles: probabilities(tiles, 7.5), 'from 7.5 to 7.5; expected finite'),
        ('scene', lambda tiles: probabilities(tiles, -0.5), 'from -0.5'),
        ('segmentation', out_of_memory, 'out of memory'),
        (
            'segmentation',
            lambda tiles: masks(tiles[:, :64]),
            r"output 'labels' has shape (1, 64, 128); expected (1, 128, 128)",
        ),
        (
            'segmentation',
            lambda tiles: {**masks(tiles), 'confidence': np.zeros((1, 1, 1), np.uint8)},
            "output 'confidence' has shape (1, 1, 1)",
        ),
        ('segmentation', lambda tiles: masks(tiles, 3), 'found class id 3; the card names 3'),
        ('segmentation', lambda tiles: masks(tiles, 254), 'found class id 254'),
        ('segmentation', with_stray_id, 'found class id 3; the card names 3 classes'),
    ],
)
def test_a_failing_model_gives_a_failed_result_with_the_reason(task, answer, message):
    kind = {'scene': SceneTask, 'segmentation': SegmentationTask}[task]
    result = run(kind(faked(task, answer)), random_image(128, 128))
    assert result.report.status == 'failed'
    assert message in result.report.reason
    assert result.report.model.name == f'colour-{task}'
    assert result.report.tiles is None
    if task == 'scene':
        assert len(result.probabilities) == len(result.boxes) == 0
    else:
        assert result.labels.shape == result.confidence.shape == (0, 0)
    assert result.classes == ('red', 'green', 'blue')


def test_pixels_that_a_model_does_not_know_are_no_failure():
    result = run(
        SegmentationTask(faked('segmentation', lambda tiles: masks(tiles, 255))),
        random_image(128, 128),
    )
    assert result.report.status == 'degraded'
    assert (result.labels == 255).all()


def test_what_int8_rounds_beyond_one_is_no_failure():
    result = run(SceneTask(faked('scene', lambda t: probabilities(t, 1.004))), random_image(9, 9))
    assert result.report.status == 'degraded'


def test_a_task_recovers_after_a_failure_and_after_other_frame_sizes():
    answers = iter([out_of_memory, masks, masks])

    def answer(tiles):
        return next(answers)(tiles)

    task = SegmentationTask(faked('segmentation', answer))
    found = [run(task, random_image(*size)).report.status for size in ((128, 128), (40, 20))]
    assert found == ['failed', 'degraded']
    result = run(task, random_image(17, 128))
    assert result.labels.shape == (17, 128)
