# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle and parameters of the nodes: failures are reasons, never exceptions."""

from __future__ import annotations

import inspect
import re
import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from rs_onboard.nodes import watched_node
from rs_onboard.nodes.camera import CameraNode
from rs_onboard.nodes.change import ChangeNode
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.publisher import PublisherNode
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.segmentation import SegmentationNode
from rs_onboard.nodes.start import bring_up
from rs_onboard.nodes.tiler import TilerNode


@pytest.fixture
def make(ros):
    """Make nodes with parameters; they are destroyed after the test."""
    made = []

    def node(kind, **values):
        parameters = [
            Parameter(name.replace('__', '.'), value=value) for name, value in values.items()
        ]
        made.append(kind(parameter_overrides=parameters))
        return made[-1]

    yield node
    for item in made:
        item.halt()
        item.release()
        item.destroy_node()


def test_a_missing_model_fails_configure_with_a_reason_and_can_be_mended(make, colours):
    node = make(SceneNode, scene__model='no/such/folder')
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert "model 'no/such/folder': no such folder" in node.fault
    assert node.diagnostic().level == DiagnosticStatus.ERROR
    assert node.diagnostic().message == node.fault
    result = node.set_parameters([Parameter('scene.model', value=colours['scene.model'])])
    assert result[0].successful, result[0].reason
    node.trigger_configure()
    assert node.state == 'inactive'
    assert node.fault == ''


def test_a_tampered_model_is_refused_in_configure(make, colours, tmp_path):
    folder = shutil.copytree(colours['scene.model'], tmp_path / 'model')
    graph = bytearray((folder / 'fp32.onnx').read_bytes())
    graph[-20] ^= 1
    (folder / 'fp32.onnx').write_bytes(graph)
    node = make(SceneNode, scene__model=str(folder))
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert 'sha256' in node.fault
    assert 'the card says' in node.fault


def test_a_model_of_another_task_is_refused_in_configure(make, colours):
    node = make(SceneNode, scene__model=colours['segmentation.model'])
    node.trigger_configure()
    assert 'found a model for segmentation; expected one for scene' in node.fault


def test_a_provider_that_cannot_be_had_is_refused_by_default(make, colours):
    node = make(SceneNode, scene__model=colours['scene.model'], provider='acl')
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert "provider 'acl' cannot be had" in node.fault


def test_a_provider_that_cannot_be_had_is_warned_about_when_allowed(make, colours):
    node = make(
        SceneNode, scene__model=colours['scene.model'], provider='acl', provider_policy='warn'
    )
    node.trigger_configure()
    assert node.state == 'inactive'
    diagnostic = node.diagnostic()
    assert diagnostic.level == DiagnosticStatus.WARN
    assert 'acl cannot be had' in diagnostic.message
    assert {v.key: v.value for v in diagnostic.values}['provider'] == 'cpu'


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'scene__modle': 'x'}, "parameter scene.modle: unknown; .* Did you mean 'scene.model'"),
        ({'threads': -1}, 'parameter threads: found -1; expected a whole number from 0 to 256'),
        ({'threads': 1.5}, 'parameter threads: found 1.5; expected a whole number'),
        ({'provider': 'gpu'}, "parameter provider: found 'gpu'; expected one of 'auto', 'cpu'"),
    ],
)
def test_a_wrong_parameter_fails_configure_and_names_what_is_allowed(make, values, message):
    node = make(SceneNode, **values)
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert re.search(message, node.fault), node.fault


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'image_topic': 'my topic!'}, "parameter image_topic: found 'my topic!'; expected the na"),
        ({'fix_topic': ''}, "parameter fix_topic: found ''; expected the name of a topic"),
        ({'camera_mount_rpy_deg': 'nan 0 0'}, "camera_mount_rpy_deg: found 'nan 0 0'; expected"),
        ({'camera_mount_rpy_deg': '0 90'}, "camera_mount_rpy_deg: found '0 90'; expected three"),
        ({'segmentation__overlap': 4096}, 'found an overlap of 4096 px'),
    ],
)
def test_a_value_that_means_nothing_fails_configure_and_is_named(make, colours, values, message):
    models = {name.replace('.', '__'): value for name, value in colours.items()}
    node = make(TilerNode, **{**models, **values})
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert message in node.fault


def test_a_camera_without_source_says_what_a_source_is(make):
    node = make(CameraNode)
    node.trigger_configure()
    assert 'parameter source: found nothing; expected a device' in node.fault


@pytest.mark.parametrize('source', ['/no/such/folder', 'gst: nosuchelement ! appsink'])
def test_a_camera_with_a_bad_source_fails_and_names_it(make, source):
    node = make(CameraNode, source=source)
    node.trigger_configure()
    assert node.state == 'unconfigured'
    assert source.split()[-1].split('/')[-1] in node.fault or 'GStreamer' in node.fault


def test_a_device_that_is_not_there_is_waited_for_and_said(graph, ros):
    node = CameraNode(parameter_overrides=[Parameter('source', value='/dev/video987')])
    flown = graph([node])
    assert bring_up([node])
    flown.wait(lambda: node.diagnostic().level == DiagnosticStatus.STALE, 'the warning')
    assert '/dev/video987' in node.diagnostic().message
    assert 'reopening' in node.diagnostic().message


