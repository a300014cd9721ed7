# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A folder is written whole or not at all, and says what its variants cost."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')

from rs_onboard.inference.bench import Timing
from rs_onboard.zoo.errors import ExportError
from rs_onboard.zoo.make_folder import (
    latencies_of,
    refuse_occupied,
    speed_note,
    time_files,
)

SCENE = Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene' / 'fp32.onnx'


def timing(variant, threads, cpu_ms):
    return Timing(
        *('m', variant, 'cpu', threads, 1, 32, 32, 10, 2 * cpu_ms, 3.0, 4.0, cpu_ms),
        macs=None,
        of_plain=None,
        sha256='0' * 64,
    )


def test_variants_are_timed_together_on_one_and_two_threads():
    graph = SCENE.read_bytes()
    rows = time_files('m', (32, 48), {'fp32': graph, 'int8': graph})
    assert [(row.variant, row.threads) for row in rows] == [
        *(('fp32', 1), ('int8', 1), ('fp32', 2), ('int8', 2))
    ]
    found = latencies_of(rows, 'int8')
    assert [(row.threads, row.height, row.width, row.provider) for row in found] == [
        *((1, 32, 48, 'cpu'), (2, 32, 48, 'cpu'))
    ]
    assert all(row.machine for row in found)


def test_a_variant_that_is_not_faster_says_so():
    rows = [timing('fp32', 1, 10.0), timing('int8', 1, 6.0), timing('fp16', 1, 31.0)]
    rows += [timing(row.variant, 2, 1.0) for row in rows]
    assert speed_note(rows, 'int8').startswith('takes 0.60 of the time of fp32 on ')
    slow = speed_note(rows, 'fp16')
    assert slow.startswith('not faster than fp32 on ')
    assert slow.endswith('with one thread: 3.10 of its time')


def test_a_folder_with_a_model_is_refused_and_other_files_are_no_model(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    refuse_occupied(tmp_path, force=False)
    refuse_occupied(tmp_path / 'new', force=False)
    (tmp_path / 'int8.onnx').write_bytes(b'')
    with pytest.raises(ExportError, match=r'already holds a model \(int8.onnx\)'):
        refuse_occupied(tmp_path, force=False)
    refuse_occupied(tmp_path, force=True)
    with pytest.raises(ExportError, match='is a file; expected a folder'):
        refuse_occupied(tmp_path / 'notes.txt', force=True)
