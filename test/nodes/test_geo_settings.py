# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Terrain, areas, mounts and gimbals that cannot be used are one error, and the node stays up."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from geometry_msgs.msg import Vector3, Vector3Stamped
from rclpy.parameter import Parameter

from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.start import bring_up
from rs_onboard.nodes.tiler import TilerNode


@pytest.fixture
def tiler(ros, colours):
    made = []

    def make(**values):
        given = {**colours, **{name.replace('__', '.'): value for name, value in values.items()}}
        parameters = [Parameter(name, value=value) for name, value in given.items()]
        made.append(TilerNode(parameter_overrides=parameters))
        made[-1].trigger_configure()
        return made[-1]

    yield make
    for node in made:
        node.halt()
        node.release()
        node.destroy_node()


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'area__file': '/nowhere/area.geojson'}, 'no such area'),
        ({'terrain__file': '/nowhere/dem.tif'}, 'no such terrain model'),
        ({'camera_mount_rpy_deg': 'down'}, "camera_mount_rpy_deg: found 'down'"),
        ({'gimbal_axes': 'ned'}, "gimbal_axes: found 'ned'; expected one of 'optical'"),
        ({'sigma__height_m': -1.0}, 'sigma.height_m: found -1.0; expected a number from 0'),
    ],
)
def test_what_cannot_be_used_is_the_fault_of_configure(tiler, values, reason):
    node = tiler(**values)
    assert node.state == 'unconfigured'
    assert reason in node.fault
    assert '\n' not in node.fault


@pytest.mark.skipif(find_spec('tf2_msgs') is not None, reason='tf2_msgs is installed')
def test_a_mount_from_tf_without_its_messages_is_refused(tiler):
    node = tiler(camera_mount_from_tf=True)
    assert node.state == 'unconfigured'
    assert 'found true without the package tf2_msgs' in node.fault


def test_a_terrain_model_that_is_a_picture_is_refused_and_mended(tiler, tmp_path):
    rasterio = pytest.importorskip('rasterio')
    path = tmp_path / 'photo.tif'
    with rasterio.open(
        path,
        'w',
        driver='GTiff',
        dtype='uint8',
        count=3,
        width=4,
        height=4,
        crs='EPSG:4326',
        transform=rasterio.Affine(0.001, 0, 7, 0, -0.001, 46),
    ):
        pass
    node = tiler(terrain__file=str(path))
    assert 'found 3 bands; expected one of heights' in node.fault
    assert node.set_parameters([Parameter('terrain.file', value='')])[0].successful
    node.trigger_configure()
    assert (node.state, node.fault) == ('inactive', '')


def test_an_area_of_interest_is_read_at_configure(tiler, tmp_path):
    path = tmp_path / 'area.geojson'
    ring = [[7.0, 46.0], [7.1, 46.0], [7.1, 46.1], [7.0, 46.0]]
    path.write_text(json.dumps({'type': 'Polygon', 'coordinates': [ring]}))
    node = tiler(area__file=str(path))
    assert (node.state, node.fault) == ('inactive', '')


def test_a_gimbal_may_speak_in_angles(graph, colours):
    flown = graph(make_nodes({**colours, 'gimbal_message': 'angles'}))
    assert bring_up(flown.nodes)
    # Waits for a subscription of this type.
    flown.publish('gimbal/attitude', Vector3Stamped(vector=Vector3(x=0.0, y=-90.0, z=0.0)))
