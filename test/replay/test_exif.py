# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""EXIF and XMP blocks: what cameras write is read, and nothing else gets through."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagged_images import exif, jpeg, place

from rs_onboard.replay.errors import GeotagError
from rs_onboard.replay.exif import MAX_ENTRIES, read_exif
from rs_onboard.replay.geotag import Geotag
from rs_onboard.replay.jpeg import read_jpeg_parts
from rs_onboard.replay.xmp import read_xmp


@pytest.mark.parametrize('order', ['<', '>'])
def test_position_time_and_focal_length_are_read_in_both_byte_orders(order):
    block = exif(
        photo={
            0x9003: '2024:05:06 12:00:00',
            0x9291: '25',
            0x9011: '+02:00',
            0x920A: ((361, 100),),
            0xA405: 20,
            0xA002: 4000,
        },
        place=place(-46.5, 91.25, 198.309) | {0x1F: ((3, 2),)},
        order=order,
    )
    tag = read_exif('a.jpg', block)
    assert tag.latitude_deg == pytest.approx(-46.5, abs=1e-9)
    assert tag.longitude_deg == pytest.approx(91.25, abs=1e-9)
    assert tag.altitude_m == pytest.approx(198.309)
    assert tag.stamp_ns == (1_714_996_800 - 7200) * 10**9 + 250_000_000
    assert (tag.focal_mm, tag.focal35_mm, tag.full_width_px) == (3.61, 20.0, 4000.0)
    assert tag.horizontal_sigma_m == 1.5


def test_the_time_of_exposure_goes_before_the_time_of_the_last_change():
    both = exif(image={0x0132: '2024:05:07 00:00:00'}, photo={0x9003: '2024:05:06 12:00:00'})
    assert read_exif('a', both).stamp_ns == 1_714_996_800 * 10**9
    changed = exif(image={0x0132: '2024:05:06 12:00:00'})
    assert read_exif('a', changed).stamp_ns == 1_714_996_800 * 10**9


def test_focal_plane_resolution_gives_pixels():
    block = exif(photo={0x920A: ((10, 1),), 0xA20E: ((5000, 1),), 0xA210: 3})
    assert read_exif('a', block).focal_px == pytest.approx(5000.0)


def test_rationals_over_zero_are_unknown():
    nothing = ((0, 0),)
    block = exif(place={1: 'N', 2: nothing * 3, 6: nothing}, photo={0x920A: ((0, 1),)})
    assert read_exif('a', block) == Geotag()


def test_altitudes_below_the_sea_are_negative():
    block = exif(place={5: 1, 6: ((300, 1),)})
    assert read_exif('a', block).altitude_m == -300.0


@pytest.mark.parametrize(
    ('block', 'message'),
    [
        (exif(place=place(95.0, 0.1)), 'GPSLatitude is 95.0; allowed: -90 to 90'),
        (exif(place={1: 'Q', 2: ((46, 1),)}), "GPSLatitudeRef is 'Q'; allowed: N or S"),
        (exif(place={1: 'N', 2: 'high'}), 'GPSLatitude is .*up to three rationals'),
        (exif(image={0x0112: 6}), 'Orientation is 6.0; allowed: 1 .*exiftran'),
        (b'XX*\0\0\0\0\x08', 'byte order mark is .*exiftool'),
        (b'MM\0*\xff\xff\xff\xff', 'directory offset is 4294967295'),
        (b'MM\0*\0\0\0\x08\xff\xff', 'directory length is 65535; allowed: 0 to 0'),
    ],
)
def test_damage_is_named_with_file_field_value_and_way_out(block, message):
    with pytest.raises(GeotagError, match=rf'a\.jpg: EXIF {message}'):
        read_exif('a.jpg', block)


def test_directories_and_values_are_bounded():
    head = b'MM\0*\0\0\0\x08' + struct.pack('>H', MAX_ENTRIES + 1)
    endless = head + bytes(12 * (MAX_ENTRIES + 9))
    with pytest.raises(GeotagError, match=f'0 to {MAX_ENTRIES} entries'):
        read_exif('a', endless)
    huge = b'MM\0*\0\0\0\x08\0\x01' + struct.pack('>HHII', 0x0132, 2, 2**32 - 1, 8) + b'\0' * 8
    assert read_exif('a', huge) == Geotag()


