# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The status command hears every node of a running graph."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from rs_onboard.cli.status import listen, report
from rs_onboard.nodes.process import make_nodes


def test_every_entry_of_a_running_graph_is_heard(graph, colours):
    graph(make_nodes({**colours, 'diagnostics_period_s': 0.1, 'provider': 'acl'}))
    entries = {}
    for _ in range(5):
        entries |= {entry.name: entry for entry in listen(2.0)}
        if len(entries) >= 6:
            break
    wanted = {'tiler', 'scene', 'segmentation', 'publisher'}
    assert wanted | {'publisher: latency', 'publisher: machine'} <= set(entries)
    assert entries['scene'].values['state'] == 'unconfigured'
    assert len(report(entries.values())) >= len(entries)
