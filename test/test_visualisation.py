# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What the layouts for Foxglove and RViz show is what the graph publishes."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.nodes.foxglove_messages import ANNOTATIONS, GEOJSON
from rs_onboard.nodes.latency import LatencyMonitor
from rs_onboard.nodes.result_messages import report_message
from rs_onboard.nodes.topics import all_topics
from rs_onboard.perception.frame import FrameHeader
from rs_onboard.perception.frame_results import FrameResults
from rs_onboard.perception.results import TaskReport

FOLDER = Path(__file__).resolve().parents[1] / 'visualisation'
TOPICS = {f'/{topic.topic.lstrip("/")}': topic.type_name for topic in all_topics()}
FOXGLOVE_TOPICS = {
    f'/{ANNOTATIONS}': 'foxglove_msgs/msg/ImageAnnotations',
    f'/{GEOJSON}': 'foxglove_msgs/msg/GeoJSON',
}
PICTURES = {'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'}
ANNOTATIONS_OF_THE_PANEL = {
    'foxglove_msgs/msg/ImageAnnotations',
    'visualization_msgs/msg/ImageMarker',
}
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'


@pytest.fixture(scope='module')
def layout():
    return json.loads((FOLDER / 'foxglove.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def rviz():
    return yaml.safe_load((FOLDER / 'rs_onboard.rviz').read_text(encoding='utf-8'))


def placed(node):
    """Yield the panels of a layout's tree."""
    if isinstance(node, str):
        yield node
    elif node is not None:
        assert set(node) == {'first', 'second', 'direction', 'splitPercentage'}
        assert node['direction'] in {'row', 'column'}
        assert 5 <= node['splitPercentage'] <= 95
        yield from placed(node['first'])
        yield from placed(node['second'])


def panels(layout, kind):
    return [value for name, value in layout['configById'].items() if name.startswith(f'{kind}!')]


def test_every_panel_has_a_place_and_every_place_a_panel(layout):
    tabs = [tab['layout'] for panel in panels(layout, 'Tab') for tab in panel['tabs']]
    shown = [name for tree in (layout['layout'], *tabs) for name in placed(tree)]
    assert sorted(shown) == sorted(layout['configById'])


def test_pictures_and_what_lies_over_them_are_published(layout):
    for panel in panels(layout, 'Image'):
        mode = panel['imageMode']
        assert TOPICS[mode['imageTopic']] in PICTURES
        for topic in mode.get('annotations', {}):
            assert {**TOPICS, **FOXGLOVE_TOPICS}[topic] in ANNOTATIONS_OF_THE_PANEL


def test_the_map_has_what_it_can_draw(layout):
    (panel,) = panels(layout, 'map')
    drawable = {'sensor_msgs/msg/NavSatFix', 'foxglove_msgs/msg/GeoJSON'}
    everything = {**TOPICS, **FOXGLOVE_TOPICS}
    assert {everything[topic] for topic in panel['topicColors']} == drawable
    assert TOPICS[panel['followTopic']] == 'sensor_msgs/msg/NavSatFix'


def test_plots_and_states_name_values_that_are_published(layout):
    report = TaskReport('scene', 'ok', latency_ms={'infer': 1.0})
    header = FrameHeader(0, 'camera', 0, 1, 1)
    monitor = LatencyMonitor('publisher', logging.getLogger('test'))
    monitor.take(FrameResults(header, None, {}, latency_ms=20.0), [], 0)
    statuses = {'[0]': report_message(header, report).status[0]}
    statuses['[:]{name=="publisher: latency"}'] = monitor.entry()
    paths = [
        path
        for kind in ('Plot', 'StateTransitions')
        for panel in panels(layout, kind)
        for path in panel['paths']
    ]
    assert len(paths) == 9
    for path in paths:
        pattern = r'(/[a-z_/]+)\.status(.+)\.values\[:\]\{key=="([a-z_.]+)"\}\.value'
        topic, selected, key = re.fullmatch(pattern, path['value']).groups()
        assert TOPICS[topic] == DIAGNOSTICS
        if 'name' in selected:
            assert statuses[selected].name in selected
        assert key in {item.key for item in statuses[selected].values}


def test_diagnostics_and_messages_are_published(layout):
    for kind in ('DiagnosticSummary', 'DiagnosticStatusPanel'):
        for panel in panels(layout, kind):
            assert TOPICS[panel['topicToRender']] == DIAGNOSTICS
    for panel in panels(layout, 'RawMessages'):
        assert panel['topicPath'] in TOPICS


def test_rviz_shows_published_pictures_as_reliably_as_they_are_sent(rviz):
    displays = rviz['Visualization Manager']['Displays']
    assert len({display['Name'] for display in displays}) == len(displays) == 4
    for display in displays:
        assert display['Class'] == 'rviz_default_plugins/Image'
        assert TOPICS[display['Topic']['Value']] in PICTURES
        assert display['Topic']['Reliability Policy'] == 'Reliable'


def test_both_are_installed_with_the_package():
    assert "*shared('visualisation', '*')" in (FOLDER.parent / 'setup.py').read_text('utf-8')
