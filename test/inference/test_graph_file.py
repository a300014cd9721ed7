# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A graph is read as it is, and what has no place in flight is found wherever it hides."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rs_onboard.inference import graph_file, protobuf
from rs_onboard.inference.errors import ModelError
from rs_onboard.inference.graph_file import read_graph
from rs_onboard.inference.runtime import OnnxRuntime
from rs_onboard.inference.runtime_settings import RuntimeSettings

MODELS = Path(__file__).parents[1] / 'data' / 'models'


def varint(number):
    found = []
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def number(field, value):
    return varint(field << 3) + varint(value % 2**64)


def record(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


# Fields of onnx.proto. Tensor: dims 1, type 2, floats 4, whole numbers 5 and 7, name 8, raw data 9,
# entries elsewhere 13, location 14.
def tensor(name='t', shape=(3,), kind=1, data=None):
    dims = b''.join(number(1, size) for size in shape)
    return dims + number(2, kind) + record(8, name) + (data or record(9, bytes(12)))


def model(*graph):
    return number(1, 8) + record(8, number(2, 17)) + record(7, b''.join(graph))


FAR = record(8, 'far') + number(14, 1)
FAR_BY_ENTRY = record(8, 'far') + record(13, record(1, 'location') + record(2, 'x'))

PLACES = {
    'initializer': lambda t: record(5, t),
    'constant of a node': lambda t: record(1, record(5, record(5, t))),
    'constants of a node': lambda t: record(1, record(5, record(10, t))),
    'branch': lambda t: record(1, record(5, record(6, record(5, t)))),
    'branches': lambda t: record(1, record(5, record(11, record(5, t)))),
}


@pytest.mark.parametrize('hidden', [FAR, FAR_BY_ENTRY])
@pytest.mark.parametrize('place', PLACES)
def test_a_tensor_elsewhere_is_found_in_every_place(place, hidden):
    with pytest.raises(ModelError, match=r"m.onnx: found tensor 'far' in another file; .*this one"):
        read_graph(model(record(5, tensor()), PLACES[place](hidden)), what='m.onnx')
    read_graph(model(PLACES[place](tensor('near'))), what='m.onnx')


@pytest.mark.parametrize('place', PLACES)
def test_a_tensor_of_another_size_than_its_data_is_found_in_every_place(place):
    huge = tensor('huge', (10**6, 10**6))
    message = r"'huge' that declares 1000000000000 elements of float .* and holds 3; expected as"
    with pytest.raises(ModelError, match=message):
        read_graph(model(PLACES[place](huge)), what='m.onnx')


@pytest.mark.parametrize(
    ('shape', 'kind', 'data'),
    [
        ((2, 3), 1, record(9, bytes(24))),
        ((), 1, record(9, bytes(4))),
        ((0, 5), 1, record(9, b'')),
        ((2,), 10, record(9, bytes(4))),
        ((2,), 1, record(4, bytes(8))),
        ((2,), 1, (varint(4 << 3 | 5) + bytes(4)) * 2),
        ((2,), 11, record(10, bytes(16))),
        ((3,), 7, record(7, b'\x01' + varint(-1 % 2**64) + b'\x80\x01')),
        ((2,), 6, number(5, 3) + number(5, 4)),
        ((2,), 3, record(5, b'\x01\x02')),
    ],
)
def test_data_may_be_written_in_every_way_of_the_format(shape, kind, data):
    read_graph(model(record(5, tensor('t', shape, kind, data))), what='m.onnx')
    message = r"tensor 't' that declares .* elements of .* holds"
    more = (*(size or 1 for size in shape), 7)
    with pytest.raises(ModelError, match=message):
        read_graph(model(record(5, tensor('t', more, kind, data + data))), what='m.onnx')


@pytest.mark.parametrize(
    ('part', 'message'),
    [
        (record(5, tensor(shape=(-3,))), r'declares -3 elements of float'),
        (record(5, tensor(shape=(-1, -3))), r'declares 3 elements of float \(shape \[-1, -3\]\)'),
        (record(5, tensor(data=record(9, bytes(13)))), 'declares 3 elements .* holds 3'),
        (record(5, tensor(kind=8)), "tensor 't' of element type 8; expected one of float, uint8"),
        (
            record(5, tensor(shape=(1,) * 17, data=record(9, bytes(4)))),
            '17 dimensions; expected at',
        ),
        (record(15, record(1, tensor())), 'found a sparse tensor; expected dense ones'),
        (record(1, record(5, record(22, record(1, tensor())))), 'found a sparse tensor'),
        (record(1, record(5, record(23, record(1, tensor())))), 'found a sparse tensor'),
        (record(11, record(1, 'x') + record(2, record(4, b''))), "found 'x', no tensor"),
        (record(1, record(1, b'\xff\xfe')), 'the name at byte .* is not UTF-8'),
        (record(1, number(5, 1)), 'field 5 is a number, not a record'),
        (record(1, record(5, record(5, tensor()) * 2)), 'field 5 appears 2 times'),
    ],
)
def test_what_has_no_place_in_flight_is_refused(part, message):
    with pytest.raises(ModelError, match=message) as caught:
        read_graph(model(part), what='m.onnx')
    assert str(caught.value).startswith('m.onnx: found')


@pytest.mark.parametrize(
    ('part', 'message'),
    [
        (record(20, record(1, b'')), 'found a training graph; expected a graph of ONNX operators'),
        (record(25, record(1, 'f')), 'found a function of its own; expected a graph of ONNX'),
        (record(7, b''), 'field 7 appears 2 times in one record'),
    ],
)
def test_a_model_is_one_graph_alone(part, message):
    with pytest.raises(ModelError, match=message):
        read_graph(model() + part, what='m.onnx')


def test_small_constants_are_kept_for_later_checks():
    constants = (
        record(5, tensor('raw', (2,), 7, record(9, struct.pack('<2q', 5, -6)))),
        record(5, tensor('packed', (2,), 7, record(7, varint(7) + varint(-8 % 2**64)))),
        record(5, tensor('single', (), 6, number(5, 9))),
        record(5, tensor('float', (1,), 1, record(4, struct.pack('<f', 0.5)))),
        record(5, tensor('byte', (1,), 2, record(9, b'\x01'))),
        record(5, tensor('long', (40,), 1, record(9, bytes(160)))),
    )
    found = read_graph(model(*constants), what='m.onnx').constants
    assert {name: held.values for name, held in found.items()} == {
        'raw': (5, -6),
        'packed': (7, -8),
        'single': (9,),
        'float': (0.5,),
        'byte': None,
        'long': None,
    }


@pytest.mark.parametrize(
    'name', ['colour-scene/fp32', 'colour-segmentation/fp32', 'broken/third-dimension']
)
def test_inputs_and_outputs_are_those_the_runtime_finds(name):
    data = (MODELS / f'{name}.onnx').read_bytes()
    graph = read_graph(data, what=name)
    runtime = OnnxRuntime(data, RuntimeSettings(provider='cpu', threads=1), what=name)
    assert (graph.inputs, graph.outputs) == (runtime.inputs, runtime.outputs)
    assert (graph.opsets, graph.ir_version, graph.domains) == ({'': 17}, 8, {})


def nested(depth):
    """A graph in a branch of a graph in a branch of a graph ..."""
    graph = record(5, FAR)
    for _ in range(depth):
        graph = record(1, record(5, record(6, graph)))
    return model(graph)


def test_graphs_are_followed_into_their_depth_but_not_for_ever():
    with pytest.raises(ModelError, match='in another file'):
        read_graph(nested(graph_file.MAX_DEPTH), what='m.onnx')
    for depth in (graph_file.MAX_DEPTH + 1, 2000):
        with pytest.raises(ModelError, match='found branches nested deeper than 8; expected'):
            read_graph(nested(depth), what='m.onnx')


def test_files_of_endless_records_nodes_or_constants_are_refused(monkeypatch):
    monkeypatch.setattr(protobuf, 'MAX_RECORDS', 500)
    with pytest.raises(ModelError, match=r'no ONNX file \(more than 500 records\)'):
        read_graph(model(record(1, b'') * 501), what='m.onnx')
    monkeypatch.setattr(graph_file, 'MAX_NODES', 5)
    read_graph(model(record(1, b'') * 5), what='m.onnx')
    with pytest.raises(ModelError, match='found more than 5 nodes; expected at most 5'):
        read_graph(model(record(1, b'') * 6), what='m.onnx')
    monkeypatch.setattr(graph_file, 'MAX_CONSTANT_BYTES', 30)
    read_graph(model(record(5, tensor()) * 2), what='m.onnx')
    with pytest.raises(ModelError, match='found constants of more than 30 bytes'):
        read_graph(model(record(5, tensor()) * 3), what='m.onnx')


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'it has no graph'),
        (b'\x3a', 'the file ends within a record'),
        (b'\x3a\x05', 'ends at byte 7, not 2'),
        (b'\x08', 'the file ends within a record'),
        (b'\x0b\x00', 'wire type 3'),
        (b'\x08' + b'\xff' * 11, 'has no end'),
        (b'\x09\x00', 'ends at byte 9, not 2'),
    ],
)
def test_bytes_that_are_no_record_are_refused_with_the_place(data, message):
    with pytest.raises(ModelError, match=f'm.onnx: found bytes that are no ONNX file .*{message}'):
        read_graph(data, what='m.onnx')
