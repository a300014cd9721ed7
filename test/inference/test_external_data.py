# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Weights in other files are found wherever a graph may hold them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.external_data import refuse_external_data

MODELS = Path(__file__).parents[1] / 'data' / 'models'


def number(field, value):
    return bytes([field << 3, value]) if field < 16 else bytes([field << 3 & 0x7F | 0x80, 1, value])


def record(field, data):
    size, rest = [], len(data)
    while rest > 0x7F:
        size.append(rest & 0x7F | 0x80)
        rest >>= 7
    key = field << 3 | 2
    head = [key] if key < 0x80 else [key & 0x7F | 0x80, key >> 7]
    return bytes([*head, *size, rest]) + data


# Fields of onnx.proto: a tensor's name is 8, its entries elsewhere 13, its location 14.
FAR = record(8, b'far') + number(14, 1)
FAR_BY_ENTRY = record(8, b'far') + record(13, record(1, b'location') + record(2, b'x'))
NEAR = record(8, b'near') + number(14, 0) + record(9, b'\x00' * 300)

PLACES = {
    'initializer': lambda t: record(7, record(5, t)),
    'sparse initializer values': lambda t: record(7, record(15, record(1, t))),
    'sparse initializer indices': lambda t: record(7, record(15, record(2, t))),
    'constant of a node': lambda t: record(7, record(1, record(5, record(5, t)))),
    'constants of a node': lambda t: record(7, record(1, record(5, record(10, t)))),
    'sparse constant': lambda t: record(7, record(1, record(5, record(22, record(1, t))))),
    'sparse constants': lambda t: record(7, record(1, record(5, record(23, record(1, t))))),
    'branch': lambda t: record(7, record(1, record(5, record(6, record(5, t))))),
    'branches': lambda t: record(7, record(1, record(5, record(11, record(5, t))))),
    'function': lambda t: record(25, record(7, record(5, record(5, t)))),
    'default of a function': lambda t: record(25, record(11, record(5, t))),
    'training': lambda t: record(20, record(1, record(5, t))),
}


@pytest.mark.parametrize('tensor', [FAR, FAR_BY_ENTRY])
@pytest.mark.parametrize('place', PLACES)
def test_a_tensor_elsewhere_is_found_in_every_place(place, tensor):
    graph = number(1, 8) + record(7, record(5, NEAR)) + PLACES[place](tensor)
    with pytest.raises(ModelError, match=r"m.onnx: tensor 'far' lies in another file; .*this one"):
        refuse_external_data(graph, what='m.onnx')
    refuse_external_data(number(1, 8) + PLACES[place](NEAR), what='m.onnx')


@pytest.mark.parametrize('name', ['weights-outside', 'weights-outside-in-a-branch'])
def test_files_written_by_the_onnx_package_are_read(name):
    graph = (MODELS / 'broken' / f'{name}.onnx').read_bytes()
    with pytest.raises(ModelError, match="tensor 'far' lies in another file"):
        refuse_external_data(graph, what=name)


@pytest.mark.parametrize(
    'name', ['colour-scene/fp32', 'colour-segmentation/fp32', 'broken/one-tile']
)
def test_files_that_hold_their_weights_pass(name):
    refuse_external_data((MODELS / f'{name}.onnx').read_bytes(), what=name)


def nested(depth):
    """A graph in a branch of a graph in a branch of a graph ..."""
    graph = record(5, FAR)
    for _ in range(depth):
        graph = record(1, record(5, record(6, graph)))
    return record(7, graph)


def test_graphs_are_followed_into_their_depth_but_not_for_ever():
    with pytest.raises(ModelError, match='lies in another file'):
        refuse_external_data(nested(15), what='m.onnx')
    with pytest.raises(ModelError, match='found bytes that are no ONNX file'):
        refuse_external_data(nested(2000), what='m.onnx')


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(data):
    try:
        refuse_external_data(data, what='m.onnx')
    except ModelError as exc:
        assert str(exc).startswith('m.onnx: ')  # noqa: PT017  (either outcome is right)


def test_a_file_cut_short_never_passes():
    graph = (MODELS / 'broken' / 'weights-outside.onnx').read_bytes()
    for size in range(3, len(graph) + 1):
        with pytest.raises(ModelError, match=r'no ONNX file|in another file'):
            refuse_external_data(graph[:size], what='m.onnx')
