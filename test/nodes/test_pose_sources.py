# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames get the pose that messages tell, in whatever axes, or the reason why they have none."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from geotiffs import north_up, write_geotiff

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

from geometry_msgs.msg import (
    Quaternion,
    QuaternionStamped,
    TransformStamped,
    Vector3,
    Vector3Stamped,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, Imu, NavSatFix
from std_msgs.msg import Float64

from rs_onboard.geo.errors import TerrainError
from rs_onboard.geo.rotation import from_roll_pitch_yaw, rotation_matrix
from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.frame_maker import FrameMaker
from rs_onboard.nodes.image_messages import fix_from_message, ns_to_stamp
from rs_onboard.nodes.node_settings import FrameSettings
from rs_onboard.nodes.pose_messages import gimbal_attitude
from rs_onboard.perception.frame import Frame, FrameHeader

SECOND = 1_000_000_000
ROOT_HALF = math.sqrt(0.5)
# Straight down, image top to the north: right is east, image down is south, the view is down.
DOWN_NORTH = np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]])


class Maker:
    """A frame maker that is told messages by value."""

    def __init__(self, **changes):
        self.complaints = []
        self.maker = FrameMaker(FrameSettings(**changes), self.complaints.append)

    def fix(self, seconds=10.0, **changes):
        message = NavSatFix(latitude=46.0, longitude=7.0, altitude=500.0)
        message.status.status = 0
        for name, value in changes.items():
            setattr(message, name, value)
        self.stamp(message, seconds)
        self.maker.add_fix(message)

    def imu(self, turn=(0.0, 0.0, ROOT_HALF, ROOT_HALF), seconds=10.0, covariance=(0.0,) * 9):
        x, y, z, w = turn
        message = Imu(orientation=Quaternion(x=x, y=y, z=z, w=w))
        message.orientation_covariance = np.array(covariance, float)
        self.stamp(message, seconds)
        self.maker.add_imu(message)

    def gimbal(self, turn, seconds=10.0):
        x, y, z, w = turn
        message = QuaternionStamped(quaternion=Quaternion(x=x, y=y, z=z, w=w))
        self.stamp(message, seconds)
        self.maker.add_gimbal(message)

    def angles(self, roll, pitch, yaw, seconds=10.0):
        message = Vector3Stamped(vector=Vector3(x=roll, y=pitch, z=yaw))
        self.stamp(message, seconds)
        self.maker.add_gimbal(message)

    def height(self, metres, seconds=10.0):
        self.maker.add_height(Float64(data=metres), round(seconds * SECOND))

    def frame(self, seconds=10.0, frame_id='camera_optical'):
        header = FrameHeader(round(seconds * SECOND), frame_id, 0, 48, 64)
        frame = self.maker.frame(
            Frame(header, np.zeros((48, 64, 3), np.uint8)), received_ns=0, now_ns=0
        )
        assert isinstance(frame, Frame)
        return frame

    @staticmethod
    def stamp(message, seconds):
        message.header.stamp = ns_to_stamp(round(seconds * SECOND))


def axes(pose):
    return rotation_matrix(pose.orientation)


def test_a_full_set_of_messages_gives_a_pose_with_its_covariances():
    maker = Maker()
    maker.fix(position_covariance=np.diag([1.0, 4.0, 9.0]).ravel(), position_covariance_type=3)
    maker.imu(covariance=np.diag([1e-4, 1e-4, 4e-4]).ravel())
    maker.height(80.0)
    pose = maker.frame().pose
    assert np.diag(pose.position_covariance) == pytest.approx((1.0, 4.0, 9.0))
    mount = math.radians(1.0) ** 2
    assert np.diag(pose.orientation_covariance) == pytest.approx(
        (1e-4 + mount, 1e-4 + mount, 4e-4 + mount)
    )
    assert (pose.height_m, pose.height_sigma_m, pose.assumed) == (80.0, 3.0, ('height',))
    assert axes(pose) == pytest.approx(DOWN_NORTH, abs=1e-9)


