# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of images in order of capture, and the intrinsics of its camera."""

from __future__ import annotations

import pytest
from tagged_images import exif, flight, jpeg

from rs_onboard.replay.calibration import camera_for_images, camera_from_tag
from rs_onboard.replay.errors import CalibrationError, FlightImagesError, GeotagError
from rs_onboard.replay.geotag import Geotag
from rs_onboard.replay.geotags import UNKNOWN_START_NS, read_flight_images

S = 1_000_000_000
START = 1_714_989_600 * S


def stamps(images):
    return [x.stamp_ns for x in images.images]


def names(images):
    return [x.path.name for x in images.images]


def test_capture_times_give_order_and_stamps(tmp_path):
    folder = flight(tmp_path / 'f', 3)
    (folder / 'IMG_1.jpg').rename(folder / 'IMG_9.jpg')
    images = read_flight_images(folder)
    assert names(images) == ['IMG_9.jpg', 'IMG_2.jpg', 'IMG_3.jpg']
    assert stamps(images) == [START, START + 5 * S, START + 10 * S]
    assert images.notes == ()


def test_images_that_share_a_second_are_spread_over_it(tmp_path):
    folder = flight(tmp_path / 'f', 4, step=0)
    assert stamps(read_flight_images(folder)) == [START + x * S // 4 for x in range(4)]
    for index, path in enumerate(sorted(folder.iterdir())[2:]):
        half = f'2024:05:06 10:00:00.{5 + index}'
        path.write_bytes(jpeg(exif_block=exif(photo={0x9003: half, 0xA405: 24})))
    assert stamps(read_flight_images(folder)) == [START + x * S // 1000 for x in (0, 250, 500, 600)]


def test_a_rate_stamps_images_in_order_of_the_numbers_in_their_names(tmp_path):
    folder = flight(tmp_path / 'f', 11)
    images = read_flight_images(folder, rate=4)
    assert names(images)[8:] == ['IMG_9.jpg', 'IMG_10.jpg', 'IMG_11.jpg']
    assert stamps(images)[:3] == [START, START + S // 4, START + S // 2]


def test_a_rate_needs_no_times(tmp_path):
    for name in 'ab':
        (tmp_path / f'{name}.jpg').write_bytes(jpeg())
    assert stamps(read_flight_images(tmp_path, rate=1)) == [UNKNOWN_START_NS, UNKNOWN_START_NS + S]
    with pytest.raises(FlightImagesError, match=r'2 of 2 .* no capture time .*a\.jpg.*--rate'):
        read_flight_images(tmp_path)
    for rate in (0, -1, float('nan')):
        with pytest.raises(FlightImagesError, match=r'rate is .*; allowed: '):
            read_flight_images(tmp_path, rate=rate)


def test_images_without_a_position_stay_and_are_noted(tmp_path):
    folder = flight(tmp_path / 'f', 2)
    block = exif(photo={0x9003: '2024:05:06 11:00:00', 0xA405: 24})
    (folder / 'late.jpg').write_bytes(jpeg(exif_block=block))
    images = read_flight_images(folder)
    assert len(images.images) == 3
    assert '1 of 3 images have no position (first: late.jpg)' in images.notes[0]


def test_a_track_replaces_what_images_say_and_differences_are_noted(tmp_path):
    folder = flight(tmp_path / 'f', 2)
    track = tmp_path / 't.csv'
    track.write_text(
        'file,lat,lon,datetime\nIMG_1.jpg,1,2,2024-05-06 10:00:00\n'
        'IMG_2.jpg,1,2,2024-05-06 12:00:05\nIMG_3.jpg,1,2,\n'
    )
    images = read_flight_images(folder, track=track)
    assert [x.tag.latitude_deg for x in images.images] == [1, 1]
    assert stamps(images) == [START, START + 7205 * S]
    assert images.notes[0] == 't.csv: 1 rows name no image of the folder.'
    assert 'its times differ from those in 1 images by up to 7200 s' in images.notes[1]


def test_a_track_of_another_flight_is_refused(tmp_path):
    folder = flight(tmp_path / 'f', 2)
    track = tmp_path / 't.csv'
    track.write_text('file,lat,lon\nDJI_7.jpg,1,2\n')
    with pytest.raises(FlightImagesError, match=r"names none of the 2 images; it has 'dji_7\.jpg'"):
        read_flight_images(folder, track=track)
    track.write_text('time,lat,lon\n2020-01-01 00:00:00,1,2\n2020-01-01 00:00:01,1,2\n')
    with pytest.raises(FlightImagesError, match='covers the time of none of the 2 images'):
        read_flight_images(folder, track=track)


def test_frames_of_a_video_are_placed_by_rate_and_subtitles(tmp_path):
    for number in range(3):
        (tmp_path / f'frame{number}.jpg').write_bytes(jpeg())
    srt = tmp_path / 'v.srt'
    srt.write_text(
        '1\n00:00:00,000 --> 00:00:01,000\n2024-05-06 10:00:00\n[latitude: 1] [longitude: 2]\n\n'
        '2\n00:00:01,000 --> 00:00:02,000\n2024-05-06 10:00:01\n[latitude: 2] [longitude: 2]\n'
    )
    images = read_flight_images(tmp_path, track=srt, rate=2)
    assert stamps(images) == [START, START + S // 2, START + S]
    assert [x.tag.latitude_deg for x in images.images] == [1, 1.5, 2]


def test_folders_that_are_no_flight_are_refused(tmp_path):
    with pytest.raises(FlightImagesError, match='does not exist; give the folder'):
        read_flight_images(tmp_path / 'none')
    with pytest.raises(FlightImagesError, match='no images, found nothing; allowed: '):
        read_flight_images(tmp_path)
    (tmp_path / 'a.tif').touch()
    with pytest.raises(FlightImagesError, match=r'found \.tif; allowed: \.jpg and \.jpeg'):
        read_flight_images(tmp_path)
    with pytest.raises(FlightImagesError, match='is a file'):
        read_flight_images(tmp_path / 'a.tif')
    (tmp_path / 'b.JPG').write_bytes(b'\xff\xd8\xff')
    with pytest.raises(GeotagError, match=r'b\.JPG: the image data is .*Copy the file again'):
        read_flight_images(tmp_path)


def test_two_cameras_are_refused(tmp_path):
    folder = flight(tmp_path / 'f', 2)
    (folder / 'x.jpg').write_bytes(jpeg(width=64, height=48))
    with pytest.raises(FlightImagesError, match=r'x\.jpg: 64x48 pixels, but IMG_1\.jpg has 32x24'):
        read_flight_images(folder)


def test_focal_lengths_become_pixels():
    def focal(tag, width=4000, height=3000, **more):
        return camera_from_tag(Geotag(**tag), width, height, **more).fx

    # A 4:3 sensor of 6.17 mm: 20 mm on film is 3.57 mm here.
    expected = 20 / 43.267 * 5000
    assert focal({'focal35_mm': 20}) == pytest.approx(expected, rel=1e-4)
    assert focal({'focal35_mm': 20}, height=2250) == pytest.approx(expected, rel=1e-4)
    assert focal({'focal35_mm': 20}, 6000, 4000) == pytest.approx(20 / 36 * 6000, rel=1e-4)
    narrow = focal({'focal_mm': 4.3}, 1000, 750, sensor_width_mm=6.17)
    assert narrow == pytest.approx(696.92, abs=0.01)
    scaled = {'focal_px': 3666.0, 'full_width_px': 5472, 'focal35_mm': 24}
    assert focal(scaled, 1368, 912) == pytest.approx(3666 / 4)


def test_unknown_focal_lengths_are_refused_with_the_way_out():
    with pytest.raises(CalibrationError, match=r'focal length is none; .*--camera-file'):
        camera_from_tag(Geotag(), 10, 10)
    with pytest.raises(CalibrationError, match=r'4\.3 mm, sensor size unknown; .*--sensor-width'):
        camera_from_tag(Geotag(focal_mm=4.3), 10, 10)
    with pytest.raises(CalibrationError, match=r'sensor width is 0 mm; allowed: 0\.5 to 200'):
        camera_from_tag(Geotag(focal_mm=4.3), 10, 10, sensor_width_mm=0)


CAMERA = """
image_width: 1280
image_height: 960
camera_name: narrow
camera_matrix: {rows: 3, cols: 3, data: [900, 0, 640.5, 0, 910, 480.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.1, 0.01, 0, 0, 0]}
"""


def test_a_camera_info_file_is_scaled_to_the_images(tmp_path):
    path = tmp_path / 'camera.yaml'
    path.write_text(CAMERA)
    camera = camera_for_images(path, 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (450, 455, 320, 240)
    assert camera.distortion == (-0.1, 0.01, 0, 0, 0)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('image_width: 1280\n', '', 'image_width is None; allowed: 1 numbers'),
        ('900, 0', '0', 'camera_matrix is .*; allowed: 9 numbers'),
        ('[900', '[-900', 'positive sizes and focal lengths'),
        ('plumb_bob', 'fisheye', "is 'fisheye'; allowed: plumb_bob, rational_polynomial, equid"),
        ('960', '720', 'is for 1280x720 pixels, the images have 640x480'),
        ('camera_name: narrow', 'camera_name: [', 'not YAML'),
    ],
)
def test_malformed_camera_info_files_are_refused(tmp_path, old, new, message):
    path = tmp_path / 'camera.yaml'
    path.write_text(CAMERA.replace(old, new, 1))
    with pytest.raises(CalibrationError, match=message):
        camera_for_images(path, 640, 480)
