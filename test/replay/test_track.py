# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tracks beside the images: CSV by file name or by time, DJI subtitles old and new."""

from __future__ import annotations

import pytest
from tagged_images import BRIGHTON, SENECA

from rs_onboard.replay.errors import GeotagError
from rs_onboard.replay.geotag import Geotag
from rs_onboard.replay.track import MAX_GAP_NS, read_track

S = 1_000_000_000


def write(folder, text, name='track.csv'):
    path = folder / name
    path.write_text(text)
    return path


def test_the_tracks_of_real_flights_are_read():
    tag = read_track(BRIGHTON / 'track.csv').merge('dji_0018.JPG', Geotag(stamp_ns=5))
    assert (tag.latitude_deg, tag.longitude_deg) == (46.84260708, -91.99455989)
    assert (tag.rel_altitude_m, tag.yaw_deg, tag.gimbal_pitch_deg) == (39.8, 46.0, -89.9)
    assert tag.stamp_ns == 5
    tag = read_track(SENECA / 'track.csv').merge('IMG_0486.jpg', Geotag())
    assert (tag.yaw_deg, tag.pitch_deg, tag.rel_altitude_m) == (53.34, None, None)


@pytest.mark.parametrize(
    'header',
    ['file,lat,lon', 'Image Name;Latitude;Longitude', 'filename\tLAT (deg)\tLon (deg)'],
)
def test_headers_are_understood_in_many_spellings(tmp_path, header):
    row = 'a.jpg 46.5 -92'.replace(' ', next(x for x in ',;\t' if x in header))
    track = read_track(write(tmp_path, f'\ufeff{header}\n{row}\n'))
    assert track.merge('A.JPG', Geotag()).longitude_deg == -92


def test_an_empty_field_of_a_column_is_unknown_whatever_the_image_says(tmp_path):
    track = read_track(write(tmp_path, 'file,lat,lon,yaw\na.jpg,46,-92,\n'))
    tag = track.merge('a.jpg', Geotag(yaw_deg=7.0, pitch_deg=3.0))
    assert (tag.yaw_deg, tag.pitch_deg) == (None, 3.0)
    assert track.merge('b.jpg', Geotag(yaw_deg=7.0)).yaw_deg == 7.0


def test_a_track_by_time_is_interpolated_the_short_way_round(tmp_path):
    text = (
        'time,lat,lon,yaw\n2024-05-06 12:00:10,46.2,-179.9,-170\n2024-05-06 12:00:00,46,179.9,170\n'
    )
    track = read_track(write(tmp_path, text))
    start = 1_714_996_800 * S
    tag = track.at(start + 5 * S)
    assert tag.latitude_deg == pytest.approx(46.1)
    assert abs(tag.longitude_deg) == pytest.approx(180)
    assert abs(tag.yaw_deg) == pytest.approx(180)
    assert track.at(start).latitude_deg == 46
    assert track.at(start - 1) is None
    assert track.at(start + 11 * S) is None
    assert track.at(None) is None


def test_holes_in_a_track_by_time_are_not_bridged(tmp_path):
    text = 'time,lat,lon\n2024-05-06 12:00:00,46,1\n2024-05-06 12:01:00,46,1\n'
    track = read_track(write(tmp_path, text))
    assert MAX_GAP_NS < 60 * S
    assert track.at(1_714_996_830 * S) is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('x,y\n1,2\n', r'the header line is .x,y.; allowed: columns for latitude'),
        ('file,lat,lon\na.jpg,96,1\n', r'track\.csv, line 2: lat is 96\.0; allowed: -90 to 90'),
        ('file,lat,lon\na.jpg,1\n', 'line 2: the number of columns is 2; allowed: 3'),
        (
            'file,lat,lon\na.jpg,1,2\nA.jpg,1,2\n',
            'line 3: file is .A.jpg.; allowed: a file',
        ),
        ('file,lat,lon\n', 'the table is .no rows'),
        ('', 'the header line'),
        ('file,lat,lon,datetime\na.jpg,1,2,soon\n', 'line 2: datetime is .soon'),
    ],
)
def test_malformed_tables_are_refused_by_line_and_column(tmp_path, text, message):
    with pytest.raises(GeotagError, match=message):
        read_track(write(tmp_path, text))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(GeotagError, match=r'the ending is .\.gpx.; allowed: \.csv'):
        read_track(write(tmp_path, '<gpx/>', 'track.gpx'))
    (tmp_path / 'b.csv').write_bytes(b'file,lat\xff')
    with pytest.raises(GeotagError, match='byte 8 is 255; allowed: UTF-8'):
        read_track(tmp_path / 'b.csv')


NEW = """1
00:00:00,000 --> 00:00:00,033
<font size="28">SrtCnt : 1, DiffTime : 33ms
2024-05-06 12:00:00,500,250
[iso : 100] [focal_len : 240] [latitude: 46.842607] [longitude: -91.994560] \
[rel_alt: 39.800 abs_alt: 198.310] [gb_yaw: 45.0 gb_pitch: -90.0 gb_roll: 0.0] </font>

2
00:00:01,000 --> 00:00:01,033
[latitude: 46.842707] [longitude: -91.994560] [rel_alt: 40.800 abs_alt: 199.310]

3
00:00:02,000 --> 00:00:02,033
no position here
"""
OLD = """1\r
00:00:01,000 --> 00:00:02,000\r
HOME(149.0251,-20.2532) 2017.08.05 14:11:51\r
GPS(149.0252,-20.2533,16) BAROMETER:1.9\r
ISO:100 Shutter:60 EV: Fnum:2.2\r
"""


def test_subtitles_of_newer_drones_are_read(tmp_path):
    track = read_track(write(tmp_path, NEW, 'DJI_0001.SRT'))
    first, second = track.samples
    assert first.stamp_ns == 1_714_996_800 * S + 500_250_000
    assert second.stamp_ns - first.stamp_ns == S
    assert (first.latitude_deg, first.longitude_deg) == (46.842607, -91.99456)
    assert (first.rel_altitude_m, first.altitude_m, first.focal35_mm) == (39.8, 198.31, 24.0)
    assert (first.gimbal_yaw_deg, first.gimbal_pitch_deg) == (45.0, -90.0)
    assert track.at(first.stamp_ns + S // 2).rel_altitude_m == pytest.approx(40.3)


def test_subtitles_of_older_drones_are_read_longitude_first(tmp_path):
    (tag,) = read_track(write(tmp_path, OLD, 'a.srt')).samples
    assert (tag.latitude_deg, tag.longitude_deg, tag.rel_altitude_m) == (-20.2533, 149.0252, 1.9)


def test_subtitles_without_a_position_are_refused(tmp_path):
    with pytest.raises(GeotagError, match='none with a position'):
        read_track(write(tmp_path, '1\n00:00:00,000 --> 00:00:01,000\nHello\n', 'a.srt'))
    with pytest.raises(GeotagError, match=r'a\.srt, subtitle 1: latitude is 99\.0'):
        read_track(write(tmp_path, NEW.replace('46.842607', '99'), 'a.srt'))