def test_a_directory_that_points_to_itself_is_read_once():
    block = b'MM\0*\0\0\0\x08\0\x01' + struct.pack('>HHII', 0x8769, 4, 1, 8) + b'\0\0\0\0'
    assert read_exif('a', block) == Geotag()


VALID = exif(
    image={0x0132: '2024:05:06 12:00:00'},
    photo={0x9003: '2024:05:06 12:00:00', 0x920A: ((361, 100),)},
    place=place(46.5, -91.25, 198.3),
)


def refusal(read, data):
    """Return the message with which reading is refused, nothing where it succeeds."""
    try:
        read('a.jpg', data)
    except GeotagError as exc:
        return str(exc)
    return ''


@settings(max_examples=300)
@given(st.data())
def test_any_damage_gives_a_tag_or_one_named_error(data):
    block = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(block[: data.draw(st.integers(0, len(block)))])
    found = refusal(read_exif, cut)
    assert not found or found.startswith('a.jpg: ')


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_damaged_picture_files_give_parts_or_one_named_error(noise, at):
    whole = jpeg(exif_block=VALID, xmp='<x/>')
    found = refusal(read_jpeg_parts, whole[:at] + noise + whole[at + len(noise) :])
    assert not found or found.startswith('a.jpg: the image data is ')


def test_truncated_pictures_are_refused():
    whole = jpeg()
    with pytest.raises(GeotagError, match='whole JPEG picture'):
        read_jpeg_parts('a.jpg', whole[:-40])
    with pytest.raises(GeotagError, match='starting with nothing'):
        read_jpeg_parts('a.jpg', b'')
    with pytest.raises(GeotagError, match='89 50 4e 47'):
        read_jpeg_parts('a.jpg', b'\x89PNG\r\n\x1a\n' + b'\0' * 50)


def test_size_and_blocks_of_a_picture_are_found():
    parts = read_jpeg_parts('a.jpg', jpeg(exif_block=b'MM..', xmp='<x/>', width=40, height=30))
    assert parts == (40, 30, b'MM..', b'<x/>')


XMP = """<rdf:Description drone-dji:AbsoluteAltitude="+198.31" drone-dji:RelativeAltitude="+39.80"
 drone-dji:GimbalRollDegree="+0.00" drone-dji:GimbalYawDegree="+45.00"
 drone-dji:GimbalPitchDegree="-89.90" drone-dji:FlightYawDegree='46.00'
 drone-dji:CamReverse="0" drone-dji:Model="FC300S">
 <drone-dji:FlightPitchDegree>+1.80</drone-dji:FlightPitchDegree>
 <drone-dji:RtkStdLat>0.02</drone-dji:RtkStdLat><drone-dji:RtkStdLon>0.01</drone-dji:RtkStdLon>
</rdf:Description>"""


def test_dji_fields_are_read_as_attributes_and_as_elements():
    tag = read_xmp('a.jpg', XMP.encode())
    assert (tag.altitude_m, tag.rel_altitude_m) == (198.31, 39.8)
    assert (tag.yaw_deg, tag.pitch_deg, tag.roll_deg) == (46.0, 1.8, None)
    assert (tag.gimbal_yaw_deg, tag.gimbal_pitch_deg, tag.gimbal_roll_deg) == (45.0, -89.9, 0.0)
    assert tag.horizontal_sigma_m == 0.02


def test_misspelt_longitude_of_early_firmware_is_read():
    packet = b'drone-dji:GpsLatitude="46.8" drone-dji:GpsLongtitude="-91.9"'
    assert read_xmp('a', packet).longitude_deg == -91.9


def test_wrong_dji_values_name_file_and_field():
    with pytest.raises(GeotagError, match=r'a\.jpg: XMP drone-dji:FlightYawDegree is .east'):
        read_xmp('a.jpg', b'drone-dji:FlightYawDegree="east"')
    with pytest.raises(GeotagError, match=r'GimbalPitchDegree is -900\.0; allowed: -180 to 180'):
        read_xmp('a.jpg', b'drone-dji:GimbalPitchDegree="-900"')


@given(st.binary(max_size=300))
def test_any_packet_is_read_or_refused_by_name(noise):
    found = refusal(read_xmp, b'drone-dji:FlightYawDegree="' + noise)
    assert not found or found.startswith('a.jpg: XMP drone-dji:')
