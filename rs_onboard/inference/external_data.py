# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Find tensors of an ONNX file that lie in other files.

ONNX Runtime opens these other files wherever it happens to run, and no hash on a card covers them.
Flight code has no onnx package, so this walks the protobuf records itself: only the few that can
hold a tensor, skipping all others by their length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.inference.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Field numbers of onnx.proto that lead to tensors, by the kind of record they are in.
RECORDS: Mapping[str, Mapping[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {
        5: 'tensor',
        6: 'graph',
        10: 'tensor',
        11: 'graph',
        22: 'sparse',
        23: 'sparse',
    },
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {},
}
TENSOR_NAME, TENSOR_EXTERNAL, TENSOR_LOCATION = 8, 13, 14

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# Networks nest graphs in the bodies of loops and branches; deeper than this is an attack.
MAX_DEPTH = 64


class _Field(NamedTuple):
    number: int
    value: int
    data: memoryview


def refuse_external_data(graph: bytes, *, what: str) -> None:
    """Refuse a graph with tensors outside its file.

    Args:
        graph: The bytes of the ONNX file.
        what: The file, for messages.

    Raises:
        ModelError: A tensor lies in another file, or the bytes are no protobuf.
    """
    try:
        name = _external(memoryview(graph), 'model', 0)
    except (IndexError, ValueError):
        raise ModelError(
            f'{what}: found bytes that are no ONNX file. Export the model again.'
        ) from None
    if name is not None:
        raise ModelError(
            f'{what}: tensor {name!r} lies in another file; expected all weights in this one, '
            'which the hash covers. Export the model again without external data.'
        )


def _external(data: memoryview, record: str, depth: int) -> str | None:
    """Return the name of the first tensor outside the file, None if there is none."""
    if depth > MAX_DEPTH:
        raise ValueError
    inside = RECORDS[record]
    name, outside = '', False
    for field in _fields(data):
        if record == 'tensor':
            if field.number == TENSOR_NAME:
                name = bytes(field.data).decode('utf-8', 'replace')
            outside |= field.number == TENSOR_EXTERNAL
            outside |= field.number == TENSOR_LOCATION and field.value != 0
        elif field.number in inside:
            found = _external(field.data, inside[field.number], depth + 1)
            if found is not None:
                return found
    return name if outside else None


def _fields(data: memoryview) -> Iterator[_Field]:
    """Yield the fields of a protobuf record, raising IndexError or ValueError where it breaks."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        value, end = 0, position
        if kind == VARINT:
            value, end = _varint(data, position)
        elif kind == LENGTH:
            length, position = _varint(data, position)
            end = position + length
        elif kind in {FIXED32, FIXED64}:
            end = position + (4 if kind == FIXED32 else 8)
        else:
            raise ValueError
        if end > len(data):
            raise IndexError
        yield _Field(number, value, data[position:end])
        position = end


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, lowest first, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError
