# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Maps are made of what there is, and looked through before they fly."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_onboard.cli.main import main
from rs_onboard.geo.reference.opening import open_map

rasterio = pytest.importorskip('rasterio')

PHOTO = Path(__file__).parents[1] / 'data' / 'images' / 'aerial.jpg'


def write_tif(path, *, crs='EPSG:32632', hole=False, date='2021:07:14 10:00:00'):
    """Write an orthophoto of 0.5 m/px."""
    image = np.ascontiguousarray(cv2.imread(str(PHOTO))[:, :, ::-1])
    if hole:
        image[100:400, 100:400] = 0
    profile = {
        'driver': 'GTiff',
        'width': image.shape[1],
        'height': image.shape[0],
        'count': 3,
        'dtype': 'uint8',
        'nodata': 0 if hole else None,
        'transform': rasterio.Affine(0.5, 0, 460_000, 0, -0.5, 5_240_000),
    }
    if crs:
        profile['crs'] = crs
    else:
        profile.pop('transform')
    with rasterio.open(path, 'w', **profile) as file:
        file.write(np.moveaxis(image, -1, 0))
        if date:
            file.update_tags(ACQUISITION_DATE=date)
    return path


@pytest.fixture
def built(tmp_path):
    source, out = write_tif(tmp_path / 'ortho.tif'), tmp_path / 'ortho.mbtiles'
    assert main(['reference', 'build', str(source), '--out', str(out)]) == 0
    return out


def test_an_orthophoto_becomes_a_map_that_says_what_it_was_made_from(built, tmp_path, capsys):
    assert main(['reference', 'info', str(built), '--json']) == 0
    text = capsys.readouterr().out
    told = json.loads(text[text.index('{') :])
    assert told['date'] == '2021-07-14'
    assert told['gsd_m'] == pytest.approx(0.5, rel=0.02)
    assert told['crs'] == 'EPSG:3857'
    assert told['broken'] == 0
    assert told['verified'] == sum(level['tiles'] for level in told['levels'])
    assert told['shown'] > 0.95
    assert len(told['list_hash']) == 64
    (origin,) = told['origins']
    assert origin['name'] == 'ortho.tif'
    assert len(origin['sha256']) == 64
    assert main(['reference', 'info', str(tmp_path / 'ortho.tif')]) == 0
    shown = capsys.readouterr().out
    assert 'EPSG:32632' in shown
    assert 'hash list    none' in shown


def test_a_tile_that_was_changed_after_it_was_built_is_found(built, capsys):
    with sqlite3.connect(built) as database:
        database.execute("UPDATE tiles SET tile_data = x'00' WHERE rowid = 2")
    assert main(['reference', 'info', str(built)]) == 1
    shown = capsys.readouterr().out
    assert 'broken       1 tiles' in shown
    assert 'not that of the hash list' in ' '.join(shown.split())


def test_a_hole_is_named(tmp_path, capsys):
    source, out = write_tif(tmp_path / 'holed.tif', hole=True), tmp_path / 'holed.mbtiles'
    assert main(['reference', 'build', str(source), '--out', str(out)]) == 0
    assert main(['reference', 'info', str(out)]) == 0
    line = next(row for row in capsys.readouterr().out.splitlines() if 'shown' in row)
    assert float(line.split()[1].rstrip('%')) < 90


def test_tiles_of_a_folder_become_a_map(tmp_path, capsys):
    folder = tmp_path / 'tiles'
    for column in (100, 101):
        path = folder / '9' / str(column) / '200.png'
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.full((256, 256, 3), column, np.uint8))
    out = tmp_path / 'tiles.mbtiles'
    status = main(['reference', 'build', str(folder), '--out', str(out), '--date', '2020'])
    assert status == 0
    assert open_map(out).info.date == '2020'
    assert 'zoom 9: 2' in capsys.readouterr().out


def test_several_orthophotos_lie_upon_one_another(tmp_path):
    top = write_tif(tmp_path / 'top.tif', hole=True)
    below = write_tif(tmp_path / 'below.tif', date='2019:01:01')
    out = tmp_path / 'both.mbtiles'
    assert main(['reference', 'build', str(top), str(below), '--out', str(out)]) == 0
    info = open_map(out).info
    assert [origin.date for origin in info.origins] == ['2021-07-14', '2019-01-01']
    assert info.date == '2019-01-01'


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda folder: write_tif(folder / 'plain.tif', crs=''), 'no georeference'),
        (
            lambda folder: write_tif(folder / 'degrees.tif', crs='EPSG:4326'),
            'expected a coordinate system that the coordinates are in',
        ),
        (lambda folder: folder / 'missing.tif', 'no such map'),
        (lambda folder: folder / 'nothing', 'no such source'),
        (lambda folder: folder, 'neither tiles zoom/column/row'),
    ],
)
def test_what_is_no_source_is_refused_in_one_line_and_leaves_nothing(
    tmp_path, capsys, make, message
):
    out = tmp_path / 'out.mbtiles'
    assert main(['reference', 'build', str(make(tmp_path)), '--out', str(out)]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count('\n') == 1
    assert not list(tmp_path.glob('out*'))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--out', 'map.tif'], 'expected a file named *.mbtiles'),
        (['--out', 'ortho.mbtiles'], 'is there already'),
        (['--out', 'new.mbtiles', '--gsd', '0'], 'expected 0.001 to 1000 m/px'),
        (['--out', 'new.mbtiles', '--date', 'July'], "found 'July'; expected year"),
        (['--out', 'gone/new.mbtiles'], 'no such folder'),
    ],
)
def test_wrong_arguments_are_refused(built, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(['reference', 'build', 'ortho.tif', *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_bundled_flight_becomes_a_map(tmp_path, capsys, monkeypatch):
    # Features take seconds a pair that fails; gradients alone show the way from bag to map.
    monkeypatch.setattr('rs_onboard.geo.reference.survey.MATCHING', ('gradient',))
    bag = Path(__file__).parents[2] / 'flights' / 'brighton_beach'
    out = tmp_path / 'beach.mbtiles'
    status = main(['reference', 'build', str(bag), '--out', str(out), '--gsd', '0.2'])
    told = capsys.readouterr().out
    assert status == 0
    assert '14 shots' in told
    info = open_map(out).info
    assert info.date == '2016-06-23'
    assert info.bounds.covers(-91.9941, 46.8427)
    assert 'linked to no other' not in told
