# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""An engine is used only where it is whole and made for this machine; else it is built anew."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest

from rs_onboard.inference.engines import (
    BUILDING,
    MANIFEST,
    EngineKey,
    Purpose,
    default_cache,
    engine_fault,
    engine_key,
    ensure_engine,
)
from rs_onboard.inference.errors import ProviderError

KEY = EngineKey('5' * 64, 'fp16', 'tiles:4x256x256x3', 'Orin sm_87', '10.3.0', '1.23.2')


class Builder:
    """Writes what TensorRT would, and remembers."""

    def __init__(self, files=('graph.engine', 'graph.profile')):
        self.files, self.folders = files, []

    def __call__(self, folder):
        self.folders.append(folder)
        for name in self.files:
            (folder / name).write_bytes(name.encode() * 100)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / 'cache' / 'engines'


def ensured(cache, key=KEY, build=None):
    lines = []
    build = build or Builder()
    return ensure_engine(cache, key, build, lines.append), build, lines


def test_an_engine_is_built_beside_and_renamed(cache):
    folder, build, lines = ensured(cache)
    assert folder == cache / KEY.digest
    assert build.folders[0] != folder
    assert not build.folders[0].exists()
    assert (folder / 'graph.engine').read_bytes() == b'graph.engine' * 100
    assert (engine_fault(folder, KEY), lines) == ('', [])
    again, build, lines = ensured(cache)
    assert (again, build.folders, lines) == (folder, [], [])


@pytest.mark.parametrize('field', [field.name for field in dataclasses.fields(EngineKey)])
def test_every_part_of_the_key_counts(cache, field):
    other = dataclasses.replace(KEY, **{field: 'other'})
    assert other.digest != KEY.digest
    ensured(cache)
    _, build, _ = ensured(cache, other)
    assert len(build.folders) == 1


def test_the_key_of_a_graph_names_shapes_and_versions():
    shapes = {'before': (2, 64, 32, 3), 'after': (2, 64, 32, 3)}
    purpose = Purpose('5' * 64, 'int8', shapes)
    key = engine_key(purpose, gpu='Orin sm_87', tensorrt='10.3.0', runtime='1.20.1')
    assert key.shapes == 'after:2x64x32x3 before:2x64x32x3'
    assert (key.precision, key.runtime) == ('int8', '1.20.1')
    assert purpose.least == {'before': (1, 64, 32, 3), 'after': (1, 64, 32, 3)}


def cut(folder):
    (folder / 'graph.engine').write_bytes(b'graph')


def change(folder):
    data = bytearray((folder / 'graph.engine').read_bytes())
    data[7] ^= 1
    (folder / 'graph.engine').write_bytes(data)


def empty(folder):
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {'files': {}}))


def escape(folder):
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {'files': {'../x': ''}}))


def foreign(folder):
    content = json.loads((folder / MANIFEST).read_text())
    content['key']['gpu'] = 'Xavier sm_72'
    (folder / MANIFEST).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('damage', 'reason'),
    [
        (cut, 'graph.engine was changed or is cut short'),
        (change, 'graph.engine was changed or is cut short'),
        (lambda folder: (folder / 'graph.profile').unlink(), 'graph.profile is missing'),
        (lambda folder: (folder / MANIFEST).unlink(), 'manifest.json is missing or cannot be read'),
        (lambda folder: (folder / MANIFEST).write_text('{"key": 3'), 'cannot be read'),
        (lambda folder: (folder / MANIFEST).write_text('[]'), 'cannot be read'),
        (empty, 'it holds no engine'),
        (escape, '../x is missing'),
        (foreign, r'made for gpu Xavier sm_72 (here Orin sm_87)'),
    ],
)
def test_what_is_not_whole_is_thrown_away_by_name_and_built_again(cache, damage, reason):
    folder, _, _ = ensured(cache)
    damage(folder)
    _, build, (line,) = ensured(cache)
    assert line.startswith(f'engine cache: discarded {folder}: ')
    assert reason in line
    assert (len(build.folders), engine_fault(folder, KEY)) == (1, '')


def test_engines_of_other_versions_are_thrown_away_and_others_kept(cache):
    old = dataclasses.replace(KEY, tensorrt='8.6.1', runtime='1.16.3')
    other = dataclasses.replace(KEY, sha256='6' * 64)
    for key in (old, other):
        ensured(cache, key)
    _, _, (line,) = ensured(cache)
    assert 'made for tensorrt 8.6.1 (here 10.3.0), runtime 1.16.3 (here 1.23.2)' in line
    assert sorted(path.name for path in cache.iterdir()) == sorted((KEY.digest, other.digest))


def test_a_build_that_fails_leaves_nothing(cache):
    def fail(folder):
        (folder / 'half').write_bytes(b'half')
        raise ProviderError('out of memory')

    with pytest.raises(ProviderError, match='out of memory'):
        ensured(cache, build=fail)
    assert list(cache.iterdir()) == []
    with pytest.raises(ProviderError, match=r'TensorRT wrote no engine; expected one\. Does it'):
        ensured(cache, build=Builder(()))
    assert list(cache.iterdir()) == []


def test_leftovers_of_a_process_that_ended_are_thrown_away(cache):
    ended = 2**22 + 1
    left = cache / f'{KEY.digest}{BUILDING}{ended}'
    left.mkdir(parents=True)
    at_work = cache / f'{"0" * 32}{BUILDING}{os.getppid()}'
    at_work.mkdir()
    _, _, (line,) = ensured(cache)
    assert line == f'engine cache: discarded {left}: its building was interrupted'
    assert at_work.is_dir()


def test_two_processes_that_build_the_same_engine_end_with_one(cache, monkeypatch):
    def raced(folder):
        # The other is another process: its folder has another name.
        with monkeypatch.context() as other:
            other.setattr(os, 'getpid', os.getppid)
            ensured(cache)
        Builder()(folder)

    folder, _, _ = ensured(cache, build=raced)
    assert engine_fault(folder, KEY) == ''
    assert [path.name for path in cache.iterdir()] == [KEY.digest]


def test_a_cache_that_others_may_write_to_is_refused(cache):
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    message = r"engine_cache '.*': found a folder that others may write to \(mode 777.*chmod go-w"
    with pytest.raises(ProviderError, match=message):
        ensured(cache)


def test_the_cache_lies_where_caches_of_the_user_lie(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert default_cache() == tmp_path / 'rs_onboard' / 'engines'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert default_cache() == tmp_path / '.cache' / 'rs_onboard' / 'engines'
