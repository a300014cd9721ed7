# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Variants are timed on this machine within a limit, and known from then on."""

from __future__ import annotations

import dataclasses
import json
import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import FakeRuntime, model_of

from rs_onboard.inference.budget.ladder import VariantCost
from rs_onboard.inference.cost_file import cost_key, read_costs, write_costs
from rs_onboard.inference.model import Model
from rs_onboard.perception.self_benchmark import choose_offered, known_or_measured, measure

CARD = model_of('scene').card
KEY = cost_key(
    {'fp32': 'a' * 64, 'int8': 'b' * 64}, provider='cpu', threads=1, batch=4, size=(64, 64)
)
COSTS = (VariantCost('fp32', 1.5, 10.0), VariantCost('int8', 0.0, 6.25, 0.97))


class Clock:
    """Goes on only while something works."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def variant(name, clock, call_ms, tile_ms, answer):
    """Make a model that takes a time a call and a time a tile, and answers always the same."""

    def run(tiles):
        clock.now_s += (call_ms + tile_ms * len(tiles)) / 1e3
        return {'probabilities': np.tile(np.float32(answer), (len(tiles), 1))}

    known = dataclasses.replace(next(iter(CARD.variants.values())), name=name, sha256=name * 2)
    return Model(CARD, known, FakeRuntime(run))


def pair(clock, fast_ms=6.0, answer=(0.8, 0.2, 0.0)):
    return (
        variant('fp32', clock, 2.0, 10.0, (0.9, 0.1, 0.0)),
        variant('int8', clock, 2.0, fast_ms, answer),
    )


def test_costs_are_those_of_a_call_and_of_a_tile_and_agreement_that_of_the_answers():
    clock = Clock()
    fp32, int8 = measure(pair(clock), batch=4, limit_s=2.0, clock=clock)
    assert (fp32.variant, fp32.agreement) == ('fp32', 1.0)
    assert fp32.tile_ms == pytest.approx(42.0 / 4)
    assert fp32.frame_ms(1) == pytest.approx(12.0)
    assert int8.agreement == pytest.approx(0.9, abs=1e-3)
    assert int8.tile_ms == pytest.approx(26.0 / 4)


@settings(deadline=None)
@given(st.floats(0.01, 2.0), st.floats(1.0, 900.0), st.floats(1.0, 900.0))
def test_no_call_begins_after_the_time_is_up_and_the_chosen_variant_is_always_timed(
    limit_s, slow_ms, fast_ms
):
    clock = Clock()
    models = (
        variant('fp32', clock, 0.0, slow_ms, (1.0, 0.0, 0.0)),
        variant('int8', clock, 0.0, fast_ms, (1.0, 0.0, 0.0)),
    )
    costs = measure(models, batch=1, limit_s=limit_s, clock=clock)
    assert clock.now_s <= limit_s + max(slow_ms, fast_ms) / 1e3 + 1e-9
    assert costs[0].variant == 'fp32'
    assert costs[0].tile_ms == pytest.approx(slow_ms, rel=1e-3, abs=1e-3)
    assert all(cost.agreement == 1.0 for cost in costs)


def test_a_machine_that_is_busy_now_and_then_does_not_change_the_costs():
    clock, calls = Clock(), []

    def run(tiles):
        calls.append(1)
        clock.now_s += 0.01 * (5 if len(calls) % 2 else 1)
        return {'probabilities': np.full((len(tiles), 3), 1 / 3, np.float32)}

    model = dataclasses.replace(model_of('scene'), runtime=FakeRuntime(run))
    (cost,) = measure([model], batch=1, limit_s=10.0, clock=clock)
    assert cost.tile_ms == pytest.approx(10.0)


def test_int8_is_offered_only_where_it_is_faster_and_close_enough():
    assert choose_offered(COSTS, 0.9) == (COSTS, [])
    for changes, reason in (
        ({'tile_ms': 9.9}, 'int8 is not offered: it takes 0.99 times as long as fp32 here'),
        ({'agreement': 0.5}, 'int8 is not offered: 50.0% of its answers are those of fp32'),
    ):
        changed = (COSTS[0], dataclasses.replace(COSTS[1], **changes))
        offered, (said,) = choose_offered(changed, 0.9)
        assert offered == COSTS[:1]
        assert said.startswith(reason)


@pytest.fixture(autouse=True)
def load(monkeypatch):
    """Let tests say how busy the machine is."""
    found = [0.5]
    monkeypatch.setattr(os, 'getloadavg', lambda: (found[0], found[0], found[0]))
    return found


def known(models, cache, *, limit_s=2.0, clock=None):
    return known_or_measured(
        models,
        batch=1,
        threads=1,
        least_agreement=0.8,
        limit_s=limit_s,
        cache=cache,
        clock=clock or time.perf_counter,
    )


def flown(cache, **options):
    """Do the same with two variants in the time that they take."""
    clock = Clock()
    return known(pair(clock), cache, clock=clock, **options)


def test_what_was_measured_once_is_known_until_model_or_machine_changes(tmp_path):
    first = flown(tmp_path)
    assert first.spent_s > 0.0
    again = flown(tmp_path)
    assert (again.spent_s, again.notes) == (0.0, ())
    assert again.costs == first.costs
    other = pair(Clock())
    changed = dataclasses.replace(other[1].variant, sha256='c' * 64)
    assert known((other[0], dataclasses.replace(other[1], variant=changed)), tmp_path).spent_s > 0.0


def test_the_real_models_of_the_tests_are_measured(tmp_path):
    for task in ('scene', 'detection', 'segmentation'):
        found = known([model_of(task)], tmp_path)
        assert found.costs[0].tile_ms > 0.0
        assert found.costs[0].agreement == 1.0
        assert found.offered == found.costs


def test_costs_survive_the_file_to_the_last_digit(tmp_path):
    write_costs(tmp_path, KEY, COSTS)
    assert read_costs(tmp_path, KEY) == (COSTS, '')
    assert read_costs(tmp_path, dataclasses.replace(KEY, cores=99)) == (None, '')
    assert read_costs(tmp_path / 'missing', KEY) == (None, '')


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'\x00\xff',
        b'[]',
        b'null',
        b'{"key": {}, "costs": []}',
        b'[' * 100_000,
        b'1' * 70_000,
        b'{"costs": [{"variant": "fp32"}]}',
    ],
)
def test_a_corrupt_file_is_named_measured_anew_and_said(tmp_path, content):
    flown(tmp_path)
    (path,) = tmp_path.glob('*.json')
    path.write_bytes(content)
    found = flown(tmp_path)
    assert found.spent_s > 0.0
    assert len(found.notes) == 1
    assert f'measured anew: {path}' in found.notes[0]
    assert flown(tmp_path).spent_s == 0.0


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('tile_ms', 0),
        ('tile_ms', -1.0),
        ('tile_ms', float('nan')),
        ('agreement', 1.5),
        ('variant', 'int4'),
        ('fixed_ms', '1'),
        ('fixed_ms', True),
    ],
)
def test_costs_that_cannot_be_are_refused(tmp_path, field, value):
    write_costs(tmp_path, KEY, COSTS)
    (path,) = tmp_path.glob('*.json')
    data = json.loads(path.read_text())
    data['costs'][0][field] = value
    path.write_text(json.dumps(data))
    assert read_costs(tmp_path, KEY)[0] is None


def test_a_cache_that_cannot_be_written_costs_a_measurement_and_no_more(tmp_path):
    blocked = tmp_path / 'file'
    blocked.write_text('')
    found = flown(blocked / 'costs')
    assert found.costs
    assert any('Set budget.cache' in note for note in found.notes)


def test_what_is_measured_on_a_busy_machine_is_not_kept(tmp_path, load):
    load[0] = 1e3
    found = flown(tmp_path)
    assert found.costs
    assert 'costs are not kept: the machine was busy (load 1000.0' in found.notes[0]
    assert not list(tmp_path.iterdir())


def test_what_was_not_timed_is_said_and_tried_again_next_time(tmp_path):
    found = flown(tmp_path, limit_s=-1.0)
    assert [cost.variant for cost in found.offered] == ['fp32']
    assert found.notes == ('int8 is not offered: not timed within -1 s',)
    assert not list(tmp_path.iterdir())
