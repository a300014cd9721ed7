# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Terrain, areas, mounts and gimbals that cannot be used are one error, and the node stays up."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from geotiffs import north_up, write_geotiff

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from geometry_msgs.msg import Vector3, Vector3Stamped
from rclpy.parameter import Parameter

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.footprint import locate
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.rotation import NADIR_MOUNT
from rs_onboard.geo.terrain_file import shared_terrain
from rs_onboard.nodes.detection import DetectionNode
from rs_onboard.nodes.process import make_nodes
from rs_onboard.nodes.result_messages import scale_message
from rs_onboard.nodes.selection_values import selection_values
from rs_onboard.nodes.start import bring_up
from rs_onboard.nodes.task_node import TileArrival
from rs_onboard.nodes.tile_messages import layout_message, tiles_message
from rs_onboard.nodes.tiler import TilerNode
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tiles import TilePlan


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


def test_a_mount_from_tf_without_its_messages_is_refused(tiler, monkeypatch):
    # They may be installed, and replay makes its own where they are not.
    for name in ('tf2_msgs', 'tf2_msgs.msg'):
        monkeypatch.setitem(sys.modules, name, None)
    node = tiler(camera_mount_from_tf=True)
    assert node.state == 'unconfigured'
    assert 'found true without the package tf2_msgs' in node.fault


def test_a_terrain_model_that_is_a_picture_is_refused_and_mended(tiler, tmp_path):
    picture = np.zeros((3, 4, 4), np.uint8)
    path = write_geotiff(tmp_path / 'photo.tif', picture, transform=north_up(7, 46, 0.001))
    node = tiler(terrain__file=str(path))
    assert 'found 3 bands; expected one of heights' in node.fault
    assert node.set_parameters([Parameter('terrain.file', value='')])[0].successful
    node.trigger_configure()
    assert (node.state, node.fault) == ('inactive', '')


def test_detection_in_a_process_of_its_own_stands_on_the_same_terrain(ros, colours, tmp_path):
    heights = np.linspace(300, 420, 1600, dtype=np.float32).reshape(40, 40)
    path = write_geotiff(tmp_path / 'dem.tif', heights, transform=north_up(6.99, 46.01, 0.0005))
    given = {**colours, 'terrain.file': str(path), 'terrain.sigma_m': 4.0}
    parameters = [Parameter(name, value=value) for name, value in given.items()]
    node = DetectionNode(parameter_overrides=parameters)
    try:
        node.trigger_configure()
        assert (node.state, node.fault) == ('inactive', '')
        pose = Pose(5, 46.0, 7.0, 500.0, None, NADIR_MOUNT, np.eye(3))
        pose = pose.over(shared_terrain(path, sigma_m=4.0))
        camera = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
        image = np.zeros((48, 64, 3), np.uint8)
        frame = Frame(FrameHeader(5, 'camera', 0, 48, 64), image, camera, pose)
        cut = Tiler({'detection': TilePlan(48, 48)}).cut(frame)['detection']
        told = selection_values(cut.selection, cut.grid)
        parts = {
            'tiles': tiles_message(cut),
            'layout': layout_message(cut),
            'report': scale_message(cut.header, 'detection', cut.scale, camera, pose, told),
        }
        arrived = node.tiles_of(TileArrival(parts, 0)).pose
        assert arrived.height_m == pose.height_m
        assert arrived.height_sigma_m == 4.0
        pixels = np.array([(0.0, 0.0), (63.0, 47.0)])
        here, there = (locate(pixels, camera, each).wgs84 for each in (pose, arrived))
        np.testing.assert_array_equal(here, there)
        # In the same process the terrain comes with the pose, and is not read again.
        assert arrived.terrain is pose.terrain
    finally:
        node.release()
        node.destroy_node()


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
