# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What stays in float, given what was measured."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from small_graphs import gated_network, tiles  # noqa: E402

from rs_onboard.zoo.errors import ExportError  # noqa: E402
from rs_onboard.zoo.quantise import choice as choosing  # noqa: E402
from rs_onboard.zoo.quantise import quantise, static  # noqa: E402
from rs_onboard.zoo.quantise.agreement import Reference  # noqa: E402
from rs_onboard.zoo.quantise.canonical import canonical  # noqa: E402
from rs_onboard.zoo.quantise.choice import (  # noqa: E402
    Choice,
    leave_hurtful_in_float,
    leave_slow_in_float,
    split,
)
from rs_onboard.zoo.quantise.kinds import candidates, without_islands  # noqa: E402
from rs_onboard.zoo.quantise.ranges import Span, histograms, spans  # noqa: E402


@pytest.fixture
def choice():
    prepared = canonical(gated_network())
    found = candidates(prepared)
    names = {t for item in found.values() for t in (*item.inputs, item.end, *item.node.output)}
    ranges = spans(histograms(prepared, sorted(names), tiles(2)), 'minmax')
    return Choice(prepared, found, ranges, without_islands(found, found))


def count(model, operator):
    return sum(node.op_type == operator for node in model.graph.node)


def kinds(choice):
    return {choice.found[name].kind for name in choice.chosen}


def test_what_is_measured_faster_in_float_returns_to_float(choice, monkeypatch):
    # One unit a dequantised product of two maps, as on a runtime without that kernel.
    def times(models, _feed):
        return np.array([1.0 + count(m, 'Sigmoid') * ('multiply' in kinds(choice)) for m in models])

    everything = choice.chosen
    monkeypatch.setattr(choosing, 'times', times)
    leave_slow_in_float(choice, tiles(1)[0])
    assert choice.chosen == everything
    assert choice.slower == []

    def slow_products(models, _feed):
        return np.array([1.0 - 0.1 * (len(m.graph.node) < largest) for m in models])

    largest = len(choice.build().graph.node)
    monkeypatch.setattr(choosing, 'times', slow_products)
    leave_slow_in_float(choice, tiles(1)[0])
    assert len(choice.slower) == 1
    assert choice.chosen < everything


def test_one_lucky_timing_moves_nothing(choice, monkeypatch):
    answers = iter([np.array([1.0, 0.5]), np.array([1.0, 1.0])] * 99)
    everything = choice.chosen
    monkeypatch.setattr(choosing, 'times', lambda *_: next(answers))
    leave_slow_in_float(choice, tiles(1)[0])
    assert choice.chosen == everything


def test_the_node_with_a_useless_range_is_the_one_that_stays_in_float(choice):
    feeds = tiles(4)
    reference = Reference(gated_network(), feeds)
    ends = [choice.found[name].end for name in choice.heavy()]
    spoilt = choice.heavy()[-1]
    choice.ranges = dict(choice.ranges) | {ends[-1]: Span(0.0, 4000.0)}
    before = reference.agreement(choice.build())
    after = leave_hurtful_in_float(choice, reference, target=0.97)
    assert before < 0.9 < after
    assert choice.hurt == [spoilt]
    assert spoilt not in choice.chosen


def test_a_target_reached_leaves_everything_as_it_is(choice):
    everything = choice.chosen
    leave_hurtful_in_float(choice, Reference(gated_network(), tiles(2)), target=0.5)
    assert choice.chosen == everything
    assert choice.hurt == []


def test_runs_are_of_nearly_equal_length_and_hold_everything():
    names = [str(i) for i in range(11)]
    parts = split(names, 4)
    assert [name for part in parts for name in part] == names
    assert {len(part) for part in parts} == {2, 3}
    assert split(names[:2], 4) == [['0'], ['1']]


def test_quantised_graph_is_small_agrees_and_says_what_was_done(monkeypatch):
    for module in (choosing, static):
        monkeypatch.setattr(module, 'times', lambda models, _feed: np.full(len(models), 1.0))
    model, feeds = gated_network(), tiles(4)
    one, two = (quantise(model, feeds, target=0.9) for _ in range(2))
    assert one.model.SerializeToString() == two.model.SerializeToString()
    assert one.agreement > 0.9
    assert (one.model.ir_version, one.model.opset_import[0].version) == (8, 17)
    assert [value.name for value in one.model.graph.output] == ['labels', 'logits']
    assert one.note.startswith(f'agrees with fp32 in {one.agreement:.2%} on calibration tiles')
    monkeypatch.setattr(static, 'times', lambda *_: np.array([1.0, 2.0]))
    slow = quantise(model, feeds, target=0.9)
    assert 'not faster than fp32 here: 2.00 times its time' in slow.note


def test_what_cannot_be_quantised_is_refused(monkeypatch):
    monkeypatch.setattr(choosing, 'times', lambda models, _feed: np.full(len(models), 1.0))
    model, feeds = gated_network(), tiles(2)
    int8 = quantise(model, feeds, target=0.5).model
    with pytest.raises(ExportError, match=r'quantised already.*Give the fp32 variant'):
        quantise(int8, feeds, target=0.5)
    with pytest.raises(ExportError, match='calibration has no tiles'):
        quantise(model, [], target=0.5)
    pair = [{'before': feeds[0]['tiles']}]
    with pytest.raises(ExportError, match='feed 0 has the inputs before; the graph takes tiles'):
        quantise(model, pair, target=0.5)
    with pytest.raises(ExportError, match=r'tiles is float32 of shape \(1, 32, 32, 3\)'):
        quantise(model, [{'tiles': feeds[0]['tiles'].astype(np.float32)}], target=0.5)
    other = onnx.ModelProto()
    other.CopyFrom(model)
    for value, node in zip(other.graph.output, other.graph.node[-2:], strict=True):
        value.name = node.output[0] = f'my_{value.name}'
    with pytest.raises(ExportError, match='outputs my_labels, my_logits; expected one of'):
        quantise(other, feeds, target=0.5)
