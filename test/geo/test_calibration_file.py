# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files are read as ROS writes them; everything else is refused by name."""

from __future__ import annotations

import pytest
import yaml

from rs_onboard.geo.calibration import MAX_FILE_BYTES, camera_from_file
from rs_onboard.geo.errors import CameraError

MATRIX = [1100.5, 0.0, 959.5, 0.0, 1101.5, 539.5, 0.0, 0.0, 1.0]

# As camera_calibration writes it.
WRITTEN = """
image_width: 1920
image_height: 1080
camera_name: down
camera_matrix:
  rows: 3
  cols: 3
  data: [1100.5, 0, 959.5, 0, 1101.5, 539.5, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.25, 0.08, 0.001, -0.0005, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [1100.5, 0, 959.5, 0, 0, 1101.5, 539.5, 0, 0, 0, 1, 0]
"""


def document(**changes):
    values = {
        'image_width': 1920,
        'image_height': 1080,
        'camera_matrix': list(MATRIX),
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': [0.0] * 5,
    }
    values.update(changes)
    return {key: value for key, value in values.items() if value is not None}


def write(tmp_path, content):
    path = tmp_path / 'camera.yaml'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_file_of_camera_calibration_is_read(tmp_path):
    camera = camera_from_file(write(tmp_path, WRITTEN))
    assert (camera.width, camera.height) == (1920, 1080)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (1100.5, 1101.5, 959.5, 539.5)
    assert camera.distortion_model == 'plumb_bob'
    assert camera.distortion == (-0.25, 0.08, 0.001, -0.0005, 0.0)


@pytest.mark.parametrize(
    ('model', 'count'), [('plumb_bob', 5), ('rational_polynomial', 8), ('equidistant', 4)]
)
def test_every_distortion_model_has_its_number_of_coefficients(tmp_path, model, count):
    values = document(distortion_model=model, distortion_coefficients=[0.01] * count)
    assert camera_from_file(write(tmp_path, values)).distortion == (0.01,) * count
    values['distortion_coefficients'] = [0.01] * (count + 1)
    with pytest.raises(CameraError, match=f'distortion_coefficients is .*allowed: {count} numbers'):
        camera_from_file(write(tmp_path, values))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'image_width': None}, 'image_width is None; allowed: 1 numbers'),
        ({'image_height': '1080'}, "image_height is '1080'"),
        ({'image_width': True}, 'image_width is True'),
        ({'image_width': 0}, 'image_width is 0; allowed: a whole number of pixels from 1'),
        ({'image_width': 1920.5}, 'image_width is 1920.5'),
        ({'image_width': float('inf')}, 'image_width is inf'),
        ({'image_height': float('nan')}, 'image_height is nan'),
        ({'image_height': 10**400}, 'image_height is 10000'),
        ({'camera_matrix': None}, 'camera_matrix is None; allowed: 9 numbers'),
        ({'camera_matrix': MATRIX[:8]}, 'allowed: 9 numbers'),
        ({'camera_matrix': {'rows': 3}}, 'camera_matrix is None'),
        ({'camera_matrix': [*MATRIX[:8], 'x']}, 'allowed: 9 numbers'),
        ({'camera_matrix': [0.0] * 9}, 'uncalibrated camera'),
        ({'camera_matrix': [float('nan')] * 9}, 'expected finite numbers'),
        ({'distortion_model': 'fov'}, "is 'fov'; allowed: plumb_bob, rational_polynomial"),
        ({'distortion_model': ['plumb_bob']}, r"is \['plumb_bob'\]; allowed"),
        ({'distortion_coefficients': [0.0, 0.0]}, 'allowed: 5 numbers'),
    ],
)
def test_wrong_values_are_refused_by_name(tmp_path, changes, message):
    path = write(tmp_path, document(**changes))
    with pytest.raises(CameraError, match=message) as caught:
        camera_from_file(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('image_width: [1, 2', 'not YAML'),
        ('date: 2024-13-45', 'not YAML'),
        (b'name: \xff\xfe\xfa', 'not YAML'),
        ('[' * 600, 'not YAML'),
        ('', 'found NoneType; expected a mapping'),
        ('- 1\n- 2\n', 'found list; expected a mapping'),
        ('#' * (MAX_FILE_BYTES + 1), 'bytes; a camera_info file has at most'),
        ('!!python/object:os.system {}', 'not YAML'),
    ],
)
def test_files_that_are_no_calibration_are_refused(tmp_path, content, message):
    with pytest.raises(CameraError, match=message):
        camera_from_file(write(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CameraError, match=r'none.yaml: no such file; expected a camera_info file'):
        camera_from_file(tmp_path / 'none.yaml')
    with pytest.raises(CameraError, match='no such file'):
        camera_from_file(tmp_path)


def test_a_message_stays_short_whatever_the_file_holds(tmp_path):
    bomb = 'a: &a [x, x]\n' + ''.join(
        f'{name}: &{name} [{", ".join([f"*{before}"] * 9)}]\n'
        for before, name in zip('abcdefgh', 'bcdefghi', strict=True)
    )
    path = write(tmp_path, f'{bomb}image_width: *i\n')
    with pytest.raises(CameraError, match='image_width is') as caught:
        camera_from_file(path)
    assert len(str(caught.value)) < 2000
