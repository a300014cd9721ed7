# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Every entry that the nodes publish falls into one group of the aggregator."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from analyzers import analyzers, groups_of

from rs_onboard.nodes.settings import NODE_SETTINGS


@pytest.mark.parametrize('namespace', ['', 'front/', 'drone_1/rear/'])
def test_every_node_and_every_further_entry_has_one_group(namespace):
    entries = [f'{name}: perception' for name in NODE_SETTINGS]
    entries += ['publisher: latency', 'publisher: machine', 'tiler: latency budget']
    groups = [groups_of(namespace + entry) for entry in entries]
    assert all(len(found) == 1 for found in groups), dict(zip(entries, groups, strict=True))
    assert {found[0] for found in groups} == set(analyzers())


@pytest.mark.parametrize('name', ['mavros: FCU connection', 'usb_cam: frequency', 'scene/report'])
def test_entries_of_others_have_none(name):
    assert groups_of(name) == []


def test_every_group_says_what_the_aggregator_needs():
    for settings in analyzers().values():
        assert settings['type'] == 'diagnostic_aggregator/GenericAnalyzer'
        assert settings['path']
        assert settings['timeout'] > 1.0
