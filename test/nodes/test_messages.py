# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages: what is written is read again without loss, and lies are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, NavSatFix, RegionOfInterest
from vision_msgs.msg import BoundingBox2DArray

from rs_onboard.geo.camera import CameraModel
from rs_onboard.geo.errors import CameraError
from rs_onboard.geo.pose import Pose
from rs_onboard.geo.terrain import Terrain
from rs_onboard.inference.card import load_card
from rs_onboard.nodes.image_messages import (
    camera_from_message,
    camera_message,
    fix_from_message,
    image_from_message,
    mask_from_message,
    mono8_message,
    ns_to_stamp,
    rgb8_message,
    stamp_to_ns,
)
from rs_onboard.nodes.result_messages import (
    classification_message,
    report_from_message,
    report_message,
    scale_from_message,
    scale_message,
    scene_from_messages,
    scene_tiles_message,
    selection_from_message,
    view_from_message,
)
from rs_onboard.nodes.selection_values import (
    SelectedTiles,
    selection_from_values,
    selection_values,
)
from rs_onboard.nodes.tile_messages import layout_message, tiles_from_messages, tiles_message
from rs_onboard.perception.errors import EncodingError, TaskError, TileError
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.results import ModelIdentity, SceneResult, TaskReport, TileUse
from rs_onboard.perception.selection import Selection
from rs_onboard.perception.tiler import Tiler, TileScale
from rs_onboard.perception.tiles import TilePlan

HEADER = FrameHeader(1_700_000_000_123_456_789, 'camera_optical', 0, 0, 0)
floats = st.floats(allow_nan=False, allow_infinity=False)


def sent(message):
    """Send a message through its serialisation."""
    return deserialize_message(serialize_message(message), type(message))


def frame_of(height, width, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Frame(dataclasses.replace(HEADER, height=height, width=width), image)


@given(st.integers(0, 2**62))
def test_stamps_keep_every_nanosecond(stamp_ns):
    seconds = stamp_ns % (2**31 * 10**9)
    assert stamp_to_ns(ns_to_stamp(seconds)) == seconds


@settings(deadline=None)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    side=st.sampled_from([32, 64, 96]),
    overlap=st.integers(0, 16),
    scale=st.sampled_from([0.179376, 0.5, 0.77777, 1.0, 1.9]),
    dynamic=st.booleans(),
    every=st.integers(0, 3),
)
def test_tiles_and_their_grid_survive_the_topic(
    height, width, side, overlap, scale, dynamic, every
):
    from rs_onboard.perception.tiler import CutTiles, _ScaledFrames
    from rs_onboard.perception.tiles import make_grid

    frame = frame_of(height, width)
    plan = TilePlan(side, side, overlap, dynamic=dynamic, multiple=16, minimum=16)
    grid = make_grid(plan, height, width, scale=scale)
    selection = Selection.whole(len(grid))
    if every != 1:
        # None of the tiles, all, every second, every third.
        kept = range(0, len(grid), every) if every else ()
        selection = selection.keep(kept, 'latency budget')
        selection = dataclasses.replace(selection, variant='int8', doubt='fewer tiles')
    cut = CutTiles(frame, grid, TileScale(scale, None, ''), _ScaledFrames(), selection)
    values = selection_values(selection, grid)
    assert bool(values) == (every != 1)
    report = scale_message(HEADER, 'scene', cut.scale, selected=values)
    again = tiles_from_messages(
        sent(tiles_message(cut)),
        sent(layout_message(cut)),
        scale=cut.scale,
        header=HEADER,
        selected=selection_from_message(sent(report)),
    )
    assert again.grid == grid
    assert again.selection == selection
    assert (again.header.height, again.header.width) == (height, width)
    buffer = np.empty((3, grid.tile_height, grid.tile_width, 3), np.uint8)
    batches = [(numbers, tiles.copy()) for numbers, tiles in again.batches(buffer)]
    assert tuple(number for numbers, _ in batches for number in numbers) == selection.tiles
    received = np.concatenate([buffer[:0], *(tiles for _, tiles in batches)])
    np.testing.assert_array_equal(received, cut.stack())