def test_what_messages_do_not_say_is_assumed_or_left_unknown_by_parameter():
    given = Maker()
    unknown = Maker(sigma_position_m=0.0, sigma_tilt_deg=0.0, sigma_height_m=0.0)
    for maker in (given, unknown):
        maker.fix()
        # As MAVROS has it where nobody told it better.
        maker.imu(covariance=np.eye(3).ravel())
        maker.height(80.0)
    pose = given.frame().pose
    assert pose.assumed == ('position', 'attitude', 'height')
    assert np.sqrt(np.diag(pose.position_covariance)) == pytest.approx((2.5, 2.5, 5.0))
    pose = unknown.frame().pose
    assert (pose.position_covariance, pose.orientation_covariance) == (None, None)
    assert (pose.height_sigma_m, pose.assumed) == (None, ())


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [(0, None), (1, np.full((3, 3), 2.0) + np.eye(3)), (2, 3 * np.eye(3)), (3, None)],
)
def test_covariances_of_fixes_are_as_their_type_says(kind, expected):
    values = np.full((3, 3), 2.0) + np.eye(3)
    message = NavSatFix(position_covariance=values.ravel(), position_covariance_type=kind)
    message.status.status = 0
    found = fix_from_message(message).covariance
    if kind == 3:
        expected = values
    assert (found is None) if expected is None else (found == pytest.approx(expected))


def test_a_receiver_without_a_fix_is_the_reason_of_no_pose():
    maker = Maker()
    message = NavSatFix()
    message.status.status = -1
    maker.maker.add_fix(message)
    assert maker.frame().pose_reason == (
        'position never received, the receiver reports no fix (status -1)'
    )
    maker.fix(latitude=math.nan, seconds=11.0)
    assert maker.frame(11.0).pose_reason == (
        'position never received, the last one was refused: nan, 7 at 500 m'
    )
    assert maker.maker.values()['pose.no_fix'] == '1'
    assert maker.maker.values()['pose.fix_invalid'] == '1'


def test_an_imu_that_says_that_it_has_no_attitude_has_none():
    maker = Maker()
    maker.fix()
    maker.imu(covariance=(-1.0,) + (0.0,) * 8)
    pose = maker.frame().pose
    assert pose.orientation is None
    assert pose.unknown.startswith('attitude never received, the imu says that it has none')


def test_a_position_that_leaps_across_the_country_is_no_pose():
    maker = Maker()
    maker.fix(9.8)
    maker.fix(10.0, latitude=47.0)
    assert maker.frame().pose is None
    assert maker.frame(10.1).pose_reason.startswith('position jumped by 1.11e+05 m in 0.20 s')


LOOKING = [
    # Roll, pitch, yaw as gimbals say; the view in east, north, up; the image top likewise.
    ((0.0, -90.0, 0.0), (0, 0, -1), (0, 1, 0)),
    ((0.0, 0.0, 0.0), (0, 1, 0), (0, 0, 1)),
    ((0.0, 0.0, 90.0), (1, 0, 0), (0, 0, 1)),
    ((0.0, -45.0, 90.0), (ROOT_HALF, 0, -ROOT_HALF), (ROOT_HALF, 0, ROOT_HALF)),
    ((90.0, 0.0, 0.0), (0, 1, 0), (1, 0, 0)),
]


@pytest.mark.parametrize(('angles', 'view', 'top'), LOOKING)
def test_angles_of_a_gimbal_look_where_its_makers_say(angles, view, top):
    maker = Maker(gimbal_message='angles')
    maker.fix()
    maker.angles(*angles)
    found = axes(maker.frame().pose)
    assert found[:, 2] == pytest.approx(view, abs=1e-9)
    assert -found[:, 1] == pytest.approx(top, abs=1e-9)


