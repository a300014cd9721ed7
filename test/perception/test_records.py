# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Records are plain JSON."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from small_frames import camera_for, faked, frame_of, model_of, nadir_pose, random_image

from rs_onboard.geo.rotation import multiply
from rs_onboard.inference.errors import ModelError
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.pipeline import Pipeline
from rs_onboard.perception.records import class_shares, without_timing
from rs_onboard.perception.scene import SceneTask
from rs_onboard.perception.segmentation import SegmentationTask


def strict(text):
    """Parse JSON as RFC 8259 has it, without NaN and infinities."""

    def refuse(name):
        raise AssertionError(f'{name} is no JSON')

    return json.loads(text, parse_constant=refuse)


def frame_feature(results):
    feature, *_ = results.collection['features']
    return feature


def area(ring):
    """Signed area of a closed ring: positive where it runs counter-clockwise."""
    x, y = np.array(ring).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


@pytest.fixture(scope='module')
def pipeline():
    return Pipeline([SceneTask(model_of('scene')), SegmentationTask(model_of('segmentation'))])


def flown(pipeline, **changes):
    image = random_image(96, 128)
    frame = frame_of(image, camera=camera_for(image, 400.0), pose=nadir_pose(**changes))
    return pipeline.process(frame)


def test_a_record_holds_pose_models_tiles_and_results(pipeline):
    results = dataclasses.replace(flown(pipeline), latency_ms=12.34567)
    record = strict(json.dumps(results.record))
    assert (record['stamp_ns'], record['frame_id'], record['latency_ms']) == (
        1_000,
        'camera',
        12.346,
    )
    assert (record['pose']['latitude_deg'], record['pose']['gsd_m']) == (46.0, 0.25)
    scene, segmentation = record['scene'], record['segmentation']
    assert scene['status'] == segmentation['status'] == 'ok'
    assert scene['model']['name'] == 'colour-scene'
    assert len(scene['model']['sha256']) == 64
    assert scene['tiles'] == {
        'count': 1,
        'height': 80,
        'width': 112,
        'scale': 0.833333,
        'gsd_m': 0.3,
    }
    names = [entry['name'] for entry in scene['classes']]
    assert sorted(names) == ['blue', 'green', 'red']
    chances = [entry['probability'] for entry in scene['classes']]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1.0, abs=2e-4)
    assert sum(segmentation['shares'].values()) == pytest.approx(1.0, abs=2e-4)
    assert 0.5 < segmentation['mean_confidence'] < 1.0


def test_the_record_and_geojson_of_a_frame_are_made_once_for_all_who_write_them(pipeline):
    results = flown(pipeline)
    assert results.record is results.record
    assert results.collection is results.collection


def test_without_timing_a_record_is_the_same_every_time(pipeline):
    results = dataclasses.replace(flown(pipeline), latency_ms=12.3)
    record = without_timing(results.record)
    again = without_timing(flown(pipeline).record)
    assert record == again
    assert 'latency' not in json.dumps(record)


def test_a_failed_task_has_a_reason_and_no_numbers():
    def answer(tiles):
        raise ModelError('inference failed')

    tasks = [SceneTask(faked('scene', answer)), SegmentationTask(faked('segmentation', answer))]
    record = Pipeline(tasks).process(frame_of(random_image(20, 20))).record
    for task in ('scene', 'segmentation'):
        assert record[task]['status'] == 'failed'
        assert record[task]['reason'] == 'inference failed'
        assert 'tiles' not in record[task]
    assert record['scene']['classes'] == []
    assert record['segmentation']['shares'] == {}
    assert record['segmentation']['mean_confidence'] is None


def test_shares_are_counted_exactly_and_unknown_pixels_named(pipeline):
    result = flown(pipeline).results['segmentation']
    labels = np.repeat(np.array([0, 2, 255], np.uint8), [1, 2, 5]).reshape(2, 4)
    counted = class_shares(dataclasses.replace(result, labels=labels))
    assert counted == {'red': 0.125, 'blue': 0.25, 'unknown': 0.625}


def test_shares_of_a_large_mask_are_exact(pipeline):
    result = flown(pipeline).results['segmentation']
    labels = np.zeros((5000, 5000), np.uint8)
    labels[:, 2500:] = 1
    counted = class_shares(dataclasses.replace(result, labels=labels))
    assert counted == {'red': 0.5, 'green': 0.5}