def test_a_layout_that_is_no_grid_is_refused():
    cut = Tiler({'scene': TilePlan(64, 64)}).cut(frame_of(100, 100))['scene']
    stack, layout = tiles_message(cut), layout_message(cut)
    for boxes in ([], layout.boxes[:1], layout.boxes[:3], [layout.boxes[0]] * 5):
        with pytest.raises(TileError, match='expected'):
            tiles_from_messages(
                stack, BoundingBox2DArray(boxes=boxes), scale=cut.scale, header=HEADER
            )
    layout.boxes[1].size_x = float('nan')
    with pytest.raises(TileError):
        tiles_from_messages(stack, layout, scale=cut.scale, header=HEADER)


@given(
    status=st.sampled_from(['ok', 'degraded', 'skipped', 'failed']),
    reason=st.text(st.characters(codec='ascii'), max_size=40),
    gsd=st.none() | floats,
    latency=st.dictionaries(st.sampled_from(['wait', 'cut', 'infer']), floats, min_size=1),
)
def test_reports_survive_the_topic_to_the_last_digit(status, reason, gsd, latency):
    reason = reason.replace('\0', '')
    report = TaskReport(
        task='scene',
        status=status,
        reason=reason,
        model=ModelIdentity('m', 'a' * 64, 'int8', 'cpu', trained=False),
        tiles=TileUse(3, 64, 96, 0.1793761234567891, gsd, {'latency budget': 2}),
        latency_ms=latency,
    )
    assert report_from_message(sent(report_message(HEADER, report))) == report
    scale = TileScale(0.1793761234567891, gsd, reason)
    assert scale_from_message(sent(scale_message(HEADER, 'scene', scale))) == scale


def test_camera_and_pose_travel_with_the_tiles():
    camera = CameraModel(640, 480, 500.25, 501.0, 319.5, 240.1, 'plumb_bob', (0.1, -0.2, 0, 0, 0))
    terrain = Terrain('dem', np.zeros((2, 2), np.float32), 7.0, 46.0, (0.1, 0.1))
    pose = dataclasses.replace(
        Pose(123, 46.123456789, -7.5, 500.0, 60.5, (0.5, -0.5, 0.5, 0.5), np.eye(3) * 2.5),
        orientation_covariance=np.eye(3) * 1e-4,
        height_sigma_m=1.5,
        assumed=('attitude',),
        terrain=terrain,
    )
    scale = TileScale(1.0, 0.1, '')
    found = view_from_message(sent(scale_message(HEADER, 'detection', scale, camera, pose)))
    assert found[0] == camera
    for name in ('position_covariance', 'orientation_covariance'):
        np.testing.assert_array_equal(getattr(found[1], name), getattr(pose, name))
    assert (found[1].height_sigma_m, found[1].assumed) == (1.5, ('attitude',))
    assert found[1].terrain is None
    bare = dataclasses.replace(
        pose,
        height_m=None,
        orientation=None,
        position_covariance=None,
        orientation_covariance=None,
        height_sigma_m=None,
        unknown='gimbal stale by 1.00 s',
    )
    again = view_from_message(sent(scale_message(HEADER, 'scene', scale, None, bare)))
    assert again == (None, bare)
    assert view_from_message(scale_message(HEADER, 'scene', scale)) == (None, None)
    broken = scale_message(HEADER, 'scene', scale, camera, pose)
    for value in broken.status[0].values:
        value.value = value.value.replace('46.123456789', 'NaN').replace('500.25', '-1')
    with pytest.raises(TaskError, match='Run nodes of one release together'):
        view_from_message(broken)


def test_a_report_of_somebody_else_is_refused():
    message = report_message(HEADER, TaskReport('scene', 'ok'))
    message.status[0].values = []
    with pytest.raises(TaskError, match='Run nodes of one release together'):
        report_from_message(message)