@pytest.mark.parametrize(('angles', 'view', 'top'), LOOKING)
def test_without_yaw_lock_the_nose_is_north(angles, view, top):
    maker = Maker(gimbal_message='angles', gimbal_yaw_lock=False)
    maker.fix()
    # Heading 30 degrees east of north, in a bank, which a gimbal levels out.
    maker.imu(from_roll_pitch_yaw(0.3, 0.1, math.radians(60.0)))
    maker.angles(*angles)
    found = axes(maker.frame().pose)
    c, s = math.cos(math.radians(-30)), math.sin(math.radians(-30))
    turned = np.array([(c, -s, 0), (s, c, 0), (0, 0, 1)])
    assert found[:, 2] == pytest.approx(turned @ view, abs=1e-9)
    assert -found[:, 1] == pytest.approx(turned @ top, abs=1e-9)


@pytest.mark.parametrize('yaw_lock', [True, False])
@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(-1.5, 1.5), st.floats(-3, 3))
def test_one_attitude_is_the_same_in_all_axes(yaw_lock, roll, pitch, yaw):
    def told(turn, **options):
        x, y, z, w = turn
        message = QuaternionStamped(quaternion=Quaternion(x=x, y=y, z=z, w=w))
        return rotation_matrix(gimbal_attitude(message, yaw_lock=yaw_lock, **options))

    # By hand: columns of the camera's axes.
    frd = from_roll_pitch_yaw(roll, pitch, yaw)
    reference = np.array([(0, 1, 0), (1, 0, 0), (0, 0, -1)]) if yaw_lock else np.diag([1, -1, -1])
    ahead, right, down = (reference @ rotation_matrix(frd)).T
    expected = np.stack([right, down, ahead], axis=1)
    assert told(frd, axes='frd') == pytest.approx(expected, abs=1e-9)
    degrees = (math.degrees(angle) for angle in (roll, pitch, yaw))
    message = Vector3Stamped(vector=Vector3(**dict(zip('xyz', degrees, strict=True))))
    found = gimbal_attitude(message, axes='optical', yaw_lock=yaw_lock)
    assert rotation_matrix(found) == pytest.approx(expected, abs=1e-9)
    # The same camera as FLU against ENU, or against ahead, left, up.
    flu = np.stack([ahead, -right, -down], axis=1)
    assert told(quaternion_of(flu), axes='flu') == pytest.approx(expected, abs=1e-9)
    assert told(quaternion_of(expected), axes='optical') == pytest.approx(expected, abs=1e-9)