def test_a_footprint_is_a_closed_counter_clockwise_ring_around_the_vehicle(pipeline):
    feature = strict(json.dumps(frame_feature(flown(pipeline, height_m=100.0))))
    assert (feature['type'], feature['geometry']['type']) == ('Feature', 'Polygon')
    (ring,) = feature['geometry']['coordinates']
    assert ring[0] == ring[-1]
    assert len(ring) == 5
    assert area(ring) > 0
    assert np.mean(ring[:-1], axis=0) == pytest.approx([7.0, 46.0], abs=1e-7)
    # 128 x 96 px of 0.25 m, the nose to the east; a degree of latitude is 111.15 km there.
    north = (max(y for _, y in ring) - min(y for _, y in ring)) * 111_150
    assert north == pytest.approx(32.0, abs=0.02)
    assert 'footprint_unknown' not in feature['properties']


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'height_m': None}, 'height above ground unknown'),
        ({'orientation': None}, 'attitude unknown'),
        ({'orientation': (0.0, 0.0, 0.0, 1.0)}, 'reaches the horizon'),
    ],
)
def test_without_a_footprint_the_geometry_is_null_and_the_reason_given(pipeline, changes, reason):
    feature = strict(json.dumps(frame_feature(flown(pipeline, **changes))))
    assert feature['geometry'] is None
    assert reason in feature['properties']['footprint_unknown']


def test_of_a_view_of_the_horizon_the_ground_that_is_seen_is_drawn(pipeline):
    level = {'orientation': (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))}
    results = flown(pipeline, **level)
    feature = strict(json.dumps(frame_feature(results)))
    assert feature['geometry']['type'] == 'Polygon'
    assert 'reaches the horizon' in feature['properties']['footprint_unknown']
    (ring,) = feature['geometry']['coordinates']
    assert area(ring) > 0
    assert 'corners' not in results.record['footprint']


def test_results_without_their_frame_say_so(pipeline):
    results = flown(pipeline)
    alone = FrameResults(results.header, None, results.results)
    feature = strict(json.dumps(frame_feature(alone)))
    assert feature['geometry'] is None
    assert feature['properties']['pose'] == {'unknown': 'frame not at hand'}


def test_a_frame_without_pose_names_the_reason(pipeline):
    frame = frame_of(random_image(20, 20), reason='position never received')
    assert pipeline.process(frame).record['pose'] == {'unknown': 'position never received'}


@pytest.mark.parametrize('longitude', [179.9999, -179.9999])
def test_a_footprint_over_the_date_line_is_cut_in_two(pipeline, longitude):
    whole = frame_feature(flown(pipeline))['geometry']
    (expected,) = whole['coordinates']
    geometry = frame_feature(flown(pipeline, longitude_deg=longitude))['geometry']
    assert geometry['type'] == 'MultiPolygon'
    rings = [ring for (ring,) in geometry['coordinates']]
    assert len(rings) == 2
    assert all(ring[0] == ring[-1] and area(ring) > 0 for ring in rings)
    longitudes = [x for ring in rings for x, _ in ring]
    assert (min(longitudes), max(longitudes)) == (-180.0, 180.0)
    assert sum(map(area, rings)) == pytest.approx(area(expected), rel=1e-3)


def test_a_footprint_beyond_the_date_line_lies_on_the_other_side(pipeline):
    image = random_image(96, 128)
    # Tilted by 25 degrees to the east, so that the ground in view lies ahead.
    east = nadir_pose(2000.0, longitude_deg=179.9999)
    turn = math.radians(25.0) / 2
    tilted = multiply((0.0, -math.sin(turn), 0.0, math.cos(turn)), east.orientation)
    pose = dataclasses.replace(east, orientation=tilted)
    frame = frame_of(image, camera=camera_for(image, 900.0), pose=pose)
    geometry = frame_feature(pipeline.process(frame))['geometry']
    assert geometry['type'] == 'Polygon'
    (ring,) = geometry['coordinates']
    assert area(ring) > 0
    assert all(-180.0 <= x < -179.9 for x, _ in ring)
