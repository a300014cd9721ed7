# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Change detection in flight is measured against the same ground laid upon itself."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.inference.model import load_model
from rs_onboard.training.data.sample import IGNORE, Sample
from rs_onboard.training.errors import DataError
from rs_onboard.training.evaluation.flown import FADE, fly_over, lay_out, settled, summary_lines
from rs_onboard.training.evaluation.simulated_flight import Disturbance

DATA = Path(__file__).parents[1] / 'data'
GSD = 0.5
SIDE = 240


def pairs(*, built=True):
    """Cut four pairs of a photograph; in the later ones a red roof stands."""
    picture = cv2.imread(str(DATA / 'images' / 'aerial.jpg'))[:, :, ::-1]
    large = cv2.resize(picture, (640, 480), interpolation=cv2.INTER_CUBIC)
    found = []
    for number, (x, y) in enumerate([(0, 0), (390, 0), (0, 230), (390, 230)]):
        before = np.ascontiguousarray(large[y : y + SIDE, x : x + SIDE])
        after, mask = before.copy(), np.zeros((SIDE, SIDE), np.uint8)
        if built:
            place = np.s_[90:140, 100:150]
            after[place], mask[place] = (250, 30, 30), 1
        found.append(Sample(str(number), after, mask=mask, before=before))
    return found


@pytest.fixture(scope='module')
def model():
    return load_model(DATA / 'models' / 'colour-change', task='change')


def test_pairs_lie_side_by_side_with_labels_but_where_they_fade(model):
    sheet = lay_out(pairs(), GSD)
    side = 2 * (SIDE - FADE) + FADE
    assert sheet.labels.shape == (side, side)
    assert sheet.before.image.shape == sheet.after.image.shape == (side, side, 3)
    assert (sheet.labels == 1).sum() == 4 * 50 * 50
    assert (sheet.labels[:FADE] == IGNORE).all()
    assert (sheet.labels[SIDE - FADE : SIDE] == IGNORE).all()
    np.testing.assert_array_equal(
        sheet.before.image[FADE : SIDE - FADE, FADE : SIDE - FADE],
        pairs()[0].before[FADE : SIDE - FADE, FADE : SIDE - FADE],
    )
    few = lay_out(pairs(), GSD, most=1)
    assert few.labels.shape == (SIDE, SIDE)


def test_dates_that_lie_beside_one_another_are_shifted_together():
    sample = pairs(built=False)[1]
    shifted = np.roll(sample.before, (3, -2), axis=(0, 1))
    moved = settled(Sample('s', sample.image, mask=sample.mask, before=shifted))
    inner = np.s_[20:-20, 20:-20]
    np.testing.assert_array_equal(moved[inner], sample.image[inner])
    np.testing.assert_array_equal(settled(sample), sample.before)
    other = pairs(built=False)[2].image
    kept = settled(Sample('o', other, mask=sample.mask, before=sample.before))
    np.testing.assert_array_equal(kept, sample.before)


def test_changes_are_found_in_flight_as_on_the_ground(model):
    score = fly_over(
        lay_out(pairs(), GSD), model, Disturbance().scaled(0.3), frames=12, size=(640, 400)
    )
    record = score.record()
    assert record['frames'] == 12
    assert record['registered'] >= 10
    assert record['aligned']['f1'] > 60
    assert abs(record['f1_lost']) < 12
    assert record['regions'] > 0
    assert record['error_px']['p50'] < 2.0 < record['error_px_by_pose']['p50']
    assert json.loads(json.dumps(record)) == record
    lines = summary_lines(score)
    assert lines[0].startswith('12 frames: ')
    assert any('f1 lost to flying' in line for line in lines)


def test_over_unchanged_ground_nothing_is_reported(model):
    score = fly_over(
        lay_out(pairs(built=False), GSD),
        model,
        Disturbance().scaled(0.3),
        frames=6,
        size=(640, 400),
    )
    assert score.states['registered'] >= 5
    assert score.false_regions == 0
    record = score.record()
    assert record['false_regions_per_100_frames'] == 0.0
    # Where nothing changed there is no F1, and JSON knows no NaN.
    assert record['f1_lost'] is None
    json.dumps(record, allow_nan=False)
    assert 'f1 lost to flying unknown points' in summary_lines(score)


def test_pairs_that_cannot_lie_side_by_side_are_named():
    one, two = pairs()[:2]
    narrow = Sample('narrow', two.image[:, :200], mask=two.mask[:, :200], before=two.image[:, :200])
    with pytest.raises(DataError, match='narrow: 200x240 px; expected squares of 240 px'):
        lay_out([one, narrow], GSD)
    with pytest.raises(DataError, match='no pair to fly over'):
        lay_out([], GSD)
