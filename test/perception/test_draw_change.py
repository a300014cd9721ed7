# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Changes drawn where they are: outlines, hatching, and the picture beside the map."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from flown_maps import PictureMap, fly, photograph, pose_above
from small_frames import model_of, nadir_pose

from rs_onboard.geo.reference.view import ReferenceMap
from rs_onboard.perception.change_picture import render_change, summary
from rs_onboard.perception.draw_change import (
    CANDIDATE,
    CONFIRMED,
    area_text,
    draw_regions,
    hatch_unseen,
    label_of,
    label_regions,
)
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.lettering import Style
from rs_onboard.perception.map_change import ChangeLimits, MapChangeTask
from rs_onboard.perception.overlay import render_overlay

POSE = pose_above(nadir_pose(60.0))


@pytest.fixture(scope='module')
def flown():
    """Return a frame with a building that the map does not show, its changes, and the map."""
    ground = photograph()
    now = ground.copy()
    now[400:450, 500:580] = (250, 40, 40)
    seen = np.ones(ground.shape[:2], bool)
    seen[:, 620:] = False
    limits = ChangeLimits(candidates=True, threshold=0.4, min_area_m2=40.0)
    task = MapChangeTask(model_of('change'), ReferenceMap(PictureMap(ground, seen=seen)), limits)
    frame = fly(now, POSE)
    result = task.run(frame)
    assert len(result.regions) == 1
    return frame, result, task.before


def is_colour(picture, colour):
    return (np.abs(picture.astype(int) - colour) < 12).all(axis=2)


def confirmed(result):
    (region,) = result.regions
    place = dataclasses.replace(region.place, confirmed=True, looks=3, finds=3)
    return dataclasses.replace(result, regions=(dataclasses.replace(region, place=place),))


@pytest.mark.parametrize('scale', [1.0, 2.5])
def test_outlines_lie_on_the_border_of_their_region_in_the_colour_of_their_worth(flown, scale):
    frame, result, _ = flown
    size = tuple(round(side * scale) for side in frame.image.shape[:2])
    for item, colour in ((result, CANDIDATE), (confirmed(result), CONFIRMED)):
        canvas = np.zeros((*size, 3), np.uint8)
        draw_regions(canvas, (scale, scale), item, tinted=False)
        rows, columns = np.nonzero(is_colour(canvas, colour))
        left, top, width, height = (side * scale for side in item.regions[0].box)
        assert (rows.min(), columns.min()) == pytest.approx((top, left), abs=3)
        assert (rows.max(), columns.max()) == pytest.approx((top + height, left + width), abs=3)


def test_a_tint_covers_the_inside_alone(flown):
    _, result, _ = flown
    canvas = np.full((240, 320, 3), 100, np.uint8)
    draw_regions(canvas, (1.0, 1.0), confirmed(result))
    left, top, width, height = result.regions[0].box
    middle = canvas[int(top + height / 2), int(left + width / 2)]
    assert middle[0] > middle[1]
    assert (canvas[0, 0] == 100).all()


def test_what_was_not_compared_is_hatched_and_the_rest_stays(flown):
    frame, result, _ = flown
    canvas = frame.image.copy()
    hatch_unseen(canvas, result.seen)
    np.testing.assert_array_equal(canvas[result.seen], frame.image[result.seen])
    assert (canvas[~result.seen] == 110).all(axis=1).mean() == pytest.approx(0.2, abs=0.05)


def test_labels_say_number_area_and_score_and_of_a_candidate_its_looks(flown):
    _, result, _ = flown
    (region,) = result.regions
    assert label_of(region) == (f'#1 {region.place.area_m2:.0f} m2 {region.mean_score:.0%} 1/1')
    assert not label_of(confirmed(result).regions[0]).endswith('3/3')
    assert label_of(dataclasses.replace(region, place=None)) == f'{region.mean_score:.0%}'
    assert (area_text(9999.0), area_text(12_300.0)) == ('9999 m2', '1.2 ha')
    canvas = np.zeros((240, 320, 3), np.uint8)
    label_regions(canvas, (1.0, 1.0), result, Style(11))
    assert canvas.any()


def test_the_picture_shows_frame_and_map_in_register(flown):
    frame, result, before = flown
    picture = render_change(result, frame.image, before, max_width=800)
    assert picture.shape[1] == 800
    height = round(240 * 396 / 320)
    now, then = picture[:height, :390], picture[:height, 410:]
    assert is_colour(now, CANDIDATE).sum() > 100
    assert is_colour(then, CANDIDATE).sum() > 100
    # The building is red on the left and not on the right.
    assert is_colour(now, (250, 40, 40)).sum() <= (now[..., 0] > 200).sum()
    assert (now[..., 0].astype(int) - now[..., 1] > 90).sum() > 2 * (
        then[..., 0].astype(int) - then[..., 1] > 90
    ).sum()


def test_without_a_match_the_picture_says_why(flown):
    frame, _, _ = flown
    ground = photograph()
    task = MapChangeTask(model_of('change'), ReferenceMap(PictureMap(ground)), ChangeLimits())
    result = task.run(dataclasses.replace(frame, pose=None, pose_reason='position stale'))
    assert task.before is None
    picture = render_change(result, frame.image, None, max_width=640)
    assert picture.shape[1] == 640
    assert summary(result) == ''


def test_the_summary_has_regions_and_the_quality_of_the_registration(flown):
    _, result, _ = flown
    text = summary(result)
    assert text.startswith('1 regions, ')
    assert 'matches to' in text
    assert 'pose off by' in text


def test_the_overlay_of_a_frame_has_its_changes(flown):
    frame, result, _ = flown
    results = FrameResults(frame.header, frame, {'change': result})
    with_changes = render_overlay(results, frame.image)
    assert is_colour(with_changes, CANDIDATE).sum() > 100