def test_live_parameters_change_at_once_and_all_or_none(make, colours):
    node = make(
        PublisherNode,
        scene__model=colours['scene.model'],
        segmentation__model=colours['segmentation.model'],
    )
    node.trigger_configure()
    assert node.state == 'inactive', node.fault
    changes = [Parameter('overlay_width', value=320), Parameter('overlay_quality', value=101)]
    result = node.set_parameters_atomically(changes)
    assert not result.successful
    assert 'overlay_quality' in result.reason
    assert node.settings.overlay_width == 1280
    assert node.set_parameters([Parameter('overlay_width', value=320)])[0].successful
    assert node.settings.overlay_width == 320


def test_a_live_age_limit_holds_for_the_next_frame(make, colours):
    models = {name.replace('.', '__'): value for name, value in colours.items()}
    node = make(TilerNode, **models, pose_wait_ms=0.0)
    node.trigger_configure()
    node.trigger_activate()
    assert node.state == 'active', node.fault
    frames = []
    node.exchange.connect(node.resolve_topic_name('frames'), frames.append)
    old = Image(height=1, width=1, step=3, encoding='rgb8', data=[1, 2, 3])

    def sent(stamp_s):
        old.header.stamp.sec = stamp_s
        node._source._on_image(old)
        while node.counts().waiting:
            time.sleep(0.001)
        return node.counts().dropped

    assert sent(1_000_000) == {}
    assert node.set_parameters([Parameter('max_age_s', value=1.0)])[0].successful
    assert sent(1_000_001) == {'too_old': 1}
    assert node.set_parameters([Parameter('max_age_s', value=0.0)])[0].successful
    assert sent(1_000_002) == {'too_old': 1}
    assert len(frames) == 2


def test_other_parameters_are_refused_while_configured_with_the_way_out(make, colours):
    node = make(SceneNode, scene__model=colours['scene.model'])
    node.trigger_configure()
    result = node.set_parameters([Parameter('scene.batch', value=8)])[0]
    assert not result.successful
    assert 'Deactivate and clean up the node first' in result.reason
    assert node.settings.batch == 4


@pytest.mark.parametrize(
    'kind', [CameraNode, TilerNode, SceneNode, SegmentationNode, ChangeNode, PublisherNode]
)
def test_described_parameters_are_those_of_the_settings(make, kind):
    node = make(kind)
    for name, spec in node._specs.items():
        described = node.describe_parameter(name)
        assert described.description == spec.description
        assert node.get_parameter(name).value == spec.default
        if isinstance(spec.default, bool) or spec.low is None:
            continue
        [span] = described.integer_range or described.floating_point_range
        assert (span.from_value, span.to_value) == (spec.low, spec.high)


def test_nodes_can_be_taken_down_and_brought_up_again(graph, colours):
    flown = graph(make_nodes(colours))
    assert bring_up(flown.nodes)
    for node in reversed(flown.nodes):
        node.trigger_deactivate()
        node.trigger_cleanup()
        assert node.state == 'unconfigured'
    assert bring_up(flown.nodes)


def test_diagnostics_are_published_by_every_node_in_every_state(graph, colours):
    nodes = make_nodes({**colours, 'diagnostics_period_s': 0.1, 'autostart': False})
    flown = graph(nodes)
    messages = flown.collect('/diagnostics', DiagnosticArray)
    flown.wait(
        lambda: (
            {m.status[0].name.split(':')[0] for m in messages}
            >= {node.get_name() for node in nodes}
        ),
        'a diagnostic of every node',
    )
    assert all(m.status[0].message == 'unconfigured' for m in messages)


@pytest.mark.parametrize(
    'kind', [CameraNode, TilerNode, SceneNode, SegmentationNode, ChangeNode, PublisherNode]
)
def test_no_attribute_of_a_node_hides_one_that_rclpy_keeps(make, kind):
    """A second meaning of, say, `_subscriptions` breaks the executor far away from its cause."""
    bare = LifecycleNode('bare')
    ours = set(vars(make(kind))) - set(vars(bare))
    theirs = set(vars(bare)) | set(dir(Node))
    bare.destroy_node()
    files = {inspect.getfile(c) for c in kind.__mro__ if c.__module__.startswith('rs_onboard')}
    source = ''.join(Path(file).read_text(encoding='utf-8') for file in files)
    hidden = [name for name in theirs if f'self.{name} =' in source or f'self.{name}:' in source]
    assert ours
    assert hidden == []


def test_a_node_that_waits_for_the_clock_of_a_bag_says_so(make, monkeypatch):
    node = make(TilerNode, use_sim_time=True)
    assert node.diagnostic().level == DiagnosticStatus.OK
    monkeypatch.setattr(watched_node, 'CLOCK_GRACE_S', 0.0)
    assert node.diagnostic().level == DiagnosticStatus.WARN
    assert '/clock' in node.diagnostic().message