def test_scenes_survive_the_topics(colours):
    from pathlib import Path

    card = load_card(Path(colours['scene.model']))
    rng = np.random.default_rng(1)
    result = SceneResult(
        header=HEADER,
        report=TaskReport('scene', 'ok'),
        classes=card.class_names,
        probabilities=rng.random(3).astype(np.float32),
        tile_classes=np.array([2, 0], np.uint8),
        tile_scores=rng.random(2).astype(np.float32),
        boxes=(rng.random((2, 4)) * 1000).astype(np.float32),
    )
    message = sent(classification_message(result))
    scores = [item.score for item in message.results]
    assert scores == sorted(scores, reverse=True)
    again = scene_from_messages(
        HEADER, result.report, card, message, sent(scene_tiles_message(result))
    )
    for name in ('probabilities', 'tile_classes', 'tile_scores', 'boxes'):
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
    message.results[0].class_id = 'unheard-of'
    with pytest.raises(TaskError, match='unheard-of'):
        scene_from_messages(HEADER, result.report, card, message, scene_tiles_message(result))


def test_masks_and_images_survive_the_topic():
    image = frame_of(31, 17).image
    np.testing.assert_array_equal(image_from_message(sent(rgb8_message(HEADER, image))), image)
    mask = np.ascontiguousarray(image[:, :, 0])
    np.testing.assert_array_equal(mask_from_message(sent(mono8_message(HEADER, mask))), mask)
    with pytest.raises(EncodingError, match='expected mono8'):
        mask_from_message(rgb8_message(HEADER, image))


def test_the_camera_honours_binning_and_region_of_interest():
    info = CameraInfo(width=4000, height=3000, binning_x=2, binning_y=2)
    info.k = [3000.0, 0.0, 1999.5, 0.0, 3000.0, 1499.5, 0.0, 0.0, 1.0]
    info.roi = RegionOfInterest(x_offset=1000, y_offset=500, width=2000, height=2000)
    camera = camera_from_message(info)
    assert (camera.width, camera.height) == (1000, 1000)
    assert (camera.fx, camera.fy) == (1500.0, 1500.0)
    # The principal point is 1000 px right and 1000 px below the corner of the region: half of it.
    assert camera.cx == pytest.approx((1999.5 - 1000 + 0.5) / 2 - 0.5)
    assert camera.cy == pytest.approx((1499.5 - 500 + 0.5) / 2 - 0.5)


def test_a_camera_survives_the_topic_and_an_uncalibrated_one_is_refused():
    info = CameraInfo(width=640, height=480, distortion_model='plumb_bob')
    info.k = [500.0, 0.0, 320.0, 0.0, 501.0, 240.0, 0.0, 0.0, 1.0]
    info.d = [0.1, -0.2, 0.0, 0.001, 0.0]
    camera = camera_from_message(info)
    assert camera_from_message(sent(camera_message(HEADER, camera))) == camera
    with pytest.raises(CameraError, match='uncalibrated'):
        camera_from_message(CameraInfo(width=640, height=480))


def test_covariance_is_carried_only_where_the_receiver_knows_it():
    message = NavSatFix(latitude=1.0, longitude=2.0, altitude=3.0)
    message.status.status = 0
    message.position_covariance = [float(n) for n in range(9)]
    assert fix_from_message(message).covariance is None
    message.position_covariance_type = NavSatFix.COVARIANCE_TYPE_KNOWN
    np.testing.assert_array_equal(
        fix_from_message(message).covariance, np.arange(9.0).reshape(3, 3)
    )
    message.status.status = -1
    assert fix_from_message(message) is None


@pytest.mark.parametrize(
    'text',
    ['', '[]', '[{}, 64, 64]', 'NaN', '[{"tiles": [2, 1], "left_out": {}}, 64, 64]'],
)
def test_a_selection_that_is_none_is_refused(text):
    with pytest.raises(TaskError, match='Run nodes of one release together'):
        selection_from_values({'selection': text})


def test_a_selection_of_tiles_that_the_layout_lacks_is_refused():
    cut = Tiler({'scene': TilePlan(64, 64)}).cut(frame_of(100, 100))['scene']
    selected = SelectedTiles(Selection((0, 1, 2, 4)), 64, 64)
    with pytest.raises(TileError, match='the selected ones among them'):
        tiles_from_messages(
            tiles_message(cut),
            layout_message(cut),
            scale=cut.scale,
            header=HEADER,
            selected=selected,
        )
