# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation runs the exported graph through the flight code and counts image by image."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from small_sets import class_folders

from rs_onboard.inference.model import load_model
from rs_onboard.perception.detection import DetectionLimits
from rs_onboard.training.average_precision import Objects
from rs_onboard.training.data.class_folders import load_class_folders
from rs_onboard.training.data.sample import Sample
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluation import measure
from rs_onboard.training.evaluation.measure import LEAST_SCORE, Runner, evaluate
from rs_onboard.training.evaluation.pictures import contact_sheet, draw_failure
from rs_onboard.training.evaluation.summary import summarise

MODELS = Path(__file__).parents[1] / 'data' / 'models'
PALETTE = np.array(((255, 0, 0), (0, 255, 0), (0, 0, 255)), np.uint8)


def model_of(task):
    return load_model(MODELS / f'colour-{task}', task=task)


@pytest.fixture
def scenes(tmp_path):
    return list(load_class_folders(class_folders(tmp_path), ['test']).splits['test'])


def test_scenes_are_judged_by_their_most_probable_class_and_mistakes_are_named(scenes):
    right = evaluate(model_of('scene'), scenes)
    assert len(right.scores) == 4
    assert right.figures['accuracy'] == 1
    assert right.intervals['accuracy'] == (1, 1)
    assert right.worst == ()
    scenes[0] = dataclasses.replace(scenes[0], label=2)
    wrong = evaluate(model_of('scene'), scenes)
    assert wrong.figures['accuracy'] == 0.75
    assert wrong.intervals['accuracy'][0] < 0.75 < wrong.intervals['accuracy'][1]
    (worst,) = wrong.worst
    assert worst.name == scenes[0].name
    assert worst.text.startswith('blue taken for red')
    assert wrong.confusions(3) == ['blue is taken for red (100% of it)']


def test_classes_the_model_does_not_know_are_wrong_whatever_it_answers(scenes):
    scenes[0] = dataclasses.replace(scenes[0], label=3)
    classes = ('red', 'green', 'blue', 'purple')
    result = evaluate(model_of('scene'), scenes, classes=classes)
    assert result.figures['accuracy'] == 0.75
    assert result.by_class['recall'][3] == 0
    assert result.by_class['truth'].tolist() == [1, 2, 0, 1]
    assert result.confusions(1) == ['purple is taken for red (100% of it)']
    # Over red, green and purple; no image is blue.
    assert result.figures['mean_f1'] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_sets_are_also_summarised_each_by_itself(scenes):
    named = [
        dataclasses.replace(sample, origin='here' if i % 2 else 'there', label=(0, 0, 1, 2)[i])
        for i, sample in enumerate(scenes)
    ]
    quality = evaluate(model_of('scene'), named).quality()
    assert quality['accuracy'] == 0.75
    assert (quality['accuracy_here'], quality['accuracy_there']) == (0.5, 1)
    assert quality['accuracy_here_low'] == 0
    assert quality['accuracy_there_high'] == 1
    assert not evaluate(model_of('scene'), scenes).origins()


def two_colours(side):
    image = np.zeros((side, side, 3), np.uint8)
    image[:, :100, 0] = 200
    image[:, 100:, 1] = 200
    return image


def test_pixels_are_judged_after_tiling_and_unlabelled_ones_have_no_say():
    model = model_of('segmentation')
    side = 2 * model.card.input.height + 10
    mask = np.zeros((side, side), np.uint8)
    mask[:, 100:] = 1
    mask[:, 90:100] = 255
    mask[:5, :10] = 2
    result = evaluate(model, [Sample('a', two_colours(side), mask=mask)])
    labelled = side * (side - 10)
    assert result.confusion.matrix.sum() == labelled
    assert result.figures['overall_accuracy'] == pytest.approx(1 - 50 / labelled)
    assert result.quality()['iou_green'] == 1
    assert result.quality()['iou_blue'] == 0
    assert [(score.name, score.text) for score in result.worst] == [
        ('a', '99.9% of the pixels right')
    ]


def test_an_image_without_a_labelled_pixel_is_no_mistake():
    sample = Sample('a', two_colours(128), mask=np.full((128, 128), 255, np.uint8))
    result = evaluate(model_of('segmentation'), [sample])
    assert result.worst == ()
    assert math.isnan(result.figures['mean_iou'])
    assert 'mean_iou' not in result.quality()


def changed_pair(name, top, *, truth=None):
    before = np.zeros((140, 150, 3), np.uint8)
    after = before.copy()
    after[top : top + 20, 10:30] = 200
    mask = np.zeros((140, 150), np.uint8)
    mask[10:30, 10:30] = 1
    return Sample(name, after, mask=mask if truth is None else truth, before=before)


def test_change_is_judged_by_the_changed_pixels():
    model = model_of('change')
    result = evaluate(model, [changed_pair('right', 10), changed_pair('half', 20)])
    assert result.figures['f1'] == pytest.approx(0.75)
    assert result.figures['precision'] == result.figures['recall'] == pytest.approx(0.75)
    assert result.figures['iou'] == pytest.approx(600 / 1000)
    assert result.figures['overall_accuracy'] == pytest.approx(1 - 400 / (2 * 140 * 150))
    low, high = result.intervals['f1']
    assert (low, high) == (0.5, 1)
    (worst,) = result.worst
    assert (worst.name, worst.text) == ('half', '200 changed px missed, 200 px false')