def quaternion_of(matrix):
    """Return the quaternion of a rotation matrix, from its eigenvector."""
    xx, xy, xz, yx, yy, yz, zx, zy, zz = matrix.ravel()
    symmetric = np.array(
        [
            [xx - yy - zz, 0, 0, 0],
            [yx + xy, yy - xx - zz, 0, 0],
            [zx + xz, zy + yz, zz - xx - yy, 0],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    _, vectors = np.linalg.eigh(symmetric)
    x, y, z, w = vectors[:, -1].tolist()
    return (x, y, z, w)


def test_angles_that_a_gimbal_does_not_know_are_named():
    maker = Maker(gimbal_message='angles')
    maker.fix()
    maker.imu()
    maker.angles(math.nan, -90.0, math.nan)
    pose = maker.frame().pose
    assert pose.orientation is None
    assert pose.unknown.startswith(
        'gimbal never received, the last one was refused: it has no roll'
    )
    # Yaw from the nose is that of the vehicle where the gimbal has no such axis.
    maker = Maker(gimbal_message='angles', gimbal_yaw_lock=False)
    maker.fix()
    maker.imu()
    maker.angles(0.0, -90.0, math.nan)
    assert axes(maker.frame().pose) == pytest.approx(DOWN_NORTH, abs=1e-9)
    maker.angles(0.0, math.nan, 0.0, seconds=11.0)
    maker.fix(11.0)
    maker.imu(seconds=11.0)
    reason = maker.frame(11.0).pose.unknown
    assert reason.startswith('gimbal stale by 1.00 s, the last one was refused: it has no pitch')
    assert maker.maker.values()['pose.gimbal_invalid'] == '1'


def test_a_gimbal_that_sends_nan_from_the_start_leaves_no_attitude_to_guess():
    maker = Maker()
    maker.fix()
    maker.imu()
    maker.gimbal((math.nan, 0.0, math.nan, 1.0))
    pose = maker.frame().pose
    assert pose.orientation is None
    assert pose.unknown.startswith(
        'gimbal never received, the last one was refused: its quaternion has no x, z'
    )


def test_an_upside_down_gimbal_sees_no_ground():
    from rs_onboard.geo.footprint import footprint

    maker = Maker(gimbal_message='angles')
    maker.maker.add_camera_info(
        CameraInfo(width=64, height=48, k=[50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0])
    )
    maker.fix()
    maker.height(80.0)
    maker.angles(0.0, 90.0, 0.0)
    frame = maker.frame()
    assert frame.pose.tilt_rad() == pytest.approx(math.pi)
    assert footprint(frame.camera, frame.pose).reason == 'the view reaches the horizon'


def static(parent, child, turn, place=(0.0, 0.0, 0.0)):
    item = TransformStamped(child_frame_id=child)
    item.header.frame_id = parent
    x, y, z, w = turn
    item.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
    item.transform.translation = Vector3(**dict(zip('xyz', place, strict=True)))
    return item


def test_the_mount_comes_from_static_frames_once_they_are_there():
    maker = Maker(camera_mount_from_tf=True)
    maker.fix()
    maker.imu()
    assert maker.frame().pose.unknown.startswith(
        '/tf_static: found frame camera_optical in nothing; expected a way to base_link'
    )
    # A camera body that looks down, with the top of its image to the nose, and its optical frame.
    maker.maker.add_static_frames(
        SimpleNamespace(
            transforms=[
                static('base_link', 'camera', from_roll_pitch_yaw(0, math.pi / 2, 0), (0.5, 0, 0)),
                static('camera', 'camera_optical', (-0.5, 0.5, -0.5, 0.5)),
                static('camera', 'bad', (0.0, 0.0, 0.0, 0.0)),
            ]
        )
    )
    pose = maker.frame(10.01).pose
    assert axes(pose) == pytest.approx(DOWN_NORTH, abs=1e-6)
    # The nose is north.
    assert (pose.latitude_deg - 46.0) * 111_150 == pytest.approx(0.5, abs=1e-2)
    assert maker.maker.values()['pose.bad_static_frame'] == '1'
    assert "'bad' has no sound transform" in maker.complaints[-1]


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'camera_mount_rpy_deg': '1 2'}, "camera_mount_rpy_deg: found '1 2'; expected three"),
        ({'camera_mount_xyz_m': 'x 0 0'}, "camera_mount_xyz_m: found 'x 0 0'; expected three"),
        (
            {'camera_mount_xyz_m': '1 0 0', 'camera_mount_from_tf': True},
            'camera_mount_from_tf: found true with a mount given as numbers',
        ),
        ({'terrain_file': '/nowhere/dem.tif'}, 'no such terrain model'),
    ],
)
def test_settings_that_cannot_be_are_one_error(changes, reason):
    with pytest.raises((FieldError, TerrainError), match=reason):
        Maker(**changes)


def test_a_terrain_model_gives_the_height_and_says_where_it_knows_none(tmp_path):
    heights = np.full((20, 20), 350, np.float32)
    path = write_geotiff(tmp_path / 'dem.tif', heights, transform=north_up(6.99, 46.01, 0.001))
    maker = Maker(terrain_file=str(path), terrain_zero_m=50.0, terrain_sigma_m=4.0)
    maker.fix()
    maker.imu()
    # Relative to the take-off, which may be higher than what is below: not used with a model.
    maker.height(30.0)
    pose = maker.frame().pose
    assert (pose.height_m, pose.height_sigma_m) == (pytest.approx(100.0), 4.0)
    assert 'height' not in pose.assumed
    maker.fix(600.0, latitude=46.5)
    assert maker.frame(600.4).pose.unknown == 'dem.tif knows no ground at 46.50000, 7.00000'
