# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs this machine cannot run, or that would take all its time or memory, are refused."""

from __future__ import annotations

import pytest

from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.graph_check import (
    MAX_COUNT,
    MAX_ELEMENTS,
    MAX_SCALE,
    REFUSED,
    SUPPORT,
    check_graph,
    support,
)
from rs_onboard.inference.graph_file import GraphFile, Node, Tensor

NEWEST = '.'.join(map(str, SUPPORT[-1].runtime))


def graph(*nodes, opsets=None, ir_version=8, constants=None, domains=None):
    held = {
        name: Tensor(7, (len(values),), tuple(values)) for name, values in (constants or {}).items()
    }
    return GraphFile(ir_version, opsets or {'': 17}, nodes, domains or {}, held, (), ())


def node(operator, *inputs, numbers=None, constants=None):
    return Node(operator, inputs, ('out',), numbers or {}, constants or {})


def check(found, version=NEWEST):
    check_graph(found, what='m.onnx', runtime_version=version)


def test_a_plain_graph_passes():
    check(graph(node('Conv', 'x', 'w'), node('Resize', 'x', '', '', 'sizes')))


@pytest.mark.parametrize(
    ('version', 'opset', 'ir_version'),
    [
        ('1.16.3', 19, 9),
        ('1.17.0', 20, 9),
        ('1.20.1', 21, 10),
        ('1.22.1', 22, 10),
        ('1.23.2', 23, 11),
        ('1.15.0', 19, 9),
        ('1.25.0', 25, 13),
        ('1.24.0.dev2026', 24, 12),
    ],
)
def test_versions_are_taken_as_far_as_the_runtime_goes(version, opset, ir_version):
    assert support(version)[1:] == (opset, ir_version)
    check(graph(opsets={'': opset}, ir_version=ir_version), version)
    with pytest.raises(
        ModelError, match=rf'opset {opset + 1}; ONNX Runtime .* takes 13 to {opset}'
    ):
        check(graph(opsets={'': opset + 1}), version)
    with pytest.raises(ModelError, match=rf'found IR version {ir_version + 1}; ONNX Runtime'):
        check(graph(ir_version=ir_version + 1), version)


@pytest.mark.parametrize(
    ('opsets', 'ir_version', 'message'),
    [
        ({'': 12}, 8, r'm.onnx: found opset 12; .* takes 13 to \d+ here. Export it again'),
        ({'': -1}, 8, 'found opset -1'),
        ({'': 17}, 0, 'found IR version 0'),
        ({'': 17, 'ai.onnx.ml': 3}, 8, r"operator sets 'ai.onnx.ml' \(imported\); expected ONNX"),
    ],
)
def test_versions_and_sets_beyond_are_refused(opsets, ir_version, message):
    with pytest.raises(ModelError, match=message):
        check(graph(opsets=opsets, ir_version=ir_version))


def test_a_domain_of_a_node_is_found_though_nobody_imports_it():
    with pytest.raises(ModelError, match=r"'com.acme' \(operator Fast\), 'com.b' \(operator X\)"):
        check(graph(domains={'com.b': 'X', 'com.acme': 'Fast'}))


@pytest.mark.parametrize('operator', REFUSED)
def test_what_may_never_end_or_never_repeats_is_refused(operator):
    message = f'found operator {operator}, which {REFUSED[operator]}; expected a graph that ends'
    with pytest.raises(ModelError, match=message):
        check(graph(node(operator, 'x')))


@pytest.mark.parametrize(
    ('operator', 'position', 'fits', 'bursts'),
    [
        ('ConstantOfShape', 0, [MAX_ELEMENTS], [2**20, 2**20]),
        ('Expand', 1, [2**14, 2**14], [2**14, 2**14 + 1]),
        ('Tile', 1, [1, 1, 4, 4], [1, 10**5, 10**5]),
        ('Resize', 3, [1, 6, 2048, 2048], [1, 6, 10**5, 10**5]),
        ('Resize', 2, [1, 1, 64, 64], [1, 1, 65, 64]),
        ('Upsample', 1, [1, 1, 8, 8], [1, 1, MAX_SCALE, 2]),
        ('Pad', 1, [0, 8, MAX_COUNT, 8], [0, 8, MAX_COUNT + 1, 0]),
        ('OneHot', 1, [255], [10**9]),
    ],
)
def test_operators_that_blow_up_by_a_constant_are_refused(operator, position, fits, bursts):
    inputs = ['x'] * position + ['size']
    check(graph(node(operator, *inputs), constants={'size': fits}))
    message = f"m.onnx: found {operator} 'out' .*expected at most .*made to exhaust memory"
    with pytest.raises(ModelError, match=message):
        check(graph(node(operator, *inputs), constants={'size': bursts}))


def test_a_size_is_found_in_every_form_of_constant():
    burst = (2**20, 2**20)
    for maker in (
        Node('Constant', (), ('size',), {}, {'value': Tensor(7, (2,), burst)}),
        Node('Constant', (), ('size',), {'value_ints': burst}, {}),
        Node('Constant', (), ('size',), {'value_int': (2**40,)}, {}),
    ):
        with pytest.raises(ModelError, match='found Expand'):
            check(graph(maker, node('Expand', 'x', 'size')))


def test_a_range_is_counted_in_steps():
    def bounds(start, stop, step):
        constants = {'start': [start], 'stop': [stop], 'step': [step]}
        return graph(node('Range', 'start', 'stop', 'step'), constants=constants)

    check(bounds(0, 512, 1))
    check(bounds(10**12, 10**12 - 5, -1))
    for endless in ((0, 10**12, 1), (0, 1, 0), (0.0, float('nan'), 1.0)):
        with pytest.raises(ModelError, match=r"found Range 'out' from .* expected at most"):
            check(bounds(*endless))
    # Bounds that the graph computes are not known before it runs.
    check(graph(node('Range', 'start', 'x', 'step'), constants={'start': [0], 'step': [1]}))
