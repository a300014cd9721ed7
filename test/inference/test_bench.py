# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Timings are taken in turn, compared within a round, and say what they were made on."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rs_onboard.inference import bench
from rs_onboard.inference.bench import Candidate, folder_subject, time_together
from rs_onboard.inference.bench_report import (
    COLUMNS,
    cells,
    make_report,
    to_json,
    to_markdown,
    to_text,
)
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.macs import count_macs
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.inference.sample import sample_tiles

MODELS = Path(__file__).parents[1] / 'data' / 'models'
SHIPPED = Path(__file__).parents[2] / 'models'
ONE = RuntimeSettings(provider='cpu', threads=1)


class Clocked:
    """A runtime that moves a clock on instead of working."""

    provider = 'cpu'
    notice = ''
    placement = ''

    def __init__(self, name, seconds, clock, calls):
        self.name, self.seconds, self.clock, self.calls = name, seconds, clock, calls

    def run(self, feeds):
        self.calls.append(self.name)
        self.clock[0] += next(self.seconds)
        return {}


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(bench.time, 'perf_counter_ns', lambda: round(now[0] * 1e9))
    monkeypatch.setattr(bench.time, 'process_time_ns', lambda: round(now[0] * 5e8))
    return now


def candidate(name, variant, seconds, clock, calls, macs=None):
    runtime = Clocked(variant, seconds, clock, calls)
    feeds = {'tiles': np.zeros((2, 8, 16, 3), np.uint8)}
    return Candidate(name, variant, 1, 'f' * 64, macs, runtime, feeds)


def test_candidates_take_turns_and_each_round_begins_with_another(clock):
    calls = []
    row = [candidate('m', v, itertools.repeat(0.01), clock, calls) for v in ('a', 'b', 'c')]
    time_together(row, runs=3, warm_up=0)
    assert ''.join(calls) == 'abcbcacab'


def test_percentiles_leave_the_warm_up_out(clock):
    seconds = itertools.chain([9.0, 9.0], (0.001 * n for n in range(1, 101)))
    (timing,) = time_together(
        [candidate('m', 'fp32', seconds, clock, [], macs=10**9)], runs=100, warm_up=2
    )
    assert (timing.p50_ms, timing.p95_ms, timing.p99_ms) == pytest.approx((50.5, 95.05, 99.01))
    assert timing.cpu_ms == pytest.approx(25.25)
    assert timing.gmac_per_s == pytest.approx(1 / 0.0505)
    assert (timing.batch, timing.height, timing.width, timing.runs) == (2, 8, 16, 100)


def test_the_ratio_to_the_plain_export_is_taken_round_by_round(clock):
    # The machine slows down by a factor of 1000 half way: medians of each would tell nothing.
    pace = [1, 1, 1, 1000, 1000]
    row = [
        candidate('m', 'fp32', (0.005 * p for p in pace), clock, []),
        candidate('m', 'plain', (0.010 * p for p in pace), clock, []),
        candidate('other', 'fp32', itertools.repeat(1.0), clock, []),
    ]
    ours, plain, other = time_together(row, runs=5, warm_up=0)
    assert ours.of_plain == 0.5
    assert plain.of_plain is None
    assert other.of_plain is None


def test_a_folder_gives_its_variants_with_hash_and_macs():
    subject = folder_subject(SHIPPED / 'scene-decouplenet-d0')
    (first, *_) = subject.candidates([ONE], [1])
    assert first.variant == 'fp32'
    assert first.sha256 in (SHIPPED / 'scene-decouplenet-d0' / 'card.yaml').read_text()
    # DecoupleNet D0 publishes 0.285e9 at 224 x 224 with 45 classes.
    assert first.macs == pytest.approx(0.285e9 * (256 / 224) ** 2, rel=0.03)
    assert first.feeds['tiles'].shape == (1, 256, 256, 3)


def test_a_changed_file_is_refused_before_it_is_timed(tmp_path):
    folder = shutil.copytree(MODELS / 'colour-scene', tmp_path / 'model')
    (folder / 'fp32.onnx').write_bytes((folder / 'fp32.onnx').read_bytes()[:-1] + b'x')
    with pytest.raises(ModelError, match='sha256'):
        folder_subject(folder)


def test_macs_grow_with_the_number_of_tiles():
    graph = (SHIPPED / 'scene-decouplenet-d0' / 'fp32.onnx').read_bytes()
    one, three = (count_macs(graph, {'tiles': sample_tiles(n, 128, 128)}) for n in (1, 3))
    assert three == 3 * one


def test_macs_of_a_graph_without_products_are_none_at_all():
    graph = (MODELS / 'colour-scene' / 'fp32.onnx').read_bytes()
    assert count_macs(graph, {'tiles': sample_tiles(1, 16, 16)}) == 0


def test_sample_tiles_are_the_same_every_time_and_not_flat():
    tiles = sample_tiles(2, 33, 47, bands=4)
    assert tiles.shape == (2, 33, 47, 4)
    assert np.array_equal(tiles, sample_tiles(2, 33, 47, bands=4))
    assert not np.array_equal(tiles[0], tiles[1])
    assert tiles.reshape(-1, 4).std(axis=0).min() > 10


@pytest.fixture
def report():
    subject = folder_subject(MODELS / 'colour-segmentation')
    row = subject.candidates([ONE], [1, 4])
    return make_report(time_together(row, runs=3, warm_up=1))


def test_json_and_table_agree(report):
    data = json.loads(to_json(report))
    assert data['versions'].keys() >= {'rs_onboard', 'python', 'onnxruntime', 'numpy'}
    assert data['machine'] == report.machine
    header, _, *lines = to_markdown(report).splitlines()
    assert header == f'| {" | ".join(COLUMNS)} |'
    table = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[:2]]
    for found, row, shown in zip(data['rows'], report.rows, table, strict=True):
        assert tuple(shown) == cells(row)
        by_name = dict(zip(COLUMNS, shown, strict=True))
        assert by_name['model or network'] == found['name']
        assert by_name['tiles'] == f'{found["batch"]} x {found["height"]} x {found["width"]}'
        for column, key in (('p50 [ms]', 'p50_ms'), ('p95', 'p95_ms'), ('p99', 'p99_ms')):
            assert float(by_name[column]) == pytest.approx(found[key], rel=0.01)
        assert len(found['sha256']) == 64
    assert report.machine['name'] in to_markdown(report)


def test_what_is_not_known_is_a_dash(report):
    row = replace(report.rows[0], macs=None, of_plain=None)
    assert cells(row)[-3:] == ('-', '-', '-')
    assert to_text([row]).splitlines()[1].split()[-3:] == ['-', '-', '-']