def test_change_without_any_change_has_no_f1():
    none = np.zeros((140, 150), np.uint8)
    same = dataclasses.replace(
        changed_pair('same', 10, truth=none), before=changed_pair('', 10).image
    )
    result = evaluate(model_of('change'), [same])
    assert math.isnan(result.figures['f1'])
    assert result.figures['overall_accuracy'] == 1


def squares(*corners):
    """An image with bright red squares of 8 x 8 pixels, and the objects they are."""
    image = np.zeros((128, 128, 3), np.uint8)
    boxes = []
    for x, y in corners:
        image[y : y + 8, x : x + 8, 0] = 240
        boxes.append([x + 4, y + 4, 8, 8, 0])
    array = np.array(boxes, np.float64).reshape(-1, 5)
    return image, Objects(array, np.zeros(len(boxes), np.int64), np.zeros(len(boxes), bool))


def test_objects_are_judged_by_oriented_overlap():
    image, objects = squares((0, 0), (40, 80))
    missed, extra = squares((16, 16))
    both = Objects(
        np.vstack([extra.boxes, [[100, 100, 8, 8, 0]]]), np.zeros(2, np.int64), np.zeros(2, bool)
    )
    samples = [Sample('all', image, objects=objects), Sample('some', missed, objects=both)]
    result = evaluate(model_of('detection'), samples)
    assert result.figures['ap50'] == pytest.approx(0.75)
    assert result.by_class['truth'].tolist() == [4, 0, 0]
    assert result.confusion is None
    (worst,) = result.worst
    assert (worst.name, worst.text) == ('some', '1 of 2 objects missed, 0 false')
    assert result.intervals['ap50'] == (0.5, 1)


def test_the_least_score_of_the_average_precision_is_not_that_of_flight(monkeypatch):
    image, objects = squares((0, 0), (40, 80))
    sample = Sample('two', image, objects=objects)
    assert DetectionLimits().score > LEAST_SCORE
    for least, found in ((0.9, 2), (0.95, 0)):
        assert len(Runner(model_of('detection'), least_score=least).run(sample).boxes) == found
        monkeypatch.setattr(measure, 'LEAST_SCORE', least)
        assert evaluate(model_of('detection'), [sample]).figures['ap50'] == found / 2


def test_images_of_known_scale_are_resampled_to_that_of_the_card():
    model = model_of('segmentation')
    sample = Sample('a', two_colours(200), mask=np.zeros((200, 200), np.uint8))
    assert Runner(model).run(sample).report.tiles.scale == 1
    report = Runner(model, gsd_m=0.15).run(sample).report
    assert (report.status, report.tiles.scale) == ('ok', pytest.approx(0.5))
    pair = changed_pair('a', 10)
    report = Runner(model_of('change'), gsd_m=0.25).run(pair).report
    assert (report.status, report.tiles.scale) == ('ok', pytest.approx(0.5))


def test_no_image_is_refused():
    with pytest.raises(DataError, match='no image to be measured on'):
        evaluate(model_of('scene'), [])


def slow_interval(task, classes, scores, name, seed):
    """Pool every draw anew, from scores repeated as often as drawn."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(1000):
        drawn = rng.multinomial(len(scores), np.full(len(scores), 1 / len(scores)))
        chosen = [score for score, times in zip(scores, drawn, strict=True) for _ in range(times)]
        values.append(summarise_once(task, classes, chosen)[name])
    return tuple(np.nanpercentile(values, (2.5, 97.5)))


def summarise_once(task, classes, scores):
    from rs_onboard.training.evaluation.scores import CONFUSION_FIGURES
    from rs_onboard.training.metrics import Confusion

    pooled = Confusion.empty(len(classes))
    for score in scores:
        pooled += score.confusion
    return CONFUSION_FIGURES[task](pooled)


@pytest.mark.parametrize('task', ['scene', 'change'])
def test_intervals_are_those_of_pooling_every_draw_anew(scenes, task):
    if task == 'scene':
        scenes[0] = dataclasses.replace(scenes[0], label=2)
        samples, name = scenes, 'mean_f1'
    else:
        samples, name = [changed_pair(str(top), top) for top in (10, 12, 20, 40)], 'iou'
    result = evaluate(model_of(task), samples, seed=5)
    expected = slow_interval(task, result.classes, result.scores, name, 5)
    assert result.intervals[name] == pytest.approx(expected)
    assert summarise(task, result.classes, result.scores, seed=5).intervals == result.intervals


def test_failures_are_drawn_beside_the_truth():
    samples = [changed_pair('a', 20)]
    image, objects = squares((8, 8))
    samples.append(Sample('b', image[::-1].copy(), objects=objects))
    samples.append(Sample('c', two_colours(128), mask=np.zeros((128, 128), np.uint8)))
    samples.append(Sample('d', two_colours(128), label=2))
    drawn = []
    for task, sample, panes in zip(
        ('change', 'detection', 'segmentation', 'scene'), samples, (3, 2, 3, 1), strict=True
    ):
        model = model_of(task)
        (score,) = evaluate(model, [sample]).worst
        picture = draw_failure(sample, Runner(model).run(sample), score, PALETTE, height=100)
        width = round(sample.image.shape[1] * 100 / sample.image.shape[0])
        assert picture.shape[1] == panes * width + (panes - 1) * 6
        assert picture.shape[0] > 100
        drawn.append(picture)
    sheet = contact_sheet(drawn, width=400)
    assert sheet.shape[1] == 400
    assert sheet.shape[0] >= 2 * drawn[0].shape[0]
