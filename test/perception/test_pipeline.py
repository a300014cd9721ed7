# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The lock-step pipeline gives the same bytes for the same frames, and keeps tasks apart."""

from __future__ import annotations

import json

import numpy as np
from small_frames import camera_for, faked, frame_of, model_of, nadir_pose, random_image

from rs_onboard.inference.errors import ModelError
from rs_onboard.perception.pipeline import Pipeline
from rs_onboard.perception.records import without_timing
from rs_onboard.perception.scene import SceneTask
from rs_onboard.perception.segmentation import SegmentationTask


def tasks():
    return [
        SceneTask(model_of('scene'), batch=2),
        SegmentationTask(model_of('segmentation'), overlap=24),
    ]


def frames():
    for seed, size in enumerate([(300, 400), (64, 64), (131, 129), (300, 400)]):
        image = random_image(*size, seed)
        pose = nadir_pose(60.0 + 60.0 * seed) if seed % 2 else None
        yield frame_of(image, camera=camera_for(image), pose=pose, stamp_ns=seed)


def bytes_of(results):
    scene, segmentation = results.results['scene'], results.results['segmentation']
    arrays = (
        scene.probabilities,
        scene.tile_classes,
        scene.tile_scores,
        scene.boxes,
        segmentation.labels,
        segmentation.confidence,
    )
    return [(array.dtype, array.shape, array.tobytes()) for array in arrays]


def test_the_same_frames_give_the_same_bytes_in_any_pipeline():
    first, second = Pipeline(tasks()), Pipeline(tasks())
    for frame in frames():
        before = frame.image.copy()
        once, again = first.process(frame), second.process(frame)
        assert bytes_of(once) == bytes_of(again) == bytes_of(first.process(frame))
        records = [json.dumps(without_timing(r.record)) for r in (once, again)]
        assert records[0] == records[1]
        assert (frame.image == before).all()


def test_results_carry_the_frame_and_come_in_the_order_of_the_tasks():
    (frame, *_) = frames()
    results = Pipeline(tasks()[::-1]).process(frame)
    assert list(results.results) == ['segmentation', 'scene']
    assert results.frame is frame
    assert all(result.header is frame.header for result in results.results.values())


def test_results_stay_as_they_are_when_the_next_frame_comes():
    pipeline = Pipeline(tasks())
    first, second, *_ = frames()
    results = pipeline.process(first)
    kept = bytes_of(results)
    pipeline.process(second)
    assert bytes_of(results) == kept


def test_a_task_that_fails_leaves_the_others_alone():
    def answer(tiles):
        raise ModelError('inference failed: device lost')

    whole = tasks()
    broken = Pipeline([SceneTask(faked('scene', answer)), whole[1]])
    (frame, *_) = frames()
    results = broken.process(frame)
    assert results.results['scene'].report.status == 'failed'
    expected = Pipeline(whole).process(frame).results['segmentation']
    found = results.results['segmentation']
    assert found.report.status == 'degraded'
    assert (found.labels == expected.labels).all()


def test_a_pipeline_without_tasks_gives_empty_results():
    (frame, *_) = frames()
    assert dict(Pipeline([]).process(frame).results) == {}


def test_labels_at_another_scale_are_those_of_the_resampled_frame():
    image = np.zeros((200, 200, 3), np.uint8)
    image[:, :100, 0] = 200
    image[:, 100:, 2] = 200
    frame = frame_of(image, camera=camera_for(image), pose=nadir_pose(150.0))
    result = Pipeline(tasks()).process(frame).results['segmentation']
    assert result.report.tiles.scale == 0.5
    assert (result.labels == image.argmax(axis=2)).all()
