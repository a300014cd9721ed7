# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What Foxglove is given, with a stand-in for its messages: outlines, labels, places."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT
from rs_onboard.nodes.foxglove_messages import (
    ANNOTATIONS,
    GEOJSON,
    MAX_SHAPES,
    annotations_message,
    foxglove_writers,
    geojson_message,
)
from rs_onboard.perception.boxes import corners
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.regions import ChangeRegion, RegionPlace
from rs_onboard.perception.results import ChangeResult, DetectionResult, TaskReport
from rs_onboard.perception.tiles import PixelBox

HEADER = FrameHeader(1_500_000_000, 'camera', 0, 100, 200)

# Fields by type, of the definitions that foxglove_msgs 3.2 has.
FIELDS = {
    'Color': {'r', 'g', 'b', 'a'},
    'Point2': {'x', 'y'},
    'PointsAnnotation': {
        'timestamp',
        'type',
        'points',
        'outline_color',
        'outline_colors',
        'fill_color',
        'thickness',
    },
    'TextAnnotation': {
        'timestamp',
        'position',
        'text',
        'font_size',
        'text_color',
        'background_color',
    },
    'ImageAnnotations': {'circles', 'points', 'texts'},
    'GeoJSON': {'geojson'},
}


def stand_in():
    """Return a module with the messages' names, constants and fields, and no others."""

    def made(name):
        def fill(self, **fields):
            assert set(fields) <= FIELDS[name], (name, fields)
            self.__dict__.update(fields)

        constants = {'LINE_LOOP': 2, 'LINE_LIST': 4} if name == 'PointsAnnotation' else {}
        return type(name, (SimpleNamespace,), {'__init__': fill, **constants})

    return SimpleNamespace(**{name: made(name) for name in FIELDS})


def detections(count=2):
    boxes = np.array([[50, 40, 30, 10, 0.5], [120, 60, 20, 8, -0.2]] * (count // 2), np.float32)
    return DetectionResult(
        HEADER,
        TaskReport('detection', 'ok'),
        ('ship', 'plane'),
        np.array([[255, 0, 0], [0, 0, 255]], np.uint8),
        boxes,
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.arange(count, dtype=np.uint8) % 2,
        np.arange(count, dtype=np.int64),
    )


def changes():
    outline = np.array([[10, 10], [20, 10], [20, 30], [10, 30]], np.float32)
    region = ChangeRegion(200, 0.8, 0.9, PixelBox(10, 10, 10, 20), outline)
    return ChangeResult(
        HEADER, TaskReport('change', 'ok'), np.zeros((100, 200), np.uint8), None, (region,)
    )


def test_objects_and_changes_are_outlined_and_labelled_in_their_colours():
    results = FrameResults(HEADER, None, {'detection': detections(), 'change': changes()})
    message = annotations_message(results, stand_in())
    ship, plane, change = message.points
    assert (ship.type, ship.timestamp.sec, ship.timestamp.nanosec) == (2, 1, 500_000_000)
    assert (ship.outline_color.r, ship.outline_color.g, ship.outline_color.b) == (1.0, 0.0, 0.0)
    assert plane.outline_color.b == 1.0
    # Ours is the centre of a pixel, theirs its corner.
    expected = corners(results.results['detection'].boxes)[0] + 0.5
    assert np.allclose([(p.x, p.y) for p in ship.points], expected)
    assert [(p.x, p.y) for p in change.points] == [(10, 10), (20, 10), (20, 30), (10, 30)]
    assert [text.text for text in message.texts] == ['ship 90%', 'plane 50%', '80%']
    assert all(type(p.x) is float for shape in message.points for p in shape.points)


def test_a_frame_without_findings_clears_what_was_drawn():
    message = annotations_message(FrameResults(HEADER, None, {}), stand_in())
    assert message.points == message.texts == []


def test_a_thousand_objects_do_not_drown_the_panel():
    results = FrameResults(HEADER, None, {'detection': detections(1000)})
    assert len(annotations_message(results, stand_in()).points) == MAX_SHAPES


def test_the_map_gets_what_has_a_place():
    results = FrameResults(HEADER, None, {'detection': detections()})
    collection = json.loads(geojson_message(results, stand_in()).geojson)
    # Without a pose nothing has one, and a Map panel refuses features without.
    assert collection == {'type': 'FeatureCollection', 'features': []}


def test_the_map_names_and_colours_what_it_shows():
    camera = CameraModel(width=200, height=100, fx=150.0, fy=150.0, cx=100.0, cy=50.0)
    pose = Pose(HEADER.stamp_ns, 46.8, -92.0, 200.0, 40.0, NADIR_MOUNT)
    image = np.zeros((100, 200, 3), np.uint8)
    frame = Frame(HEADER, image, camera, pose, '')
    results = FrameResults(HEADER, frame, {'detection': detections()})
    features = json.loads(geojson_message(results, stand_in()).geojson)['features']
    shown = [(f['properties']['name'], f['properties']['style']['color']) for f in features]
    assert shown == [
        ('footprint', '#2c6e8f'),
        ('ship 90%', '#ff0000'),
        ('plane 50%', '#0000ff'),
    ]
    assert all(f['geometry']['type'] == 'Polygon' for f in features)


@pytest.mark.parametrize(
    ('confirmed', 'name', 'colour'),
    [(True, 'change 7 80%', '#ec4054'), (False, 'change 7 80%, not confirmed', '#f5b33c')],
)
def test_changes_on_the_map_say_whether_they_are_confirmed(confirmed, name, colour):
    outline = np.array([[-92.0, 46.8], [-91.9, 46.8], [-91.9, 46.7]])
    place = RegionPlace(outline, 40.0, 7, 3, 3 if confirmed else 1, confirmed)
    found = changes()
    region = replace(found.regions[0], place=place)
    results = FrameResults(HEADER, None, {'change': replace(found, regions=(region,))})
    (feature,) = json.loads(geojson_message(results, stand_in()).geojson)['features']
    assert feature['properties']['name'] == name
    assert feature['properties']['style']['color'] == colour


def test_topics_are_offered_only_where_the_messages_are_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'foxglove_msgs', None)
    monkeypatch.setitem(sys.modules, 'foxglove_msgs.msg', None)
    assert foxglove_writers() == ()
    package, module = ModuleType('foxglove_msgs'), stand_in()
    monkeypatch.setitem(sys.modules, 'foxglove_msgs', package)
    monkeypatch.setitem(sys.modules, 'foxglove_msgs.msg', module)
    writers = foxglove_writers()
    assert [(w.topic, w.message_type) for w in writers] == [
        (ANNOTATIONS, module.ImageAnnotations),
        (GEOJSON, module.GeoJSON),
    ]
    results = FrameResults(HEADER, None, {'detection': detections()})
    assert len(writers[0].convert(results).points) == 2
    assert writers[1].convert(results).geojson
