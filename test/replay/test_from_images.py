# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Images become bags that other programs read, and the bundled flights are what they say."""

from __future__ import annotations

import math
from importlib.metadata import version
from itertools import pairwise

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore
from tagged_images import BRIGHTON, SENECA, exif, flight, jpeg

from rs_onboard.replay.attitude import enu_from_camera
from rs_onboard.replay.errors import BagError, CalibrationError, FlightImagesError
from rs_onboard.replay.from_images import FlightOptions, bag_from_images
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topics import TOPICS

S = 1_000_000_000
BUNDLED = [(BRIGHTON, {}), (SENECA, {'sensor_width_mm': 6.17})]


def contents(path, topic=None):
    """Decode a bag with rosbags alone, as any other program would; (topic, time, message)."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Reader(path) as reader:
        return [
            (x.topic, time, store.deserialize_cdr(data, x.msgtype))
            for x, time, data in reader.messages()
            if topic in {None, x.topic}
        ]


def unpack(bag, folder):
    """Write the images of a bundled flight under the names in its track."""
    folder.mkdir()
    rows = (bag / 'track.csv').read_text().splitlines()[1:]
    images = contents(bag, TOPICS.image)
    assert len(rows) == len(images)
    for row, (_, _, message) in zip(rows, images, strict=True):
        (folder / row.split(',')[0]).write_bytes(message.data.tobytes())
    return folder


@pytest.mark.parametrize(('bag', 'options'), BUNDLED, ids=['brighton_beach', 'seneca'])
def test_a_bundled_flight_is_made_again_to_the_byte(tmp_path, bag, options):
    # Brighton's images have names in order of capture, like Seneca's.
    images = unpack(bag, tmp_path / 'images')
    out = tmp_path / bag.name
    bag_from_images(images, out, FlightOptions(track=bag / 'track.csv', **options))
    for name in (f'{bag.name}.mcap', 'metadata.yaml'):
        made, kept = (out / name).read_bytes(), (bag / name).read_bytes()
        if f'rosbags-{version("rosbags")}'.encode() in (bag / f'{bag.name}.mcap').read_bytes():
            assert made == kept, name
    assert [x[:2] for x in contents(out)] == [x[:2] for x in contents(bag)]


def test_the_bundled_flight_is_the_real_one():
    images = contents(BRIGHTON, TOPICS.image)
    times = [x[1] for x in images]
    gaps = [(y - x) // S for x, y in pairwise(times)]
    assert gaps == [7, 7, 7, 7, 7, 9, 7, 7, 7, 7, 7, 9, 7]
    for _, time, message in images:
        assert message.header.stamp.sec * S + message.header.stamp.nanosec == time
        assert message.header.frame_id == 'camera_optical'
        picture = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
        assert picture.shape == (720, 1280, 3)
        assert picture.std() > 20
    fixes = [x[2] for x in contents(BRIGHTON, TOPICS.fix)]
    assert (fixes[0].latitude, fixes[0].longitude) == (46.84260708, -91.99455989)
    assert {x.data for *_, x in contents(BRIGHTON, TOPICS.rel_alt)} <= {
        39.8,
        39.9,
        40.0,
        40.1,
        40.2,
    }
    info = contents(BRIGHTON, TOPICS.camera_info)[0][2]
    assert info.k[0] == info.k[4] == pytest.approx(739.6, abs=0.1)
    assert (info.k[2], info.k[5], info.p[0], info.p[3]) == (639.5, 359.5, info.k[0], 0.0)
    assert sum(x.stat().st_size for x in BRIGHTON.iterdir()) < 25_000_000


def test_every_view_of_the_bundled_flight_is_straight_down():
    for _, _, message in contents(BRIGHTON, TOPICS.gimbal):
        q = message.quaternion
        assert message.header.frame_id == 'map'
        assert 2 * (q.x**2 + q.y**2) - 1 == pytest.approx(1, abs=1e-5)


def test_at_each_stamp_the_pose_comes_before_the_image():
    topics = [x[0] for x in contents(BRIGHTON)]
    expected = [
        TOPICS.fix,
        TOPICS.imu,
        TOPICS.gimbal,
        TOPICS.rel_alt,
        TOPICS.camera_info,
        TOPICS.image,
    ]
    assert topics == expected * 14


def test_a_heading_alone_gives_a_level_body_with_a_covariance():
    message = contents(SENECA, TOPICS.imu)[0][2]
    covariance = np.diag(message.orientation_covariance.reshape(3, 3))
    assert (covariance > 0).all()
    assert message.angular_velocity_covariance[0] == message.linear_acceleration_covariance[0] == -1
    assert contents(SENECA, TOPICS.gimbal) == contents(SENECA, TOPICS.rel_alt) == []


def test_what_is_unknown_is_marked_so(tmp_path):
    folder = flight(tmp_path / 'f', 1)
    block = exif(photo={0x9003: '2024:05:06 11:00:00', 0xA405: 24})
    (folder / 'late.jpg').write_bytes(jpeg(exif_block=block))
    bag_from_images(folder, tmp_path / 'b')
    first, second = (x[2] for x in contents(tmp_path / 'b', TOPICS.fix))
    assert (first.status.status, first.altitude, first.position_covariance_type) == (0, 200, 0)
    assert second.status.status == -1
    assert math.isnan(second.latitude)
    assert math.isnan(second.longitude)
    assert math.isnan(second.altitude)
    imu = contents(tmp_path / 'b', TOPICS.imu)[0][2]
    assert imu.orientation_covariance[0] == -1


def test_xmp_angles_become_gimbal_and_body_attitude(tmp_path):
    folder = tmp_path / 'f'
    folder.mkdir()
    fields = {'FlightYawDegree': 10, 'FlightPitchDegree': 2, 'FlightRollDegree': -3}
    fields |= {'GimbalYawDegree': 12, 'GimbalPitchDegree': -60, 'GimbalRollDegree': 0}
    xmp = ' '.join(f'drone-dji:{x}="{y:+.2f}"' for x, y in fields.items())
    block = exif(photo={0x9003: '2024:05:06 11:00:00', 0xA405: 24})
    (folder / 'a.jpg').write_bytes(jpeg(exif_block=block, xmp=xmp))
    bag_from_images(folder, tmp_path / 'b')
    q = contents(tmp_path / 'b', TOPICS.gimbal)[0][2].quaternion
    assert (q.x, q.y, q.z, q.w) == pytest.approx(enu_from_camera(12, -60, 0))
    assert not contents(tmp_path / 'b', TOPICS.imu)[0][2].orientation_covariance.any()
    bag_from_images(folder, tmp_path / 'c', FlightOptions(gimbal=False, geoid_m=-30))
    assert contents(tmp_path / 'c', TOPICS.gimbal) == []


def test_recorded_position_errors_become_covariances(tmp_path):
    folder = flight(tmp_path / 'f', 1)
    track = tmp_path / 't.csv'
    track.write_text('file,lat,lon,alt,h_acc_m\nIMG_1.jpg,46,-92,10,3\n')
    bag_from_images(folder, tmp_path / 'b', FlightOptions(track=track, geoid_m=-30))
    fix = contents(tmp_path / 'b', TOPICS.fix)[0][2]
    assert np.diag(fix.position_covariance.reshape(3, 3)).tolist() == [9, 9, 36]
    assert (fix.position_covariance_type, fix.altitude) == (1, -20)


def test_poses_between_images_are_written_only_when_asked_for(tmp_path):
    folder = flight(tmp_path / 'f', 3)
    made = bag_from_images(folder, tmp_path / 'b', FlightOptions(pose_rate_hz=2))
    assert made.counts[TOPICS.fix] == 21
    fixes = contents(tmp_path / 'b', TOPICS.fix)
    assert [x[1] for x in fixes] == [fixes[0][1] + x * S // 2 for x in range(21)]
    assert fixes[5][2].latitude == pytest.approx(46 + 0.5e-4)
    with Bag(tmp_path / 'b') as bag:
        assert bag.notes['poses'] == 'interpolated at 2 Hz'
        times = [x.log_time_ns for x in bag.messages()]
        assert times == sorted(times)
    with Bag(BRIGHTON) as bag:
        assert bag.notes['poses'] == 'only at the images'


def test_wrong_options_and_outputs_are_refused_before_anything_is_written(tmp_path):
    folder = flight(tmp_path / 'f', 2)
    (tmp_path / 'old').mkdir()
    with pytest.raises(BagError, match='exists already and is not overwritten'):
        bag_from_images(folder, tmp_path / 'old')
    with pytest.raises(FlightImagesError, match='pose_rate_hz is -1; allowed: 0 to 1000'):
        FlightOptions(pose_rate_hz=-1)
    with pytest.raises(FlightImagesError, match='geoid_m is 500; allowed: -120 to 120'):
        FlightOptions(geoid_m=500)
    flight(tmp_path / 'zoomed', 1, focal35=70)
    (tmp_path / 'zoomed' / 'IMG_1.jpg').rename(folder / 'IMG_3.jpg')
    with pytest.raises(CalibrationError, match=r'IMG_3\.jpg: focal length is 65 px, but IMG_1'):
        bag_from_images(folder, tmp_path / 'b')
    assert not (tmp_path / 'b').exists()


def test_a_failure_half_way_leaves_no_bag(tmp_path, monkeypatch):
    folder = flight(tmp_path / 'f', 3)

    def fail(path):
        if path.name == 'IMG_2.jpg':
            raise OSError(5, 'Input/output error', str(path))
        return path.read_bytes()

    monkeypatch.setattr('rs_onboard.replay.from_images.read_image_bytes', fail)
    with pytest.raises(OSError, match='Input/output error'):
        bag_from_images(folder, tmp_path / 'b')
    assert not (tmp_path / 'b').exists()
