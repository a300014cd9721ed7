# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Result files are valid after every frame, and after every frame that could not be written."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3

import pytest
from small_frames import model_of
from test_records import flown, strict

from rs_onboard.perception.pipeline import Pipeline
from rs_onboard.perception.result_files import GrowingFile, ResultFiles
from rs_onboard.perception.scene import SceneTask


@pytest.fixture(scope='module')
def pipeline():
    return Pipeline([SceneTask(model_of('scene'))])


def contents(folder):
    lines = [strict(line) for line in (folder / 'results.jsonl').read_text().splitlines()]
    return lines, features_of(folder)


def features_of(folder):
    return strict((folder / 'results.geojson').read_text())['features']


def test_both_files_are_valid_after_every_frame(pipeline, tmp_path):
    folder = tmp_path / 'flight' / 'results'
    files = ResultFiles(folder)
    geojson, lines = folder / 'results.geojson', folder / 'results.jsonl'
    assert strict(geojson.read_text()) == {'type': 'FeatureCollection', 'features': []}
    for count in range(1, 5):
        results = flown(pipeline, height_m=100.0 if count % 2 else None)
        files.write(results)
        collection = strict(geojson.read_text())
        assert len(collection['features']) == count
        records = [strict(line) for line in lines.read_text().splitlines()]
        assert len(records) == count
        assert records[-1]['scene']['status'] in {'ok', 'degraded'}
        assert collection['features'][-1] == strict(json.dumps(results.collection['features'][-1]))
    files.close()
    assert len(strict(geojson.read_text())['features']) == 4


def test_a_new_flight_starts_new_files_and_keeps_the_old(pipeline, tmp_path):
    for _ in range(2):
        files = ResultFiles(tmp_path)
        files.write(flown(pipeline))
        files.close()
    assert len((tmp_path / 'results.jsonl').read_text().splitlines()) == 1
    assert len(strict((tmp_path / 'results.geojson').read_text())['features']) == 1
    assert len((tmp_path / 'results.1.jsonl').read_text().splitlines()) == 1
    assert len(strict((tmp_path / 'results.1.geojson').read_text())['features']) == 1


def package_rows(path):
    base = sqlite3.connect(path)
    try:
        return base.execute('SELECT count(*) FROM frames').fetchone()[0]
    finally:
        base.close()


def test_the_geopackage_has_what_the_geojson_has_and_is_set_aside_with_it(pipeline, tmp_path):
    for frames in (2, 3):
        files = ResultFiles(tmp_path)
        for _ in range(frames):
            files.write(flown(pipeline))
        assert package_rows(tmp_path / 'results.gpkg') == frames
        if frames == 3:
            files.close()
        # The first one is not closed, as after a crash: its log goes with it.
    assert package_rows(tmp_path / 'results.1.gpkg') == 2
    assert package_rows(tmp_path / 'results.gpkg') == 3


def test_a_frame_that_the_geopackage_refuses_is_in_no_file(pipeline, tmp_path):
    files = ResultFiles(tmp_path)
    files.write(flown(pipeline))
    before = contents(tmp_path)
    base = sqlite3.connect(tmp_path / 'results.gpkg')
    base.execute('ALTER TABLE frames RENAME TO others')
    base.commit()
    with pytest.raises(OSError, match='no such table: frames'):
        files.write(flown(pipeline))
    assert contents(tmp_path) == before
    base.execute('ALTER TABLE others RENAME TO frames')
    base.commit()
    base.close()
    files.write(flown(pipeline))
    assert (len(contents(tmp_path)[0]), package_rows(tmp_path / 'results.gpkg')) == (2, 2)
    files.close()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match='file'):
        ResultFiles(tmp_path / 'file')


def test_a_frame_that_finds_the_disk_full_is_left_out_and_the_next_is_written(pipeline, tmp_path):
    files = ResultFiles(tmp_path)
    results = flown(pipeline)
    files.write(results)
    before = contents(tmp_path)
    files.close()
    (tmp_path / 'results.geojson').rename(tmp_path / 'kept')
    (tmp_path / 'results.geojson').symlink_to('/dev/full')
    with pytest.raises(OSError, match='No space left'):
        files.write(results)
    (tmp_path / 'results.geojson').unlink()
    (tmp_path / 'kept').rename(tmp_path / 'results.geojson')
    assert contents(tmp_path) == before
    files.write(results)
    lines, features = contents(tmp_path)
    assert (len(lines), len(features)) == (2, 1)
    files.close()


def test_no_piece_of_a_part_that_does_not_fit_stays(tmp_path):
    file = GrowingFile(tmp_path / 'file', b'[', b',', b']')
    file.append(b'0' * 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A write beyond the limit takes what fits first, as on a disk that is nearly full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, limits[1]))
    try:
        with pytest.raises(OSError, match='large'):
            file.append(b'1' * 100)
        assert (tmp_path / 'file').read_bytes() == b'[' + b'0' * 100 + b']'
        file.append(b'2')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / 'file').read_bytes() == b'[' + b'0' * 100 + b',2]'
    file.close()


def test_a_disk_that_is_pulled_out_and_put_back_is_written_to_again(pipeline, tmp_path):
    folder = tmp_path / 'stick'
    files = ResultFiles(folder)
    results = flown(pipeline)
    files.write(results)
    folder.rename(tmp_path / 'pulled')
    files.close()
    with pytest.raises(OSError, match='results'):
        files.write(results)
    (tmp_path / 'pulled').rename(folder)
    files.write(results)
    assert len(contents(folder)[0]) == len(contents(folder)[1]) == 2
    # Another one, empty.
    files.close()
    shutil.rmtree(folder)
    folder.mkdir()
    files.write(results)
    assert len(contents(folder)[0]) == len(contents(folder)[1]) == 1
    files.close()
